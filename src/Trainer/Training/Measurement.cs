using System.Diagnostics;
using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Models;
using KvShiftScale.Models.Probing;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>What is due after some steps, the last among them: the loss of the validation data, and a probe of the heads.</summary>
internal sealed class Measurement
{
    // Enough for sequences that nothing but their repetition foretells, few enough that training meets each of them early.
    private const int MostProbedIds = 1024;

    private readonly LaunchedRun _run;
    private readonly IReadOnlyList<ValidationSet> _sets;
    private readonly Validation _validation;
    private readonly InductionProbe? _probe;

    /// <param name="run">The run.</param>
    /// <param name="model">What is measured.</param>
    /// <param name="data">Shards to validate on, and to take ids for the probe from.</param>
    public Measurement(LaunchedRun run, KvShiftTransformer model, RunData data)
    {
        _run = run;
        _sets = data.Validation;
        _validation = new Validation(model, run.Ranks);
        if (run.Config.Run.ProbeEvery > 0)
        {
            _probe = new InductionProbe(model, ProbedIds(run.Config, data.Training));
        }
    }

    /// <summary>There is data to validate on.</summary>
    public bool CanValidate => _sets.Count > 0;

    /// <summary>Whether something is due after a step.</summary>
    public bool IsDue(long step) => IsValidated(step) || IsProbed(step);

    /// <summary>Adds what is due after a step to its line of the log. Collective.</summary>
    /// <param name="record">The line.</param>
    /// <param name="givesUp">As in <see cref="Validate"/>.</param>
    /// <returns>Null when the ranks gave it up.</returns>
    public StepRecord? Complete(StepRecord record, Func<bool> givesUp)
    {
        if (IsValidated(record.Step))
        {
            if (Validate(givesUp) is not { } losses)
            {
                return null;
            }

            record = record with { ValidationLoss = losses.Mean, ValidationSets = losses.Sets };
        }
        return IsProbed(record.Step) ? record with { Probe = Probe() } : record;
    }

    /// <summary>The loss of the validation data. Collective.</summary>
    /// <param name="givesUp">Asked about once a second by all ranks together.</param>
    /// <returns>Null when the ranks gave it up.</returns>
    public ValidationLosses? Validate(Func<bool> givesUp)
    {
        RunProgress.Enter(RunPhase.Evaluate);
        var config = _run.Config;
        var (losses, targets) = (new List<(string Name, double Loss)>(), new List<long>());
        foreach (var set in _sets)
        {
            var batches = new EvaluationBatches(set.Shards, config.Data.Context, config.Data.MicroBatch, config.Model.VocabSize, _run.Share,
                config.Run.ValidationRows > 0 ? config.Run.ValidationRows : null, _run.Access);
            if (_validation.Run(batches, givesUp: givesUp) is not { } found)
            {
                return null;
            }

            losses.Add((set.Name ?? "", found.Loss));
            targets.Add(found.Targets);
        }

        var mean = losses.Count == 1 ? losses[0].Loss : losses.Zip(targets, (set, count) => set.Loss * count).Sum() / targets.Sum();
        return new ValidationLosses(mean, _sets[0].Name is null ? [] : losses);
    }

    private bool IsValidated(long step) => CanValidate && IsDue(step, _run.Config.Run.ValidateEvery);

    private bool IsProbed(long step) => _probe is not null && IsDue(step, _run.Config.Run.ProbeEvery);

    private bool IsDue(long step, int every) => step == _run.Config.Run.Steps || FinishedStep.IsDue(step, every);

    // Every copy of the model is probed where it is: nobody waits for the ranks of another.
    private ProbeRecord Probe()
    {
        RunProgress.Enter(RunPhase.Probe);
        var start = Stopwatch.GetTimestamp();
        var scores = _probe!.Run();
        return new ProbeRecord(scores, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static IReadOnlyList<int> ProbedIds(RunConfig config, ShardCatalog training)
    {
        var frequent = FrequentIds.Of(training, config.Model.VocabSize, MostProbedIds);
        return frequent.Count >= 2 ? frequent : [.. Enumerable.Range(0, Math.Min(MostProbedIds, config.Model.VocabSize))];
    }
}
