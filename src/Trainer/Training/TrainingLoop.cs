using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Data;
using KvShiftScale.Models;
using KvShiftScale.Models.Probing;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Faults;
using KvShiftScale.Trainer.Liveness;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>Steps until the run is done or stopped, and what happens between them: log, validate, save.</summary>
internal sealed class TrainingLoop
{
    // Enough for sequences that nothing but their repetition foretells, few enough that training meets each of them early.
    private const int MostProbedIds = 1024;

    // Rows of a skipped step whose documents are looked up.
    private const int MostLocatedRows = 64;

    private readonly RunConfig _config;
    private readonly ParallelContext _ranks;
    private readonly RunFolder _folder;
    private readonly IRunReporter _reporter;
    private readonly StopSignal _stop;
    private readonly KvShiftTransformer _model;
    private readonly CheckpointSaver _saver;
    private readonly ShardCatalog _training;
    private readonly ShardCatalog? _validationData;
    private readonly Validation _validation;
    private readonly TrainingStep _step;
    private readonly StepGuard _guard;
    private readonly ReplicaCheck _replicas;
    private readonly AdamW _optimizer;
    private readonly GradientReducer _reducer;
    private readonly InductionProbe? _probe;
    private readonly double _peakFlopsPerSecond;
    private readonly double _flopsPerToken;
    private readonly ReadAccess _access;

    // Since the last logged step: time in steps alone, tokens in them, and how much of the time was spent waiting for data.
    private double _intervalSeconds;
    private long _intervalSteps;
    private long _intervalTokens;

    // Of this launch, without a step that was not skipped between them.
    private readonly List<SkippedStep> _recentSkips = [];
    private double _waitSecondsBefore;
    private OverlapTotals _communicationBefore;
    private long _savedStep;

    public TrainingLoop(RunConfig config, ParallelContext ranks, RunFolder folder, IRunReporter reporter, StopSignal stop,
        KvShiftTransformer model, AdamW optimizer, GradientReducer reducer, CheckpointSaver saver, ShardCatalog training,
        ShardCatalog? validationData, ReadAccess access, StepGuardState guard, double peakFlopsPerSecond)
    {
        _config = config;
        _ranks = ranks;
        _folder = folder;
        _reporter = reporter;
        _stop = stop;
        _model = model;
        _saver = saver;
        _training = training;
        _validationData = validationData;
        _access = access;
        _reducer = reducer;
        _validation = new Validation(model, ranks);
        _guard = new StepGuard(config.Run, guard);
        _step = new TrainingStep(model, ranks, reducer, optimizer, new LearningRateSchedule(config.Optimizer, config.Run.Steps),
            config.Optimizer.ClipNorm, _guard);
        _replicas = new ReplicaCheck(model, optimizer, ranks);
        _optimizer = optimizer;
        if (config.Run.ProbeEvery > 0) _probe = new InductionProbe(model, ProbedIds());
        _peakFlopsPerSecond = peakFlopsPerSecond;
        _flopsPerToken = ModelCost.TrainingFlopsPerToken(config.Model, config.Data.Context, causal: true);
    }

    private bool IsFirstRank => _ranks.World.Rank == 0;

    private DataShare Share => new(_ranks.Data.Rank, _ranks.Data.Size);

    /// <summary>Trains from <paramref name="state"/> on; returns the exit code.</summary>
    public int Run(TrainingState state)
    {
        if (IsFirstRank) SkippedStepLog.Resume(_folder.Skipped, state.Step);
        _savedStep = state.Step;
        var measured = state.Unmeasured is null ? state.Step : state.Step - 1;
        using var metrics = IsFirstRank ? MetricsLog.Open(_folder.Metrics, measured) : null;
        var stopped = false;
        if (state.Step == 0 && _validationData is not null)
        {
            var loss = Validate(() => _stop.AgreeToStop(_ranks.World));
            stopped = loss is null;
            state = state with { InitialValidationLoss = loss };
            if (loss is not null) _reporter.Say(string.Create(CultureInfo.InvariantCulture, $"step 0 validation loss {loss:F4}"));
        }
        else if (state.Unmeasured is not null)
        {
            stopped = Measure(ref state, metrics);
        }
        try
        {
            if (!stopped) stopped = Train(ref state, metrics);
        }
        catch (Exception verdict) when (verdict is RepeatedSkipsException or ReplicasDifferException)
        {
            // Thrown by all ranks, after a copy that was found good: it still becomes a checkpoint.
            _saver.Finish(goesOn: false);
            throw;
        }
        RunProgress.Enter(RunPhase.Save);
        _saver.Finish(goesOn: false);
        RunProgress.Enter(RunPhase.Report);
        if (stopped && state.Step == 0) return StoppedBeforeTraining(_reporter);
        if (IsFirstRank) new RunConclusion(_config, _folder, _ranks.World.Size).Write(state, _model, stopped);
        if (!stopped) return ExitCode.Done;
        _reporter.Say($"stopped by a signal after step {state.Step}; the same command goes on from there");
        return ExitCode.Stopped;
    }

