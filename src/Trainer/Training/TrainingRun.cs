using System.Diagnostics;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Core;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Core.Text;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Loading;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Session;

namespace KvShiftScale.Trainer.Training;

/// <summary>Puts a run together: data, model, optimizer, checkpoint, loop. All ranks run it side by side.</summary>
internal sealed class TrainingRun(LaunchedRun run, int threadsPerRank, ResumptionRules rules)
{
    /// <summary>Refuses a run that exists. Nobody creates its folder before all ranks have come past this.</summary>
    /// <exception cref="ConfigException">It does.</exception>
    public static void RequireNew(RunConfig config)
    {
        var folder = new RunFolder(config);
        if (!folder.Exists)
        {
            return;
        }

        throw new ConfigException(new ConfigFault("run.name", config.Run.Name,
            $"--new wants a folder that does not exist yet, and {folder.Path} does",
            "choose another run.name, delete the folder, or leave --new out to go on with that run"));
    }

    /// <summary>Refuses a run that has nothing to go on from, before data and weights are looked at.</summary>
    /// <exception cref="ConfigException">It has no finished checkpoint.</exception>
    public static void RequireBegun(RunConfig config)
    {
        var folder = new RunFolder(config);
        if (folder.Checkpoints.List().All(checkpoint => checkpoint.IsPartial))
        {
            throw RunResumption.NothingToGoOnFrom(folder);
        }
    }

    /// <summary>Trains to the end or to a signal.</summary>
    /// <returns>The process's exit code.</returns>
    /// <exception cref="ConfigException">The configuration does not fit the data or the run folder.</exception>
    public int Execute()
    {
        // Until a step is made there is nothing to save. Ranks answer a signal together where they meet, or it ends all of them where that takes long.
        InjectedFaults.Reach("start.shards");
        if (run.AgreeToStop())
        {
            return StoppedBeforeTraining();
        }

        var data = RunData.Open(run);
        // Counting may take long and leaves a file, so it comes after everything that can be refused.
        if (run.AgreeToStop())
        {
            return StoppedBeforeTraining();
        }

        InjectedFaults.Reach("start.counting");
        data = data.Count(run);
        if (run.AgreeToStop())
        {
            return StoppedBeforeTraining();
        }

        InjectedFaults.Reach("start.model");
        using var session = TrainingSession.Create(run.Config, run.Ranks);
        if (run.IsFirstRank && run.Config.Parallel.Overlap && run.Ranks.Replicas.Size > 1 && !run.Ranks.AllowsOverlap)
        {
            run.Reporter.Warn("this MPI library lets only one thread at a time call it, so gradients are reduced after backward; "
                + "parallel.overlap: false says that this is wanted");
        }
        InjectedFaults.Reach("start.checkpoint");
        var started = Stopwatch.GetTimestamp();
        var resumption = new RunResumption(run, session, rules);
        var state = resumption.Restore(data.Training);
        var restoreSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        // From here on, and in what is written, the order has a name.
        var wantedOrder = run.Config.Data.RowOrder;
        var order = state.Loader?.RowOrder ?? wantedOrder ?? DataConfig.DefaultRowOrder;
        run = run with { Config = run.Config with { Data = run.Config.Data with { RowOrder = order } } };
        // What was read has the hashes that it was saved with: it is done, and not only said to be.
        if (RunConclusion.IsComplete(run, state))
        {
            run.Reporter.Say(RunConclusion.Complete(run.Config, state.Step));
            return ExitCode.Done;
        }

        using var saver = new CheckpointSaver(run.Folder.Checkpoints, session.Model, session.Optimizer, run.Ranks, SavedRun.SettingsOf(run.Config), run.Reporter);
        saver.Prepare(resumption.Predecessor);
        TellMesh(session);
        if (run.IsFirstRank)
        {
            TellStart(session, data, state, restoreSeconds, saver.StagingBytes);
            TellOrder(data, isOwnWish: wantedOrder is not null);
        }

        InjectedFaults.Reach("start.peak");
        var loop = new TrainingLoop(run, session, data, saver, state);
        if (run.AgreeToStop())
        {
            return StoppedBeforeTraining();
        }

        var stopped = loop.Run();
        RunProgress.Enter(RunPhase.Report);
        InjectedFaults.Reach("end.report");
        state = loop.State;
        if (stopped && state.Step == 0)
        {
            return StoppedBeforeTraining();
        }

        if (run.IsFirstRank)
        {
            Conclude(state, session, loop.Report, stopped);
        }

        if (!stopped)
        {
            return ExitCode.Done;
        }

        return Stopped($"stopped by a signal after step {state.Step}; the same command goes on from there");
    }

