using System.Diagnostics;
using System.Runtime.InteropServices;
using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Slices;
using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Faults;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using static TorchSharp.torch;

namespace KvShiftScale.Checkpoints.Saving;

/// <summary>How far a rank is with a save.</summary>
/// <param name="Unfinished">1 while it works on its part of the stage.</param>
/// <param name="Failed">1 if that has failed.</param>
public readonly record struct SaveStage(long Unfinished, long Failed);

/// <summary>
/// Saves a run while it goes on training. A save copies what a rank holds; a thread of its own writes the copy, and when all ranks have
/// written theirs, the first rank makes a checkpoint of them. Which of these stages is over, and whether one has failed, the ranks tell
/// each other after each step, from the thread that trains: no other thread uses MPI. All ranks call its methods side by side.
/// </summary>
public sealed class CheckpointSaver(CheckpointFolder folder, KvShiftTransformer model, AdamW optimizer, ParallelContext ranks, SaveSettings settings,
    ISaveReporter reporter) : IDisposable
{
    // A thread that hangs in a file system has this long to let go of the copy before that is left to it.
    private static readonly TimeSpan PatienceAtTheEnd = TimeSpan.FromSeconds(10);

    private readonly LogitProbe _probe = new(model, ranks);
    // Asked here, since the answer may be another one on another thread.
    private readonly int _threads = get_num_threads();
    private ModelCompanions? _companions;
    private SliceStaging? _staging;
    private SaveInFlight? _flight;
    private int _failuresInARow;
    private long? _committedStep;
    private double _waitSeconds;
    private double? _writeSeconds;

    /// <summary>Versions of this program and what it computes with.</summary>
    internal static IReadOnlyDictionary<string, string> Versions { get; } = new Dictionary<string, string>
    {
        ["kvshift"] = typeof(CheckpointSaver).Assembly.GetName().Version!.ToString(),
        ["torch"] = __version__,
        ["runtime"] = RuntimeInformation.FrameworkDescription,
    };

    private bool IsFirstRank => ranks.World.Rank == 0;

    /// <summary>Bytes of the copy that this rank keeps for saves beside training; 0 where none is kept.</summary>
    public long StagingBytes => _staging?.ByteCount ?? 0;

    /// <summary>
    /// The run as it was after a step is saved, or that save is under way: then it will be, or <see cref="Advance(SaveStage)"/> and
    /// <see cref="Finish"/> tell of its failure. Every rank has the same answer.
    /// </summary>
    public bool Has(long step) => _flight?.Step == step || _committedStep == step;

    /// <summary>
    /// Makes room for the copy, so that a lack of memory shows before training and not at the first save, and reads what goes into each
    /// checkpoint beside the weights.
    /// </summary>
    /// <param name="predecessor">Checkpoint or model folder that the run goes on from; null where it begins with random weights.</param>
    public void Prepare(string? predecessor)
    {
        if (IsFirstRank)
        {
            _companions = ModelCompanions.OfRun(settings.Tokenizer, predecessor);
        }

        if (!settings.IsBeside || settings.Every == 0)
        {
            return;
        }

        using var scope = NewDisposeScope();
        _staging = new SliceStaging(HeldSlice.ToSave(model, optimizer, ranks.Replicas));
    }

    /// <summary>
    /// Saves the run as it is after a step. One save at a time: an earlier one that is still being written is waited for. Collective.
    /// </summary>
    /// <param name="step">The step.</param>
    /// <param name="documents">What belongs to the checkpoint beside the tensors; the first rank writes it.</param>
    /// <param name="goesOn">Training goes on after this; otherwise the checkpoint is on the disk when this returns.</param>
    /// <exception cref="IOException">On all ranks: a save has failed, and the run may not go on without. Older checkpoints are as they were.</exception>
    public void Save(long step, IReadOnlyList<CheckpointDocument> documents, bool goesOn)
    {
        var started = Stopwatch.GetTimestamp();
        if (_flight is { } earlier)
        {
            Finish();
            var waited = Stopwatch.GetElapsedTime(started).TotalSeconds;
            if (goesOn)
            {
                reporter.Say(FormattableString.Invariant($"the save of step {step} has waited {waited:0.0} s for that of step {earlier.Step}"));
            }
        }

        using var scope = NewDisposeScope();
        var isBeside = goesOn && settings.IsBeside;
        var logits = _probe.Measure();
        var slices = HeldSlice.ToSave(model, optimizer, ranks.Replicas);
        if (isBeside)
        {
            slices = (_staging ??= new SliceStaging(slices)).Take(slices);
        }

        if (Begin(step, goesOn, out var draft))
        {
            var flight = _flight = new SaveInFlight { Step = step, Documents = documents, ProbeLogits = logits, Draft = draft };
            flight.Work = BackgroundThread.Start(() => WriteOwn(flight, slices, isBeside), isBeside);
            // What is written is not a copy, or nothing comes after it.
            if (!isBeside)
            {
                Finish(goesOn);
            }
        }
        var stoodStill = Stopwatch.GetElapsedTime(started).TotalSeconds;
        _waitSeconds += stoodStill;
        reporter.Count(new SaveTally { StoodStill = stoodStill });
    }

    /// <summary>How far this rank is with a save, for the ranks to put together with what else they tell each other after a step.</summary>
    public SaveStage Stage => _flight is not { Work: var work } ? default : new(work.IsCompleted ? 0 : 1, work is { IsCompleted: true, IsFaulted: true } ? 1 : 0);

    /// <summary>Takes note of how far a save has come on all ranks; to be called after each step. Collective.</summary>
    /// <param name="joint">The larger of all ranks' numbers in <see cref="Stage"/>.</param>
    /// <exception cref="IOException">As <see cref="Save"/>.</exception>
    public void Advance(SaveStage joint)
    {
        if (_flight is { } flight)
        {
            Advance(flight, joint, goesOn: true);
        }
    }

    /// <summary>Waits for a save that is being written. Collective.</summary>
    /// <param name="goesOn">Training goes on after this.</param>
    /// <exception cref="IOException">As <see cref="Save"/>.</exception>
    public void Finish(bool goesOn = true)
    {
        while (_flight is { } flight)
        {
            flight.Wait();
            var own = Stage;
            Span<long> largest = [own.Unfinished, own.Failed];
            ranks.World.Max(largest);
            Advance(flight, new SaveStage(largest[0], largest[1]), goesOn);
        }
    }

    /// <summary>How long training has stood still for saves since this was last asked.</summary>
    public double TakeWaitSeconds()
    {
        (var seconds, _waitSeconds) = (_waitSeconds, 0);
        return seconds;
    }

    /// <summary>How long the save that ended last has taken from the copy to the checkpoint; null where none has since this was last asked.</summary>
    public double? TakeWriteSeconds()
    {
        (var seconds, _writeSeconds) = (_writeSeconds, null);
        return seconds;
    }

    /// <summary>Ends a save that is being written; its draft stays unfinished. Not collective.</summary>
    public void Dispose()
    {
        if (_flight is { } flight)
        {
            // What still reads the copy may not lose it.
            if (!flight.Cancel(PatienceAtTheEnd))
            {
                return;
            }

            _flight = null;
        }
        _staging?.Dispose();
    }

    // The folder is there before any rank writes to it.
    private bool Begin(long step, bool goesOn, out CheckpointDraft? draft)
    {
        CheckpointDraft? begun = null;
        draft = null;
        try
        {
            RankAgreement.Together(ranks.World, () =>
            {
                if (!IsFirstRank)
                {
                    return;
                }

                InjectedFaults.Reach("checkpoint.begin");
                begun = folder.Begin(step, warning => _flight?.Warnings.Add(warning));
            });
        }
        catch (IOException error)
        {
            Fail(step, error, goesOn);
            return false;
        }
        draft = begun;
        return true;
    }

    private void Advance(SaveInFlight flight, SaveStage joint, bool goesOn)
    {
        if (joint.Failed > 0)
        {
            Abandon(flight, goesOn);
        }
        else if (joint.Unfinished > 0)
        {
            return;
        }
        else if (!flight.IsCommitting)
        {
            flight.IsCommitting = true;
            // After a signal there may be little time: older checkpoints are then not read in full to see whether they are good.
            var depth = goesOn || flight.Step >= settings.LastStep ? VerificationDepth.Everything : VerificationDepth.AllButSlices;
            flight.Work = IsFirstRank ? BackgroundThread.Start(() => Commit(flight, depth), settings.IsBeside && goesOn) : Task.CompletedTask;
        }
        else
        {
            _writeSeconds = flight.Elapsed.TotalSeconds;
            reporter.Count(new SaveTally { Duration = _writeSeconds });
            _failuresInARow = 0;
            _committedStep = flight.Step;
            _flight = null;
            foreach (var warning in flight.Warnings)
            {
                reporter.Warn(warning);
            }

            flight.Dispose();
        }
    }

    // This rank's file, and a note of what is in it.
    private bool WriteOwn(SaveInFlight flight, IReadOnlyList<HeldSlice> slices, bool isBeside)
    {
        InjectedFaults.Reach("checkpoint.write");
        var directory = folder.DraftPathOf(flight.Step);
        // On a network file system this rank may not see yet that the first one has made it.
        Directory.CreateDirectory(directory);
        var part = new CheckpointPart(null, []);
        if (slices.Count > 0)
        {
            var path = Path.Combine(directory, SliceFile.NameOf(ranks.World.Rank));
            var (file, tensors) = SliceFile.Write(path, slices, isBeside ? 1 : _threads, flight.Stop);
            part = new CheckpointPart(file, tensors);
        }
        part.Leave(directory, ranks.World.Rank);
        return true;
    }

    private bool Commit(SaveInFlight flight, VerificationDepth depth)
    {
        var draft = flight.Draft!;
        // Somebody tidies up at the wrong time.
        if (InjectedFaults.Strikes("remove", "checkpoint.draft", flight.Step))
        {
            Directory.Delete(draft.Directory, recursive: true);
        }

        var parts = CheckpointPart.TakeAll(draft.Directory, ranks.World.Size, settings.Patience, flight.Stop);
        _companions!.WriteTo(draft.Directory, _companions.Describe(new ModelDescription(model.Config, model.Context)));
        draft.Add(flight.Documents);
        draft.Commit(new CheckpointContent
        {
            Versions = Versions,
            Layout = new CheckpointLayout(ranks.World.Size, ranks.Data.Size, ranks.Context.Size, ranks.Tensor.Size,
                ConfigKeys.NameOf(settings.OptimizerSharding.ToString()), ConfigKeys.NameOf(settings.Precision.ToString()))
            {
                Pipeline = ranks.Pipeline.Size,
            },
            ProbeLogits = flight.ProbeLogits,
            ProbeTokens = LogitProbe.Tokens,
            Tensors = CheckpointTensor.Join(parts.SelectMany(part => part.Tensors)),
        }, [.. parts.Where(part => part.File is not null).Select(part => part.File!)]);
        flight.TakeDuration();
        Prune(flight, depth);
        return true;
    }

    // There is a checkpoint already, whatever becomes of older ones.
    private void Prune(SaveInFlight flight, VerificationDepth depth)
    {
        try
        {
            folder.Prune(settings.Keep, settings.KeepEvery, flight.Warnings.Add, depth);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            flight.Warnings.Add($"older checkpoints stay where they are: {error.Message}");
        }
    }

    // On all ranks: what one of them has met, known to all.
    private void Abandon(SaveInFlight flight, bool goesOn)
    {
        _flight = null;
        try
        {
            RankAgreement.Together(ranks.World, () =>
            {
                if (flight.Work.IsFaulted)
                {
                    flight.Work.GetAwaiter().GetResult();
                }
            });
        }
        catch (IOException error)
        {
            // Nobody writes to the folder any more when it is deleted.
            flight.Cancel(Timeout.InfiniteTimeSpan);
            ranks.World.Barrier();
            Discard(flight);
            Fail(flight.Step, error, goesOn);
        }
    }

    private void Discard(SaveInFlight flight)
    {
        try
        {
            flight.Dispose();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            reporter.Warn($"what was written of a checkpoint stays where it is: {error.Message}");
        }
    }

    private void Fail(long step, IOException error, bool goesOn)
    {
        reporter.Count(new SaveTally { HasFailed = true });
        _failuresInARow++;
        var what = $"the checkpoint of step {step} could not be saved: {error.Message}. {WhatIsLeft()}.";
        if (!goesOn || _failuresInARow > settings.AllowedFailures)
        {
            throw new IOException($"{what} Make room or mend the folder; the same command then goes on from there.", error);
        }
        if (!IsFirstRank)
        {
            return;
        }

        reporter.Warn(FormattableString.Invariant(
            $"{what} Training goes on without it, and the next save is tried when it is due; {settings.AllowedFailures - _failuresInARow} more in a row may fail (run.failed_saves). Make room or mend the folder."));
    }

    // What has just failed may be the folder itself.
    private string WhatIsLeft()
    {
        try
        {
            var newest = folder.List().FirstOrDefault(checkpoint => !checkpoint.IsPartial).Path;
            return newest is null ? "There is no checkpoint of this run yet" : $"The newest checkpoint is still {newest}";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return $"Which checkpoint is the newest cannot be told ({error.Message})";
        }
    }
}
