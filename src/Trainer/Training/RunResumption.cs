using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Restoring;
using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Session;

namespace KvShiftScale.Trainer.Training;

/// <summary>How a launch may take a run up.</summary>
internal sealed record ResumptionRules
{
    /// <summary>There has to be a checkpoint to go on from.</summary>
    public bool MustGoOn { get; init; }

    /// <summary>Training data may be other data than the checkpoint's.</summary>
    public bool AcceptChangedData { get; init; }

    /// <summary>The learning rate may jump where the run goes on.</summary>
    public bool AcceptChangedSchedule { get; init; }
}

/// <summary>Where a launch takes a run up: its newest good checkpoint, or the beginning where there never was one.</summary>
internal sealed class RunResumption(LaunchedRun run, TrainingSession session, ResumptionRules rules)
{
    private readonly CheckpointLoader _loader = new(session.Model, session.Optimizer, run.Ranks, run.Config.Precision);
    private RejectedCheckpoint? _damaged;

    /// <summary>Checkpoint that the run goes on from, or model folder that it begins from; null where it begins with random weights.</summary>
    public string? Predecessor { get; private set; }

    /// <summary>
    /// Fills model and optimizer. One rank looks for the checkpoint; all load the same one, each what it needs. What they read they compare
    /// with its hashes while they have it, so that nothing is read twice; only when these differ is all of it read again, to say where. Collective.
    /// </summary>
    /// <exception cref="ConfigException">The checkpoint is of another model or of other data.</exception>
    /// <exception cref="InvalidDataException">The run has checkpoints, and none of them is good.</exception>
    public TrainingState Restore(ShardCatalog training)
    {
        var loader = LoaderState.Of(training, run.Config.Data, run.Config.Run.Seed, step: 0);
        for (var below = long.MaxValue; ;)
        {
            var checkpoint = run.IsFirstRank ? FindCheckpoint(below) : null;
            var found = run.Ranks.BroadcastText(checkpoint?.Directory ?? "");
            if (found.Length == 0)
            {
                return rules.MustGoOn ? throw NothingToGoOnFrom(run.Folder) : Begin(loader);
            }

            try
            {
                RequireSameRun(found, loader);
                var state = _loader.Load(found, TrainingState.Read);
                Predecessor = found;
                run.Folder.Checkpoints.MarkGood(state.Step);
                // An imported model has not begun.
                return state.Step == 0 ? state with { Loader = loader } : state with { ResumedAt = [.. state.ResumedAt, state.Step] };
            }
            catch (Exception error) when (error is InvalidDataException or IOException)
            {
                // On all ranks. Where the files are as they were written, it is not for an older checkpoint to mend.
                var fault = run.Ranks.BroadcastText(run.IsFirstRank && CheckpointVerification.Run(found) is [var first, ..] ? first.ToString() : "");
                if (fault.Length == 0)
                {
                    throw;
                }

                if (checkpoint is null)
                {
                    continue;
                }

                below = checkpoint.Step;
                run.Folder.Checkpoints.MarkDamaged(checkpoint.Step, fault);
                Reject(new RejectedCheckpoint(found, fault));
            }
        }
    }

    /// <summary>What is wrong where a run has to go on and has no checkpoint.</summary>
    public static ConfigException NothingToGoOnFrom(RunFolder folder) => new(new ConfigFault("run.name", Path.GetFileName(folder.Path),
        $"--resume wants a run with a finished checkpoint, and {folder.Path} has none",
        "check run.name and run.directory, or leave --resume out to begin the run"));

    private TrainingState Begin(LoaderState loader)
    {
        session.Initialize(run.Config.Run.Seed, () =>
        {
            if (run.Config.Run.InitializeFrom is { Length: > 0 } folder)
            {
                run.Reporter.Say(InitialModel.Load(folder, session.Model));
                Predecessor = folder;
            }
        });
        return new TrainingState { Step = 0, Tokens = 0, Loader = loader };
    }

    // The newest one of earlier steps that is good so far as its slices do not say otherwise; null where there never was one.
    private Checkpoint? FindCheckpoint(long below)
    {
        var search = run.Folder.Checkpoints.FindNewestGood(VerificationDepth.AllButSlices, below);
        foreach (var rejected in search.Rejected)
        {
            Reject(rejected);
        }

        if (search.Newest is { } newest)
        {
            return newest;
        }
        // One that was never finished is what a kill leaves, and there may be nothing before it. A finished one that is damaged is
        // somebody's run: beginning again would write over it.
        if (_damaged is null)
        {
            return null;
        }

        throw new InvalidDataException(
            $"{_damaged}. No checkpoint of {run.Folder.Path} is good, so the run cannot go on. Restore one, or begin a new run under another run.name.");
    }

