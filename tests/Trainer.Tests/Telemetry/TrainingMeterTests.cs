using System.Diagnostics.Metrics;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.Telemetry;

[Collection(nameof(TrainingMeter))]
public sealed class TrainingMeterTests : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<(string Name, double Value)> _measured = [];
    private readonly Dictionary<string, string?> _units = [];

    public TrainingMeterTests()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == TrainingMeter.MeterName)
            {
                _units[instrument.Name] = instrument.Unit;
                Assert.False(string.IsNullOrEmpty(instrument.Description));
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();

    private static readonly string[] OfEachRank =
    [
        "kvshift.checkpoint.wait", "kvshift.communication.exposed", "kvshift.communication.hidden", "kvshift.data.read_retries", "kvshift.data.wait",
        "kvshift.process.peak_memory", "kvshift.train.step.duration", "kvshift.train.tokens",
    ];

    [Fact]
    public void StepIsMeasuredOnEveryInstrument()
    {
        using var meter = new TrainingMeter();

        MeasureAll(meter);

        Assert.Equal(
            [
                ("kvshift.checkpoint.duration", 8),
                ("kvshift.checkpoint.failed", 1),
                ("kvshift.checkpoint.wait", 0.25),
                ("kvshift.communication.exposed", 0.5),
                ("kvshift.communication.hidden", 0.75),
                ("kvshift.data.read_retries", 3),
                ("kvshift.data.wait", 0.125),
                ("kvshift.process.peak_memory", 1048576),
                ("kvshift.train.grad_norm", 1.5),
                ("kvshift.train.learning_rate", 2e-4),
                ("kvshift.train.loss", 2),
                ("kvshift.train.matmul_share", 0.625),
                ("kvshift.train.mfu", 0.25),
                ("kvshift.train.skipped_steps", 1),
                ("kvshift.train.step", 4),
                ("kvshift.train.step.duration", 2.5),
                ("kvshift.train.tflops_per_rank", 0.0625),
                ("kvshift.train.tokens", 250),
                ("kvshift.train.tokens_per_second", 500),
                ("kvshift.validation.loss", 2.5),
            ],
            _measured.Where(measurement => !measurement.Name.StartsWith("kvshift.probe", StringComparison.Ordinal))
                .OrderBy(measurement => measurement.Name, StringComparer.Ordinal));
        Assert.Equal("s", _units["kvshift.train.step.duration"]);
        Assert.Equal("By", _units["kvshift.process.peak_memory"]);
        Assert.Equal("{token}", _units["kvshift.train.tokens"]);
    }

    [Fact]
    public void RanksBesideTheFirstMeasureWhatIsTheirOwn()
    {
        using var meter = new TrainingMeter(speaksForAll: false);

        MeasureAll(meter);

        Assert.Equal(OfEachRank, _measured.Select(measurement => measurement.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void EveryStepIsCountedLoggedOrNot()
    {
        using var meter = new TrainingMeter();

        meter.Count(new StepTally(100, 0.5, IsSkipped: false));
        meter.Count(new StepTally(101, 9, IsSkipped: true));
        meter.Record(StepRecords.At(2) with { Skipped = true, SkippedSteps = 1 });
        meter.Count(new StepTally(99, 0.5, IsSkipped: false));

        Assert.Equal([100, 101, 99], Values("kvshift.train.tokens"));
        Assert.Equal([0.5, 9, 0.5], Values("kvshift.train.step.duration"));
        Assert.Equal([1], Values("kvshift.train.skipped_steps"));
    }

    [Fact]
    public void WhatEarlierLaunchesHaveCountedIsNotCountedAgain()
    {
        using var meter = new TrainingMeter();

        // The first line of a launch that went on from step 1000.
        meter.Record(StepRecords.At(1000) with { SkippedSteps = 17 });
        meter.Count(new StepTally(250, 2, IsSkipped: false));
        meter.Record(StepRecords.At(1001) with { SkippedSteps = 17 });

        Assert.Equal([250], Values("kvshift.train.tokens"));
        Assert.Empty(Values("kvshift.train.skipped_steps"));
    }

    [Fact]
    public void BadNumbersLeaveTheLastFiniteLoss()
    {
        using var meter = new TrainingMeter();

        meter.Record(StepRecords.At(1));
        meter.Record(StepRecords.At(2) with { Loss = double.NaN, GradNorm = double.PositiveInfinity, Skipped = true, SkippedSteps = 1 });
        meter.Record(StepRecords.At(3) with { SkippedSteps = 1 });

        Assert.Equal(2, Values("kvshift.train.loss").Length);
        Assert.Equal(2, Values("kvshift.train.grad_norm").Length);
    }

    [Fact]
    public void RepeatedReadsAreCountedOnce()
    {
        using var meter = new TrainingMeter();

        meter.Record(StepRecords.At(1));
        meter.Record(StepRecords.At(2) with { ReadRetries = 3 });
        meter.Record(StepRecords.At(3) with { ReadRetries = 3 });
        meter.Record(StepRecords.At(4) with { ReadRetries = 5 });

        Assert.Equal([3, 2], Values("kvshift.data.read_retries"));
    }

    [Fact]
    public void StateBeforeTrainingHasNoTrainingNumbers()
    {
        using var meter = new TrainingMeter();

        meter.Record(StepRecord.BeforeTraining(validationLoss: 8.25));

        Assert.Equal(
            ["kvshift.process.peak_memory", "kvshift.train.step", "kvshift.validation.loss"],
            _measured.Select(measurement => measurement.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void SetsOfTheValidationDataAreMeasuredByName()
    {
        using (var other = new TrainingMeter(speaksForAll: false))
        {
            other.Record(StepRecords.At(4) with { ValidationSets = [("code", 3)] });
        }

        using var meter = new TrainingMeter();
        meter.Record(StepRecords.At(4) with { ValidationSets = [("code", 2.25), ("books", double.NaN), ("news", 2.5)] });

        Assert.Equal([("kvshift.validation.set_loss[set=code]", 2.25), ("kvshift.validation.set_loss[set=news]", 2.5)],
            _measured.Where(measurement => measurement.Name.Contains("set_loss", StringComparison.Ordinal)));
    }

    [Fact]
    public void ProbeIsMeasuredByLayerAndNotByHead()
    {
        using var meter = new TrainingMeter();

        meter.Record(StepRecords.At(4) with { Probe = StepRecords.Probe(accuracy: 0.9) });

        Assert.Equal(
            [
                ("kvshift.probe.copying[layer=0]", 1),
                ("kvshift.probe.copying[layer=1]", 0.5),
                ("kvshift.probe.duration", 0.125),
                ("kvshift.probe.induction_accuracy", 0.9),
                // (0.75 / 1 + 0.5 / 1) / 2 and (0.125 / 1 + 0 / 1) / 2; the second layer has no scalars.
                ("kvshift.probe.key_previous_share[layer=0]", 0.625),
                ("kvshift.probe.loss_difference", -3.25),
                ("kvshift.probe.prefix_matching[layer=0]", 0.875),
                ("kvshift.probe.prefix_matching[layer=1]", 0.5),
                ("kvshift.probe.value_previous_share[layer=0]", 0.0625),
            ],
            _measured.Where(measurement => measurement.Name.Contains("probe", StringComparison.Ordinal))
                .OrderBy(measurement => measurement.Name, StringComparer.Ordinal));
        Assert.Equal("s", _units["kvshift.probe.duration"]);
    }

    private static void MeasureAll(TrainingMeter meter)
    {
        meter.Count(new StepTally(250, 2.5, IsSkipped: true));
        meter.Count(new SaveTally { StoodStill = 0.25 });
        meter.Count(new SaveTally { Duration = 8 });
        meter.Count(new SaveTally { HasFailed = true });
        meter.Record(StepRecords.At(4, validationLoss: 2.5) with
        {
            TflopsPerRank = 0.0625,
            Mfu = 0.25,
            MatmulShare = 0.625,
            DataWaitFraction = 0.125,
            CommunicationHidden = 0.75,
            CommunicationExposedSeconds = 0.5,
            ReadRetries = 3,
            Probe = StepRecords.Probe(accuracy: 0.5),
        });
    }

    private double[] Values(string name) => [.. _measured.Where(measurement => measurement.Name == name).Select(measurement => measurement.Value)];

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = string.Concat(tags.ToArray().Select(tag => $"[{tag.Key}={tag.Value}]"));
        _measured.Add((instrument.Name + labels, value));
    }
}