    private OverlapTotals Communication => _reducer.Reduction.Snapshot() + _reducer.Gathering.Snapshot();

    /// <summary>Tells of a signal that came when there was nothing to save; returns the exit code.</summary>
    public static int StoppedBeforeTraining(IRunReporter reporter)
    {
        reporter.Say("stopped by a signal before the first step; the same command begins again");
        return ExitCode.Stopped;
    }

    // Steps to the end of the run, or until ranks agree to stop: true then.
    private bool Train(ref TrainingState state, MetricsLog? metrics)
    {
        using var batches = new TrainingBatches(_training, _config.Data, _config.Run.Seed, _config.Model.VocabSize, Share, state.Step, _access);
        _waitSecondsBefore = batches.WaitSeconds;
        for (var step = state.Step + 1; step <= _config.Run.Steps; step++)
        {
            RunProgress.BeginStep(step);
            InjectedFaults.Reach("step", step);
            InjectedCollectives.Reach(_ranks, step);
            var start = Stopwatch.GetTimestamp();
            var outcome = _step.Run(step, batches);
            _intervalSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            _intervalSteps++;
            _intervalTokens += outcome.Tokens;
            state = state with
            {
                Step = step,
                Tokens = state.Tokens + outcome.Tokens,
                LearningRate = outcome.LearningRate,
                Loader = batches.State(step),
                Guard = _guard.State,
            };
            _saver.Advance();
            if (outcome.Verdict.Fault != StepFault.None) Tell(step, outcome);

            var isLast = step == _config.Run.Steps;
            var wish = _stop.Agree(_ranks.World);
            // A wish to stop that comes with the last step changes nothing: the run is done, but for what is measured at its end.
            var stopped = wish.HasFlag(SignalWish.Stop) && !isLast;
            var isMeasured = IsValidated(step) || IsProbed(step);
            if (isMeasured || isLast || stopped || outcome.Verdict.IsSkip || IsDue(step, _config.Run.LogEvery))
            {
                var record = Record(outcome, state, batches);
                if (isMeasured) state = state with { Unmeasured = record };
                else Log(metrics, record);
            }
            if (_guard.State.SkipsInARow >= _config.Run.MaxSkips) throw new RepeatedSkipsException(_config.Run, _recentSkips);
            InjectedFlip.Reach(step, _model, _optimizer);
            if (IsDue(step, _config.Run.ReplicaCheckEvery)) _replicas.Run(step);
            if (wish.HasFlag(SignalWish.Save)) SaveAsAsked(state);
            if (isMeasured && !stopped) stopped = Measure(ref state, metrics);
            if (isLast || stopped || IsDue(step, _config.Run.CheckpointEvery))
            {
                Save(state, goesOn: !isLast && !stopped);
                // Copying takes time; what came meanwhile need not wait for another step.
                stopped |= !isLast && _stop.AgreeToStop(_ranks.World);
            }
            if (stopped) return true;
        }
        return false;
    }

    // What is due after a step that was made; true when ranks agree to stop before it is done.
    private bool Measure(ref TrainingState state, MetricsLog? metrics)
    {
        var (record, unmeasured) = (state.Unmeasured!, state);
        double? validationLoss = null;
        if (IsValidated(record.Step))
        {
            validationLoss = Validate(() =>
            {
                var wish = _stop.Agree(_ranks.World);
                if (wish.HasFlag(SignalWish.Save)) SaveAsAsked(unmeasured);
                return wish.HasFlag(SignalWish.Stop);
            });
            if (validationLoss is null) return true;
        }
        Log(metrics, record with { ValidationLoss = validationLoss, Probe = IsProbed(record.Step) ? Probe() : null });
        state = state with { Unmeasured = null };
        return false;
    }

    private bool IsValidated(long step) => _validationData is not null && (step == _config.Run.Steps || IsDue(step, _config.Run.ValidateEvery));

    private bool IsProbed(long step) => _probe is not null && (step == _config.Run.Steps || IsDue(step, _config.Run.ProbeEvery));

    private IReadOnlyList<int> ProbedIds()
    {
        var frequent = FrequentIds.Of(_training, _config.Model.VocabSize, MostProbedIds);
        return frequent.Count >= 2 ? frequent : [.. Enumerable.Range(0, Math.Min(MostProbedIds, _config.Model.VocabSize))];
    }

    private static bool IsDue(long step, int every) => every > 0 && step % every == 0;

