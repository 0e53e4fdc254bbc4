using System.Diagnostics;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Signals;
using KvShiftScale.Trainer.Telemetry;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Experiments.Compare;

/// <summary>
/// Trains every run of a comparison with the product's own training, one after the other on all ranks, and reports. A run that is
/// finished, or was stopped, goes on from its checkpoint as any run does.
/// </summary>
internal sealed class CompareExperiment(RankEnvironment launch, StopSignal stop, EarlyEnd early, IReadOnlyList<CompareRun> runs, string folder)
{
    /// <summary>Returns the exit code.</summary>
    public int Execute()
    {
        launch.LoadMpi();
        using var ranks = ParallelContext.Create(runs[0].Config.Parallel, launch.LaunchedByMpi);
        return FaultReport.Guard(launch, ranks, () => Execute(ranks));
    }

    /// <summary>Checks every run before any work.</summary>
    /// <param name="ranks">Processes that will train.</param>
    /// <exception cref="ConfigException">A configuration breaks a rule.</exception>
    /// <exception cref="UsageException">The folder holds runs of other settings, which a run must not go on with as its own.</exception>
    public void Check(int ranks)
    {
        foreach (var run in runs)
        {
            RunConfigRules.Check(run.Config, ranks);
            MachineRules.CheckThreads(run.Config);
            var path = new RunFolder(run.Config).Configuration;
            if (File.Exists(path) && Saved(path) != RunConfigWriter.Write(run.Config))
            {
                throw new UsageException($"found a run of other settings in {path}; choose another --output, or delete {folder} to begin again");
            }
        }
    }

    // With the keys that there are now: what an earlier version did not have stands for what it did.
    private static string Saved(string path)
    {
        var config = RunConfigReader.Read(path, []);
        return RunConfigWriter.Write(config with { Data = config.Data with { RowOrder = config.Data.RowOrder ?? RowOrder.Sequential } });
    }

    private int Execute(ParallelContext ranks)
    {
        var started = Stopwatch.GetTimestamp();
        launch.RequireWorld(ranks.World);
        early.KnowRanks(ranks);
        Check(ranks.World.Size);
        var threads = ComputeThreads.Set(runs[0].Config.Parallel.ThreadsPerRank, RankAddress.Gather(ranks.World), ranks.World.Rank);
        var isFirst = ranks.World.Rank == 0;
        using var progress = isFirst ? new ProgressLine() : null;
        for (var i = 0; i < runs.Count; i++)
        {
            var reporter = new Reporter(progress, FormattableString.Invariant(
                $"compare: run {i + 1} of {runs.Count}, {ShiftName.Of(runs[i].Variant)}, seed {runs[i].Seed}"), runs[i].Config.Run.Steps);
            early.KnowFolder(runs[i].Config.Run.Folder);
            stop.EndUnanswered(early.End, EarlyEnd.Patience);
            using var hold = new RunLock(runs[i].Config.Run.Folder);
            if (ranks.BroadcastText(isFirst ? hold.TryTake() ?? "" : "") is { Length: > 0 } refusal)
            {
                throw new UsageException(refusal);
            }

            early.HoldFolder();
            var code = new TrainingRun(new LaunchedRun(runs[i].Config, ranks, reporter, stop), threads, new ResumptionRules()).Execute();
            if (code != ExitCode.Done)
            {
                return code;
            }
        }
        if (!isFirst)
        {
            return ExitCode.Done;
        }

        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        progress!.Done(FormattableString.Invariant($"compare: {runs.Count} runs done in {seconds:F0} s"));
        new CompareReport(folder, runs, [.. runs.Select(Read)], RunEnvironment.Here(ranks.World.Size, threads), seconds).Write(DateTimeOffset.Now);
        return ExitCode.Done;
    }

    private static CompareResult Read(CompareRun run)
    {
        var records = MetricsLog.Read(new RunFolder(run.Config).Metrics);
        var losses = records.Select(record => record.Loss).ToArray();
        return new CompareResult(run.Variant, run.Seed, run.Config.Run.Folder,
            [.. records.Where(record => record.ValidationLoss is not null)
                .Select(record => new CompareLoss(record.Step, record.ValidationLoss!.Value))],
            losses.TakeLast(Math.Max(1, losses.Length / 10)).Average(), RunSummary.Of(records).TrainingSeconds);
    }

    /// <summary>One line of progress for all runs; on ranks but the first only warnings.</summary>
    private sealed class Reporter(ProgressLine? progress, string run, long steps) : IRunReporter
    {
        public void Count(StepTally step)
        {
        }

        public void Count(SaveTally save)
        {
        }

        public void Keep(string log)
        {
        }

        public void Report(StepRecord record)
        {
            var validation = record.ValidationLoss is { } loss ? FormattableString.Invariant($", validation {loss:F4}") : "";
            progress?.Update(FormattableString.Invariant($"{run}: step {record.Step} of {steps}, loss {record.Loss:F4}{validation}"));
        }

        public void Say(string sentence) => progress?.Update($"{run}: {sentence}");

        public void Warn(string sentence) => Console.Error.WriteLine($"kvshift: {sentence}");
    }
}
