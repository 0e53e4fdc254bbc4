using System.Diagnostics.Metrics;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Parallel.Collectives;
using static KvShiftScale.Trainer.Telemetry.InstrumentKind;
using static KvShiftScale.Trainer.Telemetry.MeasuredBy;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>The instruments of a training run. Measurements cost next to nothing until somebody listens.</summary>
public sealed class TrainingMeter : IDisposable
{
    /// <summary>Name of the meter, to subscribe to.</summary>
    public const string MeterName = "kvshiftscale";

    internal static readonly Instrument<StepTally>[] OfSteps =
    [
        new("kvshift.train.tokens", Counter, "{token}", EachRank,
            "Tokens trained on by this launch: this rank's part, so that the sum over ranks is the launch's.", step => step.OwnTokens),
        new("kvshift.train.step.duration", Histogram, "s", EachRank, "Duration of each step on this rank.", step => step.Seconds),
        new("kvshift.train.skipped_steps", Counter, "{step}", FirstRank, "Steps of this launch without update, because their numbers were bad.",
            step => step.IsSkipped ? 1 : null),
    ];

    internal static readonly Instrument<SaveTally>[] OfSaves =
    [
        new("kvshift.checkpoint.wait", Histogram, "s", EachRank, "Time that training has stood still on this rank for a save.", save => save.StoodStill),
        new("kvshift.checkpoint.duration", Histogram, "s", FirstRank, "Time of a save from the copy to the checkpoint.", save => save.Duration),
        new("kvshift.checkpoint.failed", Counter, "{save}", FirstRank, "Saves of this launch that have failed.", save => save.HasFailed ? 1 : null),
    ];

    private readonly Meter _meter;
    private readonly bool _speaksForAll;
    private readonly Action<StepTally>[] _steps;
    private readonly Action<SaveTally>[] _saves;
    private readonly Action<StepRecord>[] _records;
    private readonly ProbeMeter _probe;
    private readonly Gauge<double> _validationSets;

    /// <summary>Makes the instruments.</summary>
    /// <param name="speaksForAll">
    /// This is the rank that measures what is the same on all, so that a sum or mean over ranks means something; others measure what is
    /// their own.
    /// </param>
    /// <param name="ledger">What the groups of this process exchange; null where there are none.</param>
    public TrainingMeter(bool speaksForAll = true, CollectiveLedger? ledger = null)
    {
        _speaksForAll = speaksForAll;
        _meter = new Meter(MeterName, typeof(TrainingMeter).Assembly.GetName().Version!.ToString(3));
        _steps = Create(OfSteps);
        _saves = Create(OfSaves);
        _records = Create(StepMetrics.All.Where(metric => metric.Instrument is not null).Select(metric => metric.Instrument!));
        _probe = new ProbeMeter(_meter);
        _validationSets = _meter.CreateGauge<double>("kvshift.validation.set_loss", "{nat}", "Mean loss over each set of the validation data that has a name.");
        if (ledger is not null)
        {
            CollectiveMeter.Add(_meter, ledger);
        }
    }

    /// <summary>Counts a step of this launch, logged or not.</summary>
    public void Count(StepTally step) => Measure(_steps, step);

    /// <summary>Counts a save.</summary>
    public void Count(SaveTally save) => Measure(_saves, save);

    /// <summary>Measures a logged step.</summary>
    public void Record(StepRecord record)
    {
        Measure(_records, record);
        if (!_speaksForAll)
        {
            return;
        }

        if (record.Probe is { } probe)
        {
            _probe.Record(probe);
        }

        foreach (var (name, loss) in record.ValidationSets.Where(set => double.IsFinite(set.Loss)))
        {
            _validationSets.Record(loss, new KeyValuePair<string, object?>("set", name));
        }
    }

    /// <summary>Ends the instruments; listeners forget them.</summary>
    public void Dispose() => _meter.Dispose();

    private static void Measure<TSource>(Action<TSource>[] instruments, TSource source)
    {
        foreach (var measure in instruments)
        {
            measure(source);
        }
    }

    // All are made, so that ranks export the same ones; those that are not for this rank measure nothing.
    private Action<TSource>[] Create<TSource>(IEnumerable<Instrument<TSource>> instruments)
        => [.. instruments.Select(instrument => (instrument.By, Measure: instrument.CreateIn(_meter)))
            .Where(made => _speaksForAll || made.By == EachRank).Select(made => made.Measure)];
}
