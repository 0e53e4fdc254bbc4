using System.Diagnostics;
using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>One rank of the experiment: trains what it can claim; the first rank also waits for all, and reports.</summary>
internal sealed class InductionExperiment(RankEnvironment launch, StopSignal stop, EarlyEnd early, IReadOnlyList<InductionStudy> studies, string folder)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    private readonly InductionRun[] _all = [.. studies.SelectMany(study => study.Runs())];

    /// <summary>Returns the exit code.</summary>
    public int Execute()
    {
        launch.LoadMpi();
        using var ranks = ParallelContext.Create(new ParallelConfig(), launch.LaunchedByMpi);
        return FaultReport.Guard(launch, ranks, () => Execute(ranks));
    }

    /// <summary>Checks every model before any work, by the rules of a run's configuration.</summary>
    /// <exception cref="ConfigException">A rule is broken.</exception>
    public void CheckModels()
    {
        // The data is made, not read; the rules want a source all the same.
        var data = new DataConfig { Train = [new DataSource("-")] };
        foreach (var model in _all.Select(run => run.Model).Distinct())
        {
            RunConfigRules.Check(new RunConfig { Run = new RunSection { Name = "induction", Steps = 1 }, Model = model, Data = data }, ranks: 1);
        }
    }

    private int Execute(ParallelContext ranks)
    {
        var started = Stopwatch.GetTimestamp();
        launch.RequireWorld(ranks.World);
        early.KnowRanks(ranks);
        var isFirst = ranks.World.Rank == 0;
        // One thread each, however many ranks there are: the order of sums, and so the result, is the same.
        var threads = ComputeThreads.Set(configured: 1);
        var runs = new InductionRuns(folder, _all);
        if (isFirst)
        {
            var done = runs.Prepare();
            Console.Error.WriteLine(FormattableString.Invariant(
                $"induction: {_all.Length} runs on {ranks.World.Size} rank(s), results in {folder}")
                + (done > 0 ? FormattableString.Invariant($"; {done} are finished already") : ""));
        }
        // Nobody claims before old claims are gone.
        ranks.World.Barrier();

        stop.BeginWork(_ => Console.Error.WriteLine("kvshift: a signal to stop has come; ranks leave after their step"));
        using var progress = isFirst ? new ProgressLine() : null;
        Train(runs, progress);
        // The end of MPI joins the ranks. No barrier before it: a signal may reach one rank before it and another behind it.
        if (!isFirst)
        {
            return stop.IsRequested ? ExitCode.Stopped : ExitCode.Done;
        }

        WaitForOthers(runs, progress);
        if (runs.CountDone() < _all.Length)
        {
            Console.Error.WriteLine(FormattableString.Invariant(
                $"induction: stopped by a signal with {runs.CountDone()} of {_all.Length} runs finished; the same command goes on from there"));
            return ExitCode.Stopped;
        }

        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        progress!.Done(FormattableString.Invariant($"induction: {_all.Length} runs done in {seconds:F0} s"));
        runs.Finish();
        var environment = RunEnvironment.Here(ranks.World.Size, threads);
        new InductionReport(folder, studies, runs.Results(), environment, seconds).Write(DateTimeOffset.Now);
        return ExitCode.Done;
    }

    private void Train(InductionRuns runs, ProgressLine? progress)
    {
        var training = new InductionTraining(stop);
        foreach (var run in runs.Claim())
        {
            var result = training.Execute(run, point => progress?.Update(FormattableString.Invariant(
                $"induction: {runs.CountDone()} of {_all.Length} runs done; {run}: step {point.Step}, accuracy {point.Accuracy:F3}")));
            if (result is null)
            {
                return;
            }

            runs.Save(run, result);
        }
    }

    // Waiting in a collective would burn a core that another rank may need.
    private void WaitForOthers(InductionRuns runs, ProgressLine? progress)
    {
        while (!stop.IsRequested && runs.CountDone() is var done && done < _all.Length)
        {
            progress?.Update(FormattableString.Invariant($"induction: {done} of {_all.Length} runs done; waiting for the last ones"));
            Thread.Sleep(Poll);
        }
    }
}
