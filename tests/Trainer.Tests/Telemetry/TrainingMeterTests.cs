using System.Diagnostics.Metrics;
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

    [Fact]
    public void StepIsMeasuredOnEveryInstrument()
    {
        using var meter = new TrainingMeter(tokensBefore: 1500);

        meter.Record(StepRecords.At(4, validationLoss: 2.5) with { Mfu = 0.25, DataWaitFraction = 0.125, CommunicationHidden = 0.75, CommunicationExposedSeconds = 0.5 });

        Assert.Equal(
            [
                ("kvshift.communication.exposed", 0.5),
                ("kvshift.communication.hidden", 0.75),
                ("kvshift.data.wait", 0.125),
                ("kvshift.process.peak_memory", 1048576),
                ("kvshift.train.grad_norm", 1.5),
                ("kvshift.train.learning_rate", 2e-4),
                ("kvshift.train.loss", 2),
                ("kvshift.train.mfu", 0.25),
                ("kvshift.train.step", 4),
                ("kvshift.train.step.duration", 2),
                ("kvshift.train.tokens", 2500),
                ("kvshift.train.tokens_per_second", 500),
                ("kvshift.validation.loss", 2.5),
            ],
            _measured.OrderBy(measurement => measurement.Name, StringComparer.Ordinal));
        Assert.Equal("s", _units["kvshift.train.step.duration"]);
        Assert.Equal("By", _units["kvshift.process.peak_memory"]);
        Assert.Equal("{token}", _units["kvshift.train.tokens"]);
    }

    [Fact]
    public void TokensAreCountedOnce()
    {
        using var meter = new TrainingMeter();

        meter.Record(StepRecords.At(2));
        meter.Record(StepRecords.At(5));

        Assert.Equal([2000, 3000], _measured.Where(measurement => measurement.Name == "kvshift.train.tokens").Select(found => found.Value));
    }

    [Fact]
    public void SkippedStepsAreCountedOnceAndLeaveTheLastFiniteLoss()
    {
        using var meter = new TrainingMeter();

        meter.Record(StepRecords.At(1));
        meter.Record(StepRecords.At(2) with { Loss = double.NaN, GradNorm = double.PositiveInfinity, Skipped = true, SkippedSteps = 1 });
        meter.Record(StepRecords.At(3) with { SkippedSteps = 1 });

        Assert.Equal([1], _measured.Where(measurement => measurement.Name == "kvshift.train.skipped_steps").Select(found => found.Value));
        Assert.Equal(2, _measured.Count(measurement => measurement.Name == "kvshift.train.loss"));
        Assert.Equal(2, _measured.Count(measurement => measurement.Name == "kvshift.train.grad_norm"));
    }

    [Fact]
    public void RepeatedReadsAreCountedOnce()
    {
        using var meter = new TrainingMeter();

        meter.Record(StepRecords.At(1));
        meter.Record(StepRecords.At(2) with { ReadRetries = 3 });
        meter.Record(StepRecords.At(3) with { ReadRetries = 3 });
        meter.Record(StepRecords.At(4) with { ReadRetries = 5 });

        Assert.Equal([3, 2], _measured.Where(measurement => measurement.Name == "kvshift.data.read_retries").Select(found => found.Value));
    }

    [Fact]
    public void WhatIsUnknownIsNotMeasured()
    {
        using var meter = new TrainingMeter();

        meter.Record(StepRecords.At(0, validationLoss: 8.25) with { Loss = double.NaN });

        Assert.Equal(
            ["kvshift.process.peak_memory", "kvshift.train.step", "kvshift.validation.loss"],
            _measured.Select(measurement => measurement.Name).Order(StringComparer.Ordinal));
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

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = string.Concat(tags.ToArray().Select(tag => $"[{tag.Key}={tag.Value}]"));
        _measured.Add((instrument.Name + labels, value));
    }
}
