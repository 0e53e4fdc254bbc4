using KvShiftScale.Checkpoints.Restoring;
using KvShiftScale.Core.Faults;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Regions;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Session;
using KvShiftScale.Trainer.Telemetry;
using KvShiftScale.Trainer.Training;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Replaying;

/// <summary>
/// Computes a step of a run again: from the newest good checkpoint before it, with the data that its number names. It runs in one process,
/// whatever the layout of the run was, and writes nothing.
/// </summary>
internal sealed class Replayer
{
    // Rows whose documents are looked up.
    private const int MostSuspects = 8;

    private readonly RunConfig _config;
    private readonly RunFolder _folder;
    private readonly ReadAccess _access;
    private readonly Action<string> _say;
    private readonly IReadOnlyList<SkippedStep> _skipped;

    /// <param name="config">The run's configuration.</param>
    /// <param name="say">Told what a person may want to know on the way.</param>
    public Replayer(RunConfig config, Action<string> say)
    {
        _folder = new RunFolder(config);
        _config = config with
        {
            Data = config.Data with { RowOrder = config.Data.RowOrder ?? _folder.ReadRowOrder() },
            Parallel = config.Parallel with { Pipeline = 1, VirtualStages = 1, Tensor = 1, Context = 1, Sequence = null, OptimizerSharding = OptimizerSharding.None },
        };
        _access = new ReadAccess { Retries = config.Data.ReadRetries, Notice = say };
        _say = say;
        _skipped = SkippedStepLog.Read(_folder.Skipped);
    }

    /// <summary>
    /// Poisoned micro-batches that <paramref name="faults"/> names by their rank, named by their first row instead, which one process has, too.
    /// </summary>
    public string Translate(string faults)
        => string.Join(';', faults.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .SelectMany(text => InjectedFault.Parse(text) is { Action: "poison", Point: "batch" } fault ? RowsOf(fault) : [text]));

    /// <summary>Computes a step again.</summary>
    /// <exception cref="InvalidDataException">The data or a checkpoint is not what it was.</exception>
    public StepReplay Execute(long step)
    {
        var records = File.Exists(_folder.Metrics) ? MetricsLog.Read(_folder.Metrics) : [];
        var catalog = OpenData();
        using var ranks = ParallelContext.Single();
        using var session = TrainingSession.Create(_config, ranks);
        var model = session.Model;
        var state = Restore(step, catalog, session, out var checkpoint);
        session.Guard.State = state.Guard;
        using var batches = new TrainingBatches(catalog, _config.Data, _config.Run.Seed, _config.Model.VocabSize, new DataShare(0, 1), state.Step,
            _access);

        var (compared, difference) = (0, 0.0);
        for (var earlier = state.Step + 1; earlier < step; earlier++)
        {
            var done = session.Step(earlier, batches);
            if (records.FirstOrDefault(record => record.Step == earlier) is not { } record || !double.IsFinite(record.Loss))
            {
                continue;
            }

            compared++;
            difference = Math.Max(difference, StepReplay.Difference(record.Loss, done.Loss));
        }
        // With the parameters that the step begins with.
        var rows = Rows(step, catalog, model);
        var outcome = session.Step(step, batches);

        using var scope = NewDisposeScope();
        return new StepReplay
        {
            Step = step,
            Checkpoint = checkpoint,
            FirstStep = state.Step,
            Outcome = outcome,
            NonFiniteGradients = [.. model.Parameters.Slots.Reverse().Where(slot => !IsFinite(slot.Gradient)).Select(slot => slot.Name)],
            Parameters = model.Parameters.Slots.Count,
            Rows = rows,
            Suspects = RowOrigins.Find(catalog, _config.Data, _config.Run.Seed, _config.Model.VocabSize, SuspectsOf(rows), _access),
            Logged = records.FirstOrDefault(record => record.Step == step),
            Skipped = _skipped.FirstOrDefault(skipped => skipped.Step == step),
            Before = (compared, difference),
        };
    }

    private IEnumerable<string> RowsOf(InjectedFault fault)
    {
        foreach (var step in _skipped.Where(skipped => (fault.Number ?? skipped.Step) == skipped.Step))
        {
            var poisoned = step.MicroBatches.SelectMany(batch => batch.Ranks.Select(rank => (Rank: rank, batch.FirstRow)))
                .GroupBy(pair => pair.Rank).Where(same => (fault.Rank ?? same.Key) == same.Key);
            var rows = poisoned.Select(same => same.Min(pair => pair.FirstRow)).Distinct();
            foreach (var row in rows)
            {
                yield return FormattableString.Invariant($"poison@row:{row}");
            }
        }
    }