    // The checkpoint is safe, and the exit code says how training went: a report that cannot be written changes neither.
    private void Conclude(TrainingState state, TrainingSession session, RunReport report, bool stopped)
    {
        var conclusion = new RunConclusion(run.Config, run.Folder, report);
        try
        {
            conclusion.Write(state, session.Model, stopped);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            run.Reporter.Warn($"the run is saved, and its report could not be written in full: {error.Message}");
        }

        if (!stopped)
        {
            run.Reporter.Say(conclusion.Done(state));
        }
    }

    private int StoppedBeforeTraining() => Stopped("stopped by a signal before the first step; the same command begins again");

    private int Stopped(string sentence)
    {
        run.Reporter.Say(sentence);
        if (run.IsFirstRank)
        {
            StopMark.Leave(run.Folder.Path, run.LaunchName, run.Reporter.Warn);
        }

        return ExitCode.Stopped;
    }

    private void TellMesh(TrainingSession session)
    {
        var hosts = run.Ranks.World.AllGatherTexts(Environment.MachineName);
        if (!run.IsFirstRank || hosts.Length == 1)
        {
            return;
        }

        foreach (var line in MeshTable.Lines(run.Ranks.Layout, hosts, session.Model.Parameters.Device.ToString()))
        {
            run.Reporter.Say(line);
        }
    }

    private void TellStart(TrainingSession session, RunData data, TrainingState state, double restoreSeconds, long stagingBytes)
    {
        Directory.CreateDirectory(run.Folder.Path);
        run.Reporter.Keep(run.Folder.Log);
        RunConfigWriter.Save(run.Config, run.Folder.Configuration);
        var start = state.Step == 0 ? "starting"
            : FormattableString.Invariant($"going on from the checkpoint of step {state.Step}, verified and loaded in {restoreSeconds:0.00} s");
        var size = FormattableString.Invariant(
            $"{session.Model.ParameterCount:N0} parameters, {data.Training.TokenCount:N0} training tokens in {data.Training.DocumentCount:N0} documents");
        var means = FormattableString.Invariant($"{run.Ranks.World.Size} rank(s) with {threadsPerRank} thread(s) each, {HostKernels.InstructionSet} kernels");
        run.Reporter.Say($"{run.Config.Run.Name}: {start}; {size}, {means}");
        if (run.Config.Parallel.Pipeline > 1)
        {
            var plan = new RunPlan(run.Config, run.Ranks.World.Size);
            var stages = FormattableString.Invariant($"{plan.Stages} and {plan.MicroSteps} micro-batches a step");
            run.Reporter.Say(FormattableString.Invariant($"{stages}: each stage waits {plan.BubbleShare:0 %} of a step while the pipeline fills and empties"));
        }

        if (stagingBytes > 0)
        {
            run.Reporter.Say($"checkpoints are written beside training, from a copy of {Quantity.Bytes(stagingBytes)} on each rank");
        }
    }

    private void TellOrder(RunData data, bool isOwnWish)
    {
        var config = run.Config.Data;
        var order = config.RowOrder!.Value;
        if (order != DataConfig.DefaultRowOrder && !isOwnWish)
        {
            run.Reporter.Say("rows come in the order in which this run was begun, data.row_order: sequential; a new run mixes them");
        }

        if (LongDocumentNotice.Of(LongestDocument.Of(data.Training, config), config.Context, order) is { } notice)
        {
            run.Reporter.Say(notice);
        }
    }
}
