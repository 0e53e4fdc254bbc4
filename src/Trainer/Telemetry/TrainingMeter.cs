using System.Diagnostics.Metrics;
using KvShiftScale.Parallel.Ledger;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>The instruments of a training run. Measurements cost next to nothing until somebody listens.</summary>
public sealed class TrainingMeter : IDisposable
{
    /// <summary>Name of the meter, to subscribe to.</summary>
    public const string MeterName = "kvshiftscale";

    private readonly Meter _meter;
    private readonly Gauge<long> _step;
    private readonly Gauge<double> _loss;
    private readonly Counter<long> _tokens;
    private readonly Gauge<double> _tokensPerSecond;
    private readonly Histogram<double> _stepDuration;
    private readonly Gauge<double> _gradNorm;
    private readonly Gauge<double> _learningRate;
    private readonly Gauge<double> _mfu;
    private readonly Gauge<double> _dataWait;
    private readonly Gauge<double> _communicationHidden;
    private readonly Gauge<double> _communicationExposed;
    private readonly Counter<long> _readRetries;
    private readonly Counter<long> _skippedSteps;
    private readonly Gauge<double> _validationLoss;
    private readonly Gauge<long> _peakMemory;
    private readonly Histogram<double> _saveWait;
    private readonly Histogram<double> _saveDuration;
    private readonly Counter<long> _failedSaves;
    private readonly ProbeMeter _probe;
    private long _tokensCounted;
    private long _retriesCounted;
    private long _skipsCounted;
    private long _failuresCounted;

    /// <summary>Makes the instruments.</summary>
    /// <param name="tokensBefore">Tokens that earlier launches of the run trained on; the counter counts this launch's only.</param>
    /// <param name="ledger">What the groups of this process exchange; null where there are none.</param>
    public TrainingMeter(long tokensBefore = 0, CollectiveLedger? ledger = null)
    {
        _tokensCounted = tokensBefore;
        _meter = new Meter(MeterName);
        _step = _meter.CreateGauge<long>("kvshift.train.step", "{step}", "Optimizer steps done since the run began.");
        _loss = _meter.CreateGauge<double>("kvshift.train.loss", "{nat}", "Mean loss over the valid targets of the global batch.");
        _tokens = _meter.CreateCounter<long>("kvshift.train.tokens", "{token}", "Tokens trained on by this launch, over all ranks.");
        _tokensPerSecond = _meter.CreateGauge<double>("kvshift.train.tokens_per_second", "{token}/s", "Throughput over all ranks.");
        _stepDuration = _meter.CreateHistogram(
            "kvshift.train.step.duration", "s", "Mean duration of a step between two logged steps.",
            advice: new InstrumentAdvice<double>
            {
                HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100],
            });
        _gradNorm = _meter.CreateGauge<double>("kvshift.train.grad_norm", "1", "Global L2 norm of the gradient before clipping.");
        _learningRate = _meter.CreateGauge<double>("kvshift.train.learning_rate", "1", "Learning rate of the step.");
        _mfu = _meter.CreateGauge<double>("kvshift.train.mfu", "1", "Model FLOPs utilisation, 0 to 1.");
        _dataWait = _meter.CreateGauge<double>("kvshift.data.wait", "1", "Share of the step's time spent waiting for its batch, 0 to 1.");
        _communicationHidden = _meter.CreateGauge<double>("kvshift.communication.hidden", "1",
            "Share of reductions and gathers beside which the rank went on computing, 0 to 1.");
        _communicationExposed = _meter.CreateGauge<double>("kvshift.communication.exposed", "s",
            "Seconds a step spent waiting for reductions and gathers.");
        _readRetries = _meter.CreateCounter<long>("kvshift.data.read_retries", "{read}", "Reads of shards that had to be repeated.");
        _skippedSteps = _meter.CreateCounter<long>("kvshift.train.skipped_steps", "{step}", "Steps without update, because their numbers were bad.");
        _validationLoss = _meter.CreateGauge<double>("kvshift.validation.loss", "{nat}", "Mean loss over the validation data.");
        _peakMemory = _meter.CreateGauge<long>("kvshift.process.peak_memory", "By", "Largest resident memory of the process so far.");
        _saveWait = _meter.CreateHistogram<double>("kvshift.checkpoint.wait", "s", "Time that training has stood still for a save.");
        _saveDuration = _meter.CreateHistogram<double>("kvshift.checkpoint.duration", "s", "Time of a save from the copy to the checkpoint.");
        _failedSaves = _meter.CreateCounter<long>("kvshift.checkpoint.failed", "{save}", "Saves that have failed.");
        _probe = new ProbeMeter(_meter);
        if (ledger is not null)
        {
            CollectiveMeter.Add(_meter, ledger);
        }
    }

    /// <summary>Measures a logged step.</summary>
    public void Record(StepRecord record)
    {
        _step.Record(record.Step);
        _peakMemory.Record(record.PeakMemoryBytes);
        if (record.ValidationLoss is { } validationLoss)
        {
            _validationLoss.Record(validationLoss);
        }

        // A record before the first step carries a validation and no training numbers.
        if (record.Step == 0)
        {
            return;
        }

        RecordFinite(_loss, record.Loss);
        _tokens.Add(record.Tokens - _tokensCounted);
        _tokensCounted = record.Tokens;
        _tokensPerSecond.Record(record.TokensPerSecond);
        _stepDuration.Record(record.StepSeconds);
        RecordFinite(_gradNorm, record.GradNorm);
        _learningRate.Record(record.Lr);
        if (record.Mfu is { } mfu)
        {
            _mfu.Record(mfu);
        }

        if (record.DataWaitFraction is { } fraction)
        {
            _dataWait.Record(fraction);
        }

        if (record.CommunicationHidden is { } hidden)
        {
            _communicationHidden.Record(hidden);
        }

        if (record.CommunicationExposedSeconds is { } exposed)
        {
            _communicationExposed.Record(exposed);
        }

        if (record.ReadRetries > _retriesCounted)
        {
            _readRetries.Add(record.ReadRetries - _retriesCounted);
            _retriesCounted = record.ReadRetries;
        }

        if (record.SkippedSteps > _skipsCounted)
        {
            _skippedSteps.Add(record.SkippedSteps - _skipsCounted);
            _skipsCounted = record.SkippedSteps;
        }

        if (record.SaveSeconds is { } waited)
        {
            _saveWait.Record(waited);
        }

        if (record.SaveWriteSeconds is { } written)
        {
            _saveDuration.Record(written);
        }

        if (record.FailedSaves > _failuresCounted)
        {
            _failedSaves.Add(record.FailedSaves - _failuresCounted);
            _failuresCounted = record.FailedSaves;
        }

        if (record.Probe is { } probe)
        {
            _probe.Record(probe);
        }
    }

    // A gauge that shows no number hides the one before it.
    private static void RecordFinite(Gauge<double> gauge, double value)
    {
        if (double.IsFinite(value))
        {
            gauge.Record(value);
        }
    }

    /// <summary>Ends the instruments; listeners forget them.</summary>
    public void Dispose() => _meter.Dispose();
}