    private void Reject(RejectedCheckpoint rejected)
    {
        run.Reporter.Warn($"checkpoint rejected: {rejected}");
        if (Path.GetFileName(rejected.Directory).StartsWith('.'))
        {
            return;
        }

        _damaged ??= rejected;
    }

    private void RequireSameRun(string checkpoint, LoaderState loader)
    {
        const string Remedy = "put back what the run was begun with, or begin a new run under another run.name";
        TrainingState? state = null;
        ModelDescription? description = null;
        // On a network file system one rank may not see yet what the first has found.
        RankAgreement.Together(run.Ranks.World, () =>
        {
            state = TrainingState.Read(checkpoint);
            description = ModelDescription.Read(checkpoint);
        });
        var faults = new List<ConfigFault>();
        // One that was made from a model, not by a run, has read no data.
        var before = state!.Loader;
        if (run.Config.Data.RowOrder is null && before is not null)
        {
            loader = loader with { RowOrder = before.RowOrder };
        }

        if (before?.ConfigurationDifferenceFrom(loader) is { } setting)
        {
            faults.Add(new ConfigFault("data", setting, $"must be what it was when {checkpoint} was saved", Remedy));
        }

        faults.AddRange(DataFaults(checkpoint, before?.DataDifferenceFrom(loader), Remedy));
        faults.AddRange(ShapeDifference.Between(description!.Model, run.Config.Model).Select(difference => new ConfigFault(difference.Key,
            difference.Wanted, $"must be what {checkpoint} has, which is {difference.Stored}", Remedy)));
        faults.AddRange(SettingFaults(checkpoint, state.Step));
        if (faults.Count > 0)
        {
            throw new ConfigException(faults);
        }
    }

    private IEnumerable<ConfigFault> DataFaults(string checkpoint, string? difference, string remedy)
    {
        // Asked of one rank, so that all decide the same.
        var tokenizer = RankAgreement.Together(run.Ranks.World,
            () => run.IsFirstRank ? ModelCompanions.TokenizerDifference(checkpoint, run.Config.Data.Tokenizer) ?? "" : "")[0];
        foreach (var (key, change) in new[] { ("data", difference), ("data.tokenizer", tokenizer.Length > 0 ? tokenizer : null) })
        {
            if (change is null)
            {
                continue;
            }

            if (!rules.AcceptChangedData)
            {
                yield return new ConfigFault(key, change, $"must be what it was when {checkpoint} was saved",
                    remedy + "; --accept-changed-data goes on at the same step in the order of the new data");
            }
            else if (run.IsFirstRank)
            {
                run.Reporter.Warn($"going on with changed data: {change}");
            }
        }
    }

    private IEnumerable<ConfigFault> SettingFaults(string checkpoint, long step)
    {
        // A run that is done trains no further, whatever its schedule.
        if (step >= run.Config.Run.Steps || ConfigurationOf(checkpoint) is not { } then)
        {
            yield break;
        }

        var changed = new ChangedSettings(then, run.Config, step);
        if (changed.FaultOf(checkpoint) is { } fault && !rules.AcceptChangedSchedule)
        {
            yield return fault;
            yield break;
        }

        foreach (var (sentence, isWarning) in run.IsFirstRank ? changed.Sentences() : [])
        {
            Action<string> tell = isWarning ? run.Reporter.Warn : run.Reporter.Say;
            tell(sentence);
        }
    }

    // Null where there is none, as in one that was made from a model, or where it cannot be read.
    private RunConfig? ConfigurationOf(string checkpoint)
    {
        var text = RankAgreement.Together(run.Ranks.World, () =>
        {
            var path = Path.Combine(checkpoint, RunFolder.ConfigurationName);
            return run.IsFirstRank && File.Exists(path) ? File.ReadAllText(path) : "";
        })[0];
        if (text.Length == 0)
        {
            return null;
        }

        try
        {
            return RunConfigReader.Parse(text, Path.Combine(checkpoint, RunFolder.ConfigurationName), []);
        }
        catch (ConfigException unknown)
        {
            // Of another version of the program; whether settings have changed cannot be told then.
            if (run.IsFirstRank)
            {
                run.Reporter.Warn($"whether settings differ from those of {checkpoint} cannot be told: {unknown.Message}");
            }

            return null;
        }
    }
}
