using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Faults;
using KvShiftScale.Trainer.Session;
using KvShiftScale.Trainer.Signals;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Training;

/// <summary>Steps until the run is done or stopped, and what happens between them: log, validate, save.</summary>
internal sealed class TrainingLoop
{
    private readonly LaunchedRun _run;
    private readonly TrainableModel _trained;
    private readonly RunData _data;
    private readonly CheckpointSaver _saver;
    private readonly StepGuard _guard;
    private readonly TrainingStep _step;
    private readonly StepRecorder _recorder;
    private readonly Measurement _measurement;
    private readonly BadSteps _badSteps;
    private readonly ReplicaCheck _replicas;
    private readonly long _firstStep;

    /// <param name="run">The run.</param>
    /// <param name="trained">Parameters and moments as they are after the step of <paramref name="state"/>.</param>
    /// <param name="data">Shards to train and validate on.</param>
    /// <param name="saver">What writes checkpoints.</param>
    /// <param name="state">Where to go on.</param>
    public TrainingLoop(LaunchedRun run, TrainableModel trained, RunData data, CheckpointSaver saver, TrainingState state)
    {
        _run = run;
        _trained = trained;
        _data = data;
        _saver = saver;
        State = state;
        _firstStep = state.Step;
        _guard = new StepGuard(run.Config.Run, state.Guard);
        _step = new TrainingStep(trained.Model, run.Ranks, trained.Reducer, trained.Optimizer,
            new LearningRateSchedule(run.Config.Optimizer, run.Config.Run.Steps), run.Config.Optimizer.ClipNorm, _guard);
        _recorder = new StepRecorder(run, trained, saver);
        _measurement = new Measurement(run, trained.Model, data);
        _badSteps = new BadSteps(run, data.Training);
        _replicas = new ReplicaCheck(trained.Model, trained.Optimizer, run.Ranks);
    }

    /// <summary>The run after the last step.</summary>
    public TrainingState State { get; private set; }

    /// <summary>Trains; what is to be saved is on the disk when it returns. Collective.</summary>
    /// <returns>Ranks agreed to stop before the run was done.</returns>
    /// <exception cref="RepeatedSkipsException">On all ranks: too many steps in a row had bad numbers.</exception>
    /// <exception cref="ReplicasDifferException">On all ranks: copies that have to be the same are not.</exception>
    /// <exception cref="DataFaultException">On all ranks: data of one of them cannot be used. What was trained before is saved.</exception>
    /// <exception cref="IOException">On all ranks: the run could not be saved.</exception>
    public bool Run()
    {
        if (_run.IsFirstRank)
        {
            SkippedStepLog.Resume(_run.Folder.Skipped, State.Step);
        }

        using var metrics = _run.IsFirstRank ? MetricsLog.Open(_run.Folder.Metrics, State.Unmeasured is null ? State.Step : State.Step - 1,
            _run.Reporter.Warn) : null;
        bool stopped;
        try
        {
            stopped = MeasureBefore(metrics) || Train(metrics);
        }
        catch (DataFaultException fault)
        {
            throw Saved(fault);
        }
        catch (Exception verdict) when (verdict is RepeatedSkipsException or ReplicasDifferException)
        {
            // Thrown by all ranks, after a copy that was found good: it still becomes a checkpoint.
            _saver.Finish(goesOn: false);
            throw;
        }
        RunProgress.Enter(RunPhase.Save);
        _saver.Finish(goesOn: false);
        // A save of this step may have failed before anybody knew that no other would come after it.
        Save(goesOn: false);
        return stopped;
    }

    // All ranks are here, and have what the step before has left.
    private DataFaultException Saved(DataFaultException fault)
    {
        if (State.Step == 0)
        {
            return new DataFaultException($"{fault.Message}\nNothing was trained. Mend the data, and start the same command again.");
        }

        RunProgress.Enter(RunPhase.Save);
        try
        {
            _saver.Finish(goesOn: false);
            Save(goesOn: false);
        }
        catch (IOException error)
        {
            return new DataFaultException($"{fault.Message}\n{error.Message}");
        }

        return new DataFaultException(
            $"{fault.Message}\nThe run is saved as it was after step {State.Step}. Mend the data; the same command then goes on from there, with --accept-changed-data "
            + "where a file has become another one.");
    }

    // The validation before the first step, or what a signal has put off in an earlier launch; true when ranks agree to stop before it is done.
    private bool MeasureBefore(MetricsLog? metrics)
    {
        if (State.Unmeasured is { } record)
        {
            return Measure(record, metrics);
        }

        if (State.Step > 0 || !_measurement.CanValidate)
        {
            return false;
        }

        if (_measurement.Validate(_run.AgreeToStop) is not { } loss)
        {
            return true;
        }

        State = State with { InitialValidationLoss = loss };
        _run.Reporter.Say(string.Create(CultureInfo.InvariantCulture, $"step 0 validation loss {loss:F4}"));
        return false;
    }