    private ShardCatalog OpenData() => ShardCatalog.Open(_config.Data.Train, new CountingOptions
    {
        PaddedContext = _config.Data.Packing == Packing.Pad ? _config.Data.Context : null,
        // Read where the run has written it, and never written here.
        File = File.Exists(_folder.RowGroupCounts) ? _folder.RowGroupCounts : null,
        Threads = _config.Data.ReaderThreads,
        Notice = _say,
    }, _access);

    private TrainingState Restore(long step, ShardCatalog catalog, TrainingSession session, out string? checkpoint)
    {
        checkpoint = NewestGoodBefore(step);
        var loader = LoaderState.Of(catalog, _config.Data, _config.Run.Seed, step: 0);
        if (checkpoint is null)
        {
            session.Initialize(_config.Run.Seed, () =>
            {
                if (_config.Run.InitializeFrom is { Length: > 0 } folder)
                {
                    _say(InitialModel.Load(folder, session.Model));
                }
            });
            return new TrainingState { Step = 0, Tokens = 0, Loader = loader };
        }
        var state = new CheckpointLoader(session.Model, session.Optimizer, session.Ranks, _config.Precision).Load(checkpoint, TrainingState.Read);
        if (state.Loader?.DifferenceFrom(loader) is { } difference)
        {
            throw new InvalidDataException($"{difference}, since {checkpoint} was saved. Rows have other content now, so the step cannot be computed again; put back what the run was trained on.");
        }

        return state;
    }

    private string? NewestGoodBefore(long step)
    {
        var search = _folder.Checkpoints.FindNewestGood(below: step);
        // An unfinished one may be what the run is writing now.
        foreach (var rejected in search.Rejected.Where(rejected => !Path.GetFileName(rejected.Directory).StartsWith('.')))
        {
            _say($"checkpoint rejected: {rejected}");
        }

        return search.Newest?.Directory;
    }

    private List<RowReplay> Rows(long step, ShardCatalog catalog, KvShiftTransformer model)
    {
        using var mode = no_grad();
        var rows = new List<RowReplay>();
        using var batches = new TrainingBatches(catalog, _config.Data with { MicroBatch = 1 }, _config.Run.Seed, _config.Model.VocabSize,
            new DataShare(0, 1), step - 1, _access);
        for (var i = 0; i < batches.MicroBatchesPerStep; i++)
        {
            using var scope = NewDisposeScope();
            using var batch = batches.Next();
            using var inputs = new BatchTensors(batch, model.Parameters.Device, ContextRegion.Whole());
            string? bad = null;
            var largest = (Value: 0.0, Part: "");
            void Look(string part, Tensor output)
            {
                if (bad is not null)
                {
                    return;
                }

                var value = output.abs().max().to(ScalarType.Float64).item<double>();
                if (!double.IsFinite(value))
                {
                    bad = part;
                }
                else if (value > largest.Value)
                {
                    largest = (value, part);
                }
            }

            var loss = model.LossSum(inputs.Ids, inputs.Targets, inputs.Layout, new ForwardObserver { Part = Look }).to(ScalarType.Float64).item<double>();
            if (InjectedFaults.Strikes("poison", "row", batch.FirstRow))
            {
                loss *= double.PositiveInfinity;
            }

            rows.Add(new RowReplay(batch.FirstRow, loss / Math.Max(1, batch.ValidTargets), bad, largest));
        }
        return rows;
    }

    // Those that are not finite, or else the one with the highest loss; in ascending order, in which they are cheap to find.
    private static IEnumerable<long> SuspectsOf(List<RowReplay> rows)
    {
        var bad = rows.Where(row => !double.IsFinite(row.Loss) || row.FirstNonFinite is not null).ToList();
        return (bad.Count > 0 ? bad.Take(MostSuspects) : rows.OrderByDescending(row => row.Loss).Take(1)).Select(row => row.Row).Order();
    }

    private static bool IsFinite(Tensor values) => double.IsFinite(values.abs().max().to(ScalarType.Float64).item<double>());
}
