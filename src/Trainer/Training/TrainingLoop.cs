using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Data;
using KvShiftScale.Models;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>Steps until the run is done or stopped, and what happens between them: log, validate, save.</summary>
internal sealed class TrainingLoop
{
    private readonly RunConfig _config;
    private readonly ParallelContext _ranks;
    private readonly RunFolder _folder;
    private readonly IRunReporter _reporter;
    private readonly StopSignal _stop;
    private readonly KvShiftTransformer _model;
    private readonly TrainingCheckpoint _checkpoint;
    private readonly ShardCatalog _training;
    private readonly ShardCatalog? _validationData;
    private readonly Validation _validation;
    private readonly TrainingStep _step;
    private readonly double _peakFlopsPerSecond;
    private readonly double _flopsPerToken;
    private readonly long _tokensPerStep;

    // Since the last logged step: time in steps alone, and how much of it was spent waiting for data.
    private double _intervalSeconds;
    private long _intervalSteps;
    private double _waitSecondsBefore;

    public TrainingLoop(RunConfig config, ParallelContext ranks, RunFolder folder, IRunReporter reporter, StopSignal stop,
        KvShiftTransformer model, AdamW optimizer, GradientReducer reducer, TrainingCheckpoint checkpoint, ShardCatalog training, ShardCatalog? validationData,
        double peakFlopsPerSecond)
    {
        _config = config;
        _ranks = ranks;
        _folder = folder;
        _reporter = reporter;
        _stop = stop;
        _model = model;
        _checkpoint = checkpoint;
        _training = training;
        _validationData = validationData;
        _validation = new Validation(model, ranks);
        _step = new TrainingStep(model, ranks, reducer, optimizer, new LearningRateSchedule(config.Optimizer, config.Run.Steps),
            config.Optimizer.ClipNorm);
        _peakFlopsPerSecond = peakFlopsPerSecond;
        _flopsPerToken = ModelCost.TrainingFlopsPerToken(config.Model, config.Data.Context, causal: true);
        _tokensPerStep = (long)config.Data.GlobalBatch * config.Data.Context;
    }

    private bool IsFirstRank => _ranks.World.Rank == 0;

    private DataShare Share => new(_ranks.Data.Rank, _ranks.Data.Size);

    /// <summary>Trains from <paramref name="state"/> on; returns the exit code.</summary>
    public int Run(TrainingState state)
    {
        using var metrics = IsFirstRank ? MetricsLog.Open(_folder.Metrics, state.Step) : null;
        if (state.Step == 0 && _validationData is not null)
        {
            var loss = Validate();
            state = state with { InitialValidationLoss = loss };
            _reporter.Say(string.Create(CultureInfo.InvariantCulture, $"step 0 validation loss {loss:F4}"));
        }

        var stopped = false;
        using (var batches = new TrainingBatches(_training, _config.Data, _config.Run.Seed, _config.Model.VocabSize, Share, state.Step))
        {
            _waitSecondsBefore = batches.WaitSeconds;
            var saved = state.Step;
            for (var step = state.Step + 1; step <= _config.Run.Steps && !stopped; step++)
            {
                var start = Stopwatch.GetTimestamp();
                var outcome = _step.Run(step, batches, _stop.IsRequested);
                _intervalSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
                _intervalSteps++;
                var isLast = step == _config.Run.Steps;
                // A wish to stop that comes with the last step changes nothing: the run is done.
                stopped = outcome.StopRequested && !isLast;
                state = state with { Step = step, Tokens = state.Tokens + _tokensPerStep, LearningRate = outcome.LearningRate, Loader = batches.State(step) };

                double? validationLoss = null;
                if (_validationData is not null && !stopped && (isLast || IsDue(step, _config.Run.ValidateEvery)))
                    validationLoss = Validate();
                if (isLast || stopped || validationLoss is not null || IsDue(step, _config.Run.LogEvery))
                    Log(metrics, outcome, state, validationLoss, batches);
                if (isLast || stopped || IsDue(step, _config.Run.CheckpointEvery)) Save(state, ref saved);
            }
        }

        if (IsFirstRank) new RunConclusion(_config, _folder, _ranks.World.Size).Write(state, _model, stopped);
        if (!stopped) return ExitCode.Done;
        _reporter.Say($"stopped by a signal after step {state.Step}; the same command goes on from there");
        return ExitCode.Stopped;
    }

    private static bool IsDue(long step, int every) => every > 0 && step % every == 0;

    private double Validate()
    {
        var batches = new EvaluationBatches(_validationData!, _config.Data.Context, _config.Data.MicroBatch, _config.Model.VocabSize, Share,
            _config.Run.ValidationRows > 0 ? _config.Run.ValidationRows : null);
        return _validation.Run(batches).Loss;
    }

    private void Save(TrainingState state, ref long saved)
    {
        if (saved == state.Step) return;
        saved = state.Step;
        _checkpoint.Save(state);
    }

    private void Log(MetricsLog? metrics, StepOutcome outcome, TrainingState state, double? validationLoss, TrainingBatches batches)
    {
        var stepSeconds = _intervalSeconds / _intervalSteps;
        var tokensPerSecond = _tokensPerStep / stepSeconds;
        var waited = batches.WaitSeconds - _waitSecondsBefore;
        var record = new StepRecord
        {
            Step = state.Step,
            Loss = outcome.Loss,
            Tokens = state.Tokens,
            GradNorm = outcome.GradientNorm,
            Lr = outcome.LearningRate,
            TokensPerSecond = tokensPerSecond,
            StepSeconds = stepSeconds,
            Mfu = tokensPerSecond * _flopsPerToken / (_peakFlopsPerSecond * _ranks.World.Size),
            PeakMemoryBytes = PeakMemoryBytes(),
            ValidationLoss = validationLoss,
            DataWaitFraction = Math.Clamp(waited / _intervalSeconds, 0, 1),
        };
        (_intervalSeconds, _intervalSteps, _waitSecondsBefore) = (0, 0, batches.WaitSeconds);
        metrics?.Append(record);
        _reporter.Report(record);
    }

    private static long PeakMemoryBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