    // Steps to the end of the run, or until ranks agree to stop: true then.
    private bool Train(MetricsLog? metrics)
    {
        var config = _run.Config;
        using var batches = new TrainingBatches(_data.Training, config.Data, config.Run.Seed, config.Model.VocabSize, _run.Share, State.Step,
            _run.Access);
        var steady = new SteadyBatches(batches, config.Data.MicroBatch, config.Data.Context);
        for (var step = State.Step + 1; step <= config.Run.Steps; step++)
        {
            var outcome = Step(step, batches, steady);
            if (step == _firstStep + 1)
            {
                _run.Stop.BeginWork(TellWish);
            }

            _saver.Advance();
            if (outcome.Verdict.Fault != StepFault.None)
            {
                _badSteps.Tell(step, outcome, State.Guard.SkipsInARow, _step.Losses);
            }

            var isLast = step == config.Run.Steps;
            var wish = _run.Stop.Agree(_run.Ranks.World);
            // A wish to stop that comes with the last step changes nothing: the run is done, but for what is measured at its end.
            var stopped = wish.HasFlag(SignalWish.Stop) && !isLast;
            var isMeasured = _measurement.IsDue(step);
            if (isMeasured || isLast || stopped || outcome.Verdict.IsSkip || Rhythm.IsDue(step, config.Run.LogEvery))
            {
                var record = _recorder.Take(outcome, State, batches.WaitSeconds);
                if (isMeasured)
                {
                    State = State with { Unmeasured = record };
                }
                else
                {
                    Log(metrics, record);
                }
            }
            _badSteps.RequireFew(State.Guard.SkipsInARow);
            InjectedFlip.Reach(step, _trained.Model, _trained.Optimizer);
            if (Rhythm.IsDue(step, config.Run.ReplicaCheckEvery))
            {
                _replicas.Run(step);
            }

            if (wish.HasFlag(SignalWish.Save))
            {
                SaveAsAsked();
            }

            if (State.Unmeasured is { } unmeasured && !stopped)
            {
                stopped = Measure(unmeasured, metrics);
            }

            if (isLast || stopped || Rhythm.IsDue(step, config.Run.CheckpointEvery))
            {
                Save(goesOn: !isLast && !stopped);
                // Copying takes time; what came meanwhile need not wait for another step.
                stopped |= !isLast && _run.AgreeToStop();
            }
            if (stopped)
            {
                return true;
            }
        }
        return false;
    }

    // At once, whatever the training thread does; the training thread answers when it comes to the end of it.
    private void TellWish(bool isHandedOn)
    {
        if (isHandedOn && !_run.IsFirstRank)
        {
            return;
        }

        var sentence = RunProgress.Phase switch
        {
            RunPhase.Save => "a signal to stop has come; the run leaves when it is saved",
            RunPhase.Report => "a signal to stop has come; the run is saved, and leaves when its report is written",
            _ => FormattableString.Invariant($"a signal to stop has come in step {RunProgress.Step}; the run saves after it and leaves"),
        };
        if (_run.IsFirstRank)
        {
            _run.Reporter.Say(sentence);
        }
        else
        {
            Console.Error.WriteLine(FormattableString.Invariant($"kvshift (rank {_run.Ranks.World.Rank}): {sentence}"));
        }
    }

    private StepOutcome Step(long step, TrainingBatches batches, SteadyBatches steady)
    {
        RunProgress.BeginStep(step);
        InjectedFaults.Reach("step", step);
        InjectedCollectives.Reach(_run.Ranks, step);
        var start = Stopwatch.GetTimestamp();
        var outcome = _step.Run(step, steady);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _recorder.Add(outcome, seconds);
        _run.Reporter.Count(new StepTally(_step.OwnTokens, seconds, outcome.Verdict.IsSkip));
        State = State with
        {
            Step = step,
            Tokens = State.Tokens + outcome.Tokens,
            LearningRate = outcome.LearningRate,
            Loader = batches.State(step),
            Guard = _guard.State,
        };
        return outcome;
    }

    // What is due after a step that was made; true when ranks agree to stop before it is done.
    private bool Measure(StepRecord record, MetricsLog? metrics)
    {
        if (_measurement.Complete(record, GivesUp) is not { } measured)
        {
            return true;
        }

        Log(metrics, measured);
        State = State with { Unmeasured = null };
        return false;

        bool GivesUp()
        {
            var wish = _run.Stop.Agree(_run.Ranks.World);
            if (wish.HasFlag(SignalWish.Save))
            {
                SaveAsAsked();
            }

            return wish.HasFlag(SignalWish.Stop);
        }
    }

    private void Save(bool goesOn)
    {
        if (IsSaved)
        {
            return;
        }

        RunProgress.Enter(RunPhase.Save);
        InjectedFaults.Reach("save");
        // What is saved must be good.
        if (_run.Config.Run.ReplicaCheckEvery > 0 && !Rhythm.IsDue(State.Step, _run.Config.Run.ReplicaCheckEvery))
        {
            _replicas.Run(State.Step);
        }

        _saver.Save(State.Step, SavedRun.DocumentsOf(State, _run.Config), goesOn);
    }

    // The checkpoint that the launch has begun with is there already.
    private bool IsSaved => State.Step == _firstStep || _saver.Has(State.Step);

    private void SaveAsAsked()
    {
        Save(goesOn: true);
        if (IsSaved)
        {
            _run.Reporter.Say($"saved after step {State.Step}, as a signal asked");
        }
    }

    private void Log(MetricsLog? metrics, StepRecord record)
    {
        metrics?.Append(record);
        _run.Reporter.Report(record);
    }
}
