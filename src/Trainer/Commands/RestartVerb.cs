using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Telemetry;
using KvShiftScale.Trainer.Training;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift restart</c>: what launch/train and launch/train.slurm ask after a crash.</summary>
internal static class RestartVerb
{
    public static Command Build()
    {
        var config = new Argument<string>("config") { Description = "Configuration of the run, YAML." };
        var set = new Option<string[]>("--set") { Description = "key.path=value; replaces what the file has.", DefaultValueFactory = _ => [] };
        var acceptData = new Option<bool>("--accept-changed-data") { Description = "Taken as part of the run's command." };
        var acceptSchedule = new Option<bool>(ChangedSettings.AcceptOption) { Description = "Taken as part of the run's command." };
        var demandBegun = new Option<bool>("--resume") { Description = "Taken as part of the run's command." };
        var launch = new Option<string>("--launch") { Description = "Name of the launch that crashed.", Required = true };
        var crash = new Option<int>("--crash") { Description = "Number of the crash within the launch, from 1.", Required = true };
        var restarts = new Option<int>("--restarts") { Description = "Restarts that the launch may make.", Required = true };
        var exitCode = new Option<int>("--exit-code") { Description = "Exit code of the launcher.", Required = true };
        var ranks = new Option<int>("--ranks") { Description = "Ranks that ran.", Required = true };
        var left = new Option<int?>("--ranks-left") { Description = "Ranks that are left." };
        var command = new Command("restart",
            "Says how a run goes on after a crash: prints the number of ranks and a pause in seconds, or fails with the reason: with 75 when the launch was stopped by a signal.")
        {
            config, set, acceptData, acceptSchedule, demandBegun, launch, crash, restarts, exitCode, ranks, left,
        };
        command.SetAction(parsed => Run(
            RunConfigReader.Read(parsed.GetRequiredValue(config), [.. parsed.GetValue(set)!.Select(ConfigOverride.Parse)]),
            new CrashRecord(DateTimeOffset.Now, parsed.GetRequiredValue(launch), parsed.GetRequiredValue(crash), parsed.GetRequiredValue(exitCode),
                0, null, parsed.GetRequiredValue(ranks)),
            parsed.GetRequiredValue(restarts), parsed.GetValue(left)));
        return command;
    }

    private static int Run(RunConfig config, CrashRecord crash, int restarts, int? ranksLeft)
    {
        var folder = new RunFolder(config);
        Directory.CreateDirectory(folder.Path);
        if (StopMark.IsOf(folder.Path, crash.LaunchName))
        {
            Console.Error.WriteLine($"kvshift: the launch left with {crash.Cause}, but a signal had stopped it before, and what it was to save is saved");
            return ExitCode.Stopped;
        }
        var before = CrashRecord.LastOf(folder.Restarts, crash.Launch);
        var decided = RestartDecision.Make(crash with
        {
            Step = File.Exists(folder.Metrics) && MetricsLog.Read(folder.Metrics) is [.., var last] ? last.Step : 0,
            Checkpoint = folder.Checkpoints.List().Where(found => !found.IsPartial).Select(found => (long?)found.Step).FirstOrDefault(),
        }, before, restarts, config, ranksLeft);
        decided.AppendTo(folder.Restarts);

        var what = FormattableString.Invariant($"crash {decided.Crash} ({decided.Cause}) after step {decided.Step}");
        if (decided.NextRanks is not { } ranks)
        {
            Console.Error.WriteLine($"kvshift: {what}; not started again: {decided.Reason}");
            return ExitCode.Failed;
        }
        var pause = RestartDecision.PauseSeconds(decided.Crash);
        var from = decided.Checkpoint is { } step
            ? FormattableString.Invariant($"from the newest good checkpoint, step {step} or before") : "from the beginning";
        var parallel = config.Parallel;
        var stages = parallel.Pipeline > 1 ? FormattableString.Invariant($"pipeline {parallel.Pipeline} x ") : "";
        var layout = FormattableString.Invariant(
            $"{ranks} of {decided.Ranks} rank(s), {stages}data {ranks / parallel.RanksPerSample} x context {parallel.Context} x tensor {parallel.Tensor}");
        Console.Error.WriteLine(FormattableString.Invariant($"kvshift: {what}; restart {decided.Crash} of {restarts} in {pause} s {from}, with {layout}"));
        Console.WriteLine(FormattableString.Invariant($"{ranks} {pause}"));
        return ExitCode.Done;
    }
}