    // Null when the ranks gave it up.
    private double? Validate(Func<bool> givesUp)
    {
        RunProgress.Enter(RunPhase.Evaluate);
        var batches = new EvaluationBatches(_validationData!, _config.Data.Context, _config.Data.MicroBatch, _config.Model.VocabSize, Share,
            _config.Run.ValidationRows > 0 ? _config.Run.ValidationRows : null, _access);
        return _validation.Run(batches, givesUp: givesUp)?.Loss;
    }

    // Every rank probes its own copy: nothing to communicate, and no rank waits for another.
    private ProbeRecord Probe()
    {
        RunProgress.Enter(RunPhase.Probe);
        var start = Stopwatch.GetTimestamp();
        var scores = _probe!.Run();
        return new ProbeRecord(scores, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private void Save(TrainingState state, bool goesOn)
    {
        if (_savedStep == state.Step) return;
        _savedStep = state.Step;
        RunProgress.Enter(RunPhase.Save);
        // What is saved must be good.
        if (_config.Run.ReplicaCheckEvery > 0 && !IsDue(state.Step, _config.Run.ReplicaCheckEvery)) _replicas.Run(state.Step);
        _saver.Save(state, goesOn);
    }

    private void SaveAsAsked(TrainingState state)
    {
        Save(state, goesOn: true);
        _reporter.Say($"saved after step {state.Step}, as a signal asked");
    }

    private void Log(MetricsLog? metrics, StepRecord record)
    {
        metrics?.Append(record);
        _reporter.Report(record);
    }

    private StepRecord Record(StepOutcome outcome, TrainingState state, TrainingBatches batches)
    {
        var stepSeconds = _intervalSeconds / _intervalSteps;
        var tokensPerSecond = _intervalTokens / _intervalSeconds;
        var waited = batches.WaitSeconds - _waitSecondsBefore;
        var communicated = Communication - _communicationBefore;
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
            Skipped = outcome.Verdict.IsSkip,
            SkippedSteps = state.Guard.SkippedSteps,
            DataWaitFraction = Math.Clamp(waited / _intervalSeconds, 0, 1),
            CommunicationHidden = _ranks.World.Size > 1 ? communicated.HiddenFraction : null,
            CommunicationExposedSeconds = _ranks.World.Size > 1 && communicated.Transfer > 0 ? communicated.Exposed / _intervalSteps : null,
            ReadRetries = _access.RetryCount,
            SaveSeconds = _saver.TakeWaitSeconds() is var seconds and > 0 ? seconds : null,
            SaveWriteSeconds = _saver.TakeWriteSeconds(),
            FailedSaves = _saver.Failures,
        };
        (_intervalSeconds, _intervalSteps, _intervalTokens, _waitSecondsBefore) = (0, 0, 0, batches.WaitSeconds);
        _communicationBefore = Communication;
        return record;
    }

    // Rare, so it may take a while: the ranks put together what they computed, and the first one finds the documents.
    private void Tell(long step, StepOutcome outcome)
    {
        var batches = SkippedMicroBatch.Gather(_ranks, _step.Losses);
        if (_recentSkips.Count > 0 && _recentSkips[^1].Step != step - 1) _recentSkips.Clear();
        var skipped = new SkippedStep
        {
            Step = step,
            Why = outcome.Verdict.Fault,
            Action = outcome.Verdict.IsSkip ? "skip" : "clip",
            InARow = _guard.State.SkipsInARow,
            Loss = outcome.Loss,
            GradNorm = outcome.GradientNorm,
            Threshold = outcome.Verdict.Threshold,
            FirstRow = (step - 1) * _config.Data.GlobalBatch,
            Rows = _config.Data.GlobalBatch,
            MicroBatches = batches,
        };
        if (outcome.Verdict.IsSkip) _recentSkips.Add(skipped);
        if (!IsFirstRank) return;
        _reporter.Warn(SkipNotice.Of(skipped));
        SkippedStepLog.Append(_folder.Skipped, skipped with { Suspects = OriginsOf(batches) });
    }

    private IReadOnlyList<RowOrigin> OriginsOf(IReadOnlyList<SkippedMicroBatch> batches)
    {
        var rows = SkippedMicroBatch.Suspects(batches).SelectMany(batch => Enumerable.Range(0, batch.Rows).Select(row => batch.FirstRow + row));
        try
        {
            return RowOrigins.Find(_training, _config.Data, _config.Run.Seed, _config.Model.VocabSize, rows.Take(MostLocatedRows), _access);
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            // Training will meet the same file and say what is wrong with it, or never read it again.
            _reporter.Warn($"the documents of these rows were not found: {error.Message}");
            return [];
        }
    }

    private static long PeakMemoryBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
