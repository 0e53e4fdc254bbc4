using System.Diagnostics;
using System.Globalization;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Trainer.BadNumbers;
using KvShiftScale.Trainer.Faults;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.Session;
using KvShiftScale.Trainer.Signals;
using KvShiftScale.Trainer.Telemetry;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>Steps until the run is done or stopped, and what happens between them: log, validate, save.</summary>
internal sealed class TrainingLoop
{
    private readonly LaunchedRun _run;
    private readonly TrainingSession _session;
    private readonly RunData _data;
    private readonly CheckpointSaver _saver;
    private readonly StepRecorder _recorder;
    private readonly Measurement _measurement;
    private readonly BadSteps _badSteps;
    private readonly ReplicaCheck _replicas;
    private readonly long _firstStep;
    private readonly LiveReport? _liveReport;
    private MetricsLog? _metrics;

    /// <param name="run">The run.</param>
    /// <param name="session">Parameters and moments as they are after the step of <paramref name="state"/>.</param>
    /// <param name="data">Shards to train and validate on.</param>
    /// <param name="saver">What writes checkpoints.</param>
    /// <param name="state">Where to go on.</param>
    public TrainingLoop(LaunchedRun run, TrainingSession session, RunData data, CheckpointSaver saver, TrainingState state)
    {
        _run = run;
        _session = session;
        _data = data;
        _saver = saver;
        State = state;
        _firstStep = state.Step;
        session.Guard.State = state.Guard;
        _recorder = new StepRecorder(run, session, saver);
        _measurement = new Measurement(run, session.Model, data);
        _badSteps = new BadSteps(run, data.Training);
        _replicas = new ReplicaCheck(session.Model, session.Optimizer, run.Ranks);
        Report = new RunReport(run.Config, run.Folder, RunEnvironment.Here(run.Ranks.World.Size, get_num_threads()), session.Model.ParameterCount);
        _liveReport = run.IsFirstRank && run.Config.Run.ReportSeconds > 0
            ? new LiveReport(state => Report.Write(state, isRunning: true), TimeSpan.FromSeconds(run.Config.Run.ReportSeconds), TimeProvider.System, run.Reporter.Warn)
            : null;
        Observers =
        [
            new("ranks tell each other of signals and saves", HearRanks),
            new("bad numbers are told", TellBadNumbers),
            new("the step is logged", LogStep),
            new("too many skips end the run", _ => _badSteps.RequireFew(State.Guard.SkipsInARow)),
            new("injected flips", step => InjectedFlip.Reach(step.Number, session.Model, session.Optimizer)),
            new("replicas are compared", CompareReplicas),
            new("a signal's save", SaveOnRequest),
            new("validation and probe", MeasureWhatIsDue),
            new("the save that is due", SaveWhatIsDue),
            new("the report", step => _liveReport?.WriteIfDue(State, isSaved: step.IsDue(run.Config.Run.CheckpointEvery))),
        ];
    }

    /// <summary>
    /// What happens after a step, in this order: what is logged knows what went wrong, what is saved has been compared and knows what waits to
    /// be measured, and nothing is saved before the ranks know whether they leave.
    /// </summary>
    public IReadOnlyList<StepObserver> Observers { get; }

    /// <summary>What writes the report.</summary>
    public RunReport Report { get; }

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

