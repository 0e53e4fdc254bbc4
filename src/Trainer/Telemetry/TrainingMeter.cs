using System.Diagnostics.Metrics;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>The instruments of a training run. Measurements cost next to nothing until somebody listens.</summary>
public sealed class TrainingMeter : IDisposable
{
    /// <summary>Name of the meter, to subscribe to.</summary>
    public const string MeterName = "kvshiftscale";

    private readonly bool _speaksForAll;
    private readonly Meter _meter;
    private readonly Gauge<long> _step;
    private readonly Gauge<double> _loss;
    private readonly Counter<long> _tokens;
    private readonly Gauge<double> _tokensPerSecond;
    private readonly Histogram<double> _stepDuration;
    private readonly Gauge<double> _gradNorm;
    private readonly Gauge<double> _learningRate;
    private readonly Gauge<double> _tflops;
    private readonly Gauge<double> _mfu;
    private readonly Gauge<double> _matmulShare;
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
    private long _retriesCounted;

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
        _step = _meter.CreateGauge<long>("kvshift.train.step", "{step}", "Optimizer steps done since the run began.");
        _loss = _meter.CreateGauge<double>("kvshift.train.loss", "{nat}", "Mean loss over the valid targets of the global batch.");
        _tokens = _meter.CreateCounter<long>("kvshift.train.tokens", "{token}",
            "Tokens trained on by this launch: this rank's part, so that the sum over ranks is the launch's.");
        _tokensPerSecond = _meter.CreateGauge<double>("kvshift.train.tokens_per_second", "{token}/s", "Throughput over all ranks.");
        _stepDuration = _meter.CreateHistogram<double>("kvshift.train.step.duration", "s", "Duration of each step on this rank.");
        _gradNorm = _meter.CreateGauge<double>("kvshift.train.grad_norm", "1", "Global L2 norm of the gradient before clipping.");
        _learningRate = _meter.CreateGauge<double>("kvshift.train.learning_rate", "1", "Learning rate of the step.");
        _tflops = _meter.CreateGauge<double>("kvshift.train.tflops_per_rank", "{TFLOP}/s", "Rate of the model's operations, mean over ranks.");
        _mfu = _meter.CreateGauge<double>("kvshift.train.mfu", "1",
            "Model FLOPs utilisation: the rate of the model's operations as a share of the devices' stated peak, 0 to 1.");
        _matmulShare = _meter.CreateGauge<double>("kvshift.train.matmul_share", "1",
            "The rate of the model's operations as a share of the best rate that the first rank has measured, 0 to 1.");
        _dataWait = _meter.CreateGauge<double>("kvshift.data.wait", "1", "Share of the step's time spent waiting for its batch, 0 to 1.");
        _communicationHidden = _meter.CreateGauge<double>("kvshift.communication.hidden", "1",
            "Share of reductions and gathers beside which the rank went on computing, 0 to 1.");
        _communicationExposed = _meter.CreateGauge<double>("kvshift.communication.exposed", "s",
            "Seconds a step spent waiting for reductions and gathers.");
        _readRetries = _meter.CreateCounter<long>("kvshift.data.read_retries", "{read}", "Reads of shards that this rank had to repeat.");
        _skippedSteps = _meter.CreateCounter<long>("kvshift.train.skipped_steps", "{step}",
            "Steps of this launch without update, because their numbers were bad.");
        _validationLoss = _meter.CreateGauge<double>("kvshift.validation.loss", "{nat}", "Mean loss over the validation data.");
        _peakMemory = _meter.CreateGauge<long>("kvshift.process.peak_memory", "By", "Largest resident memory of the process so far.");
        _saveWait = _meter.CreateHistogram<double>("kvshift.checkpoint.wait", "s", "Time that training has stood still on this rank for a save.");
        _saveDuration = _meter.CreateHistogram<double>("kvshift.checkpoint.duration", "s", "Time of a save from the copy to the checkpoint.");
        _failedSaves = _meter.CreateCounter<long>("kvshift.checkpoint.failed", "{save}", "Saves of this launch that have failed.");
        _probe = new ProbeMeter(_meter);
        if (ledger is not null)
        {
            CollectiveMeter.Add(_meter, ledger);
        }
    }

    /// <summary>Counts a step of this launch, logged or not.</summary>
    public void Count(StepTally step)
    {
        _tokens.Add(step.OwnTokens);
        _stepDuration.Record(step.Seconds);
        if (_speaksForAll && step.IsSkipped)
        {
            _skippedSteps.Add(1);
        }
    }

    /// <summary>Counts a save.</summary>
    public void Count(SaveTally save)
    {
        if (save.StoodStill is { } waited)
        {
            _saveWait.Record(waited);
        }

        if (_speaksForAll && save.Duration is { } duration)
        {
            _saveDuration.Record(duration);
        }

        if (_speaksForAll && save.HasFailed)
        {
            _failedSaves.Add(1);
        }
    }

    /// <summary>Measures a logged step.</summary>
    public void Record(StepRecord record)
    {
        _peakMemory.Record(record.PeakMemoryBytes);
        if (record.ReadRetries > _retriesCounted)
        {
            _readRetries.Add(record.ReadRetries - _retriesCounted);
            _retriesCounted = record.ReadRetries;
        }

        Record(_dataWait, record.DataWaitFraction);
        Record(_communicationHidden, record.CommunicationHidden);
        Record(_communicationExposed, record.CommunicationExposedSeconds);
        if (_speaksForAll)
        {
            RecordGlobal(record);
        }
    }

    /// <summary>Ends the instruments; listeners forget them.</summary>
    public void Dispose() => _meter.Dispose();

    private void RecordGlobal(StepRecord record)
    {
        _step.Record(record.Step);
        Record(_validationLoss, record.ValidationLoss);
        // A record before the first step carries a validation and no training numbers.
        if (record.Step == 0)
        {
            return;
        }

        Record(_loss, record.Loss);
        Record(_tokensPerSecond, record.TokensPerSecond);
        Record(_gradNorm, record.GradNorm);
        Record(_learningRate, record.Lr);
        Record(_tflops, record.TflopsPerRank);
        Record(_mfu, record.Mfu);
        Record(_matmulShare, record.MatmulShare);
        if (record.Probe is { } probe)
        {
            _probe.Record(probe);
        }
    }

    // A gauge that shows no number hides the one before it.
    private static void Record(Gauge<double> gauge, double? value)
    {
        if (value is { } number && double.IsFinite(number))
        {
            gauge.Record(number);
        }
    }
}