        using var metrics = _metrics = _run.IsFirstRank ? MetricsLog.Open(_run.Folder.Metrics, State.Unmeasured is null ? State.Step : State.Step - 1,
            _run.Reporter.Warn) : null;
        bool stopped;
        try
        {
            stopped = MeasureBefore() || Train();
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
        _liveReport?.Finish();
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
    private bool MeasureBefore()
    {
        if (State.Unmeasured is { } record)
        {
            return Measure(record);
        }

        if (State.Step > 0 || !_measurement.CanValidate)
        {
            return false;
        }

        if (_measurement.Validate(_run.AgreeToStop) is not { } losses)
        {
            return true;
        }

        State = State with { InitialValidationLoss = losses.Mean };
        _run.Reporter.Say(string.Create(CultureInfo.InvariantCulture, $"step 0 validation loss {losses.Mean:F4}{ValidationLosses.Describe(losses.Sets)}"));
        return false;
    }

    // Steps to the end of the run, or until ranks agree to stop: true then.
    private bool Train()
    {
        var config = _run.Config;
        using var batches = new TrainingBatches(_data.Training, config.Data, config.Run.Seed, config.Model.VocabSize, _run.Share, State.Step,
            _run.Access);
        var steady = new SteadyBatches(batches, config.Data.MicroBatch, config.Data.Context);
        while (State.Step < config.Run.Steps)
        {
            var step = Step(State.Step + 1, batches, steady);
            foreach (var observer in Observers)
            {
                observer.After(step);
            }

            if (step.Stops)
            {
                return true;
            }
        }
        return false;
    }

    private FinishedStep Step(long step, TrainingBatches batches, SteadyBatches steady)
    {
        RunProgress.BeginStep(step);
        InjectedFaults.Reach("step", step);
        InjectedCollectives.Reach(_run.Ranks, step);
        var start = Stopwatch.GetTimestamp();
        var outcome = _session.Step(step, steady);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _recorder.Add(outcome, seconds, batches.WaitSeconds);
        _run.Reporter.Count(new StepTally(_session.OwnTokens, seconds, outcome.Verdict.IsSkip));
        State = State with
        {
            Step = step,
            Tokens = State.Tokens + outcome.Tokens,
            LearningRate = outcome.LearningRate,
            Loader = batches.State(step),
            Guard = _session.Guard.State,
        };
        if (step == _firstStep + 1)
        {
            _run.Stop.BeginWork(TellWish);
        }

        return new FinishedStep(step, outcome, isLast: step == _run.Config.Run.Steps);
    }

    private void TellBadNumbers(FinishedStep step)
    {
        if (step.Outcome.Verdict.Fault != StepFault.None)
        {
            _badSteps.Tell(step.Number, step.Outcome, State.Guard.SkipsInARow, _session.Losses);
        }
    }

    // A wish to stop that comes with the last step changes nothing: the run is done, but for what is measured at its end.
    private void HearRanks(FinishedStep step)
    {
        var stage = _saver.Stage;
        Span<long> joint = [stage.Unfinished, stage.Failed];
        step.Wish = _run.Stop.Agree(_run.Ranks.World, joint);
        _saver.Advance(new SaveStage(joint[0], joint[1]));
        step.Stops = step.Wish.HasFlag(SignalWish.Stop) && !step.IsLast;
    }

    // A line that waits for a measurement may wait in a checkpoint, and for another launch.
    private void LogStep(FinishedStep step)
    {
        var isMeasured = _measurement.IsDue(step.Number);
        if (!isMeasured && !step.IsLast && !step.Stops && !step.Outcome.Verdict.IsSkip && !step.IsDue(_run.Config.Run.LogEvery))
        {
            return;
        }

        var record = _recorder.Take(step.Outcome, State);
        if (isMeasured)
        {
            State = State with { Unmeasured = record };
        }
        else
        {
            Log(record);
        }
    }

    private void CompareReplicas(FinishedStep step)
    {
        if (step.IsDue(_run.Config.Run.ReplicaCheckEvery))
        {
            _replicas.Run(step.Number);
        }
    }

    private void SaveOnRequest(FinishedStep step)
    {
        if (step.Wish.HasFlag(SignalWish.Save))
        {
            SaveAsAsked();
        }
    }

    private void MeasureWhatIsDue(FinishedStep step)
    {
        if (State.Unmeasured is { } unmeasured && !step.Stops)
        {
            step.Stops = Measure(unmeasured);
        }
    }

    private void SaveWhatIsDue(FinishedStep step)
    {
        if (!step.IsLast && !step.Stops && !step.IsDue(_run.Config.Run.CheckpointEvery))
        {
            return;
        }

        Save(goesOn: !step.IsLast && !step.Stops);
        // Copying takes time; what came meanwhile need not wait for another step.
        step.Stops |= !step.IsLast && _run.AgreeToStop();
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

    // What is due after a step that was made; true when ranks agree to stop before it is done.
    private bool Measure(StepRecord record)
    {
        if (_measurement.Complete(record, GivesUp) is not { } measured)
        {
            return true;
        }

        Log(measured);
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
        if (_run.Config.Run.ReplicaCheckEvery > 0 && !FinishedStep.IsDue(State.Step, _run.Config.Run.ReplicaCheckEvery))
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

    private void Log(StepRecord record)
    {
        _metrics?.Append(record);
        _run.Reporter.Report(record);
    }
}
