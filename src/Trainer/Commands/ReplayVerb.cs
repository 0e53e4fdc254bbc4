using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Core.Faults;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Replaying;
using KvShiftScale.Trainer.RunFolders;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift replay</c>: computes a step of a run again and says where its numbers come from.</summary>
internal static class ReplayVerb
{
    public static Command Build(RankEnvironment launch, string? faults)
    {
        var run = new Argument<string>("run") { Description = "A run's name or folder, or the configuration of one." };
        var step = new Option<long>("--step") { Description = "The step, from 1 on.", Required = true };
        var set = new Option<string[]>("--set")
        {
            Description = "key.path=value; replaces what the configuration has.",
            DefaultValueFactory = _ => []
        };
        var command = new Command("replay",
            "Computes a step of a run again, from the newest checkpoint before it, and names the first bad parameter, layer and row.")
        {
            run, step, set,
        };
        command.SetAction(parsed => Run(launch, faults, parsed.GetRequiredValue(run), parsed.GetValue(step), parsed.GetValue(set)!));
        return command;
    }

    private static int Run(RankEnvironment launch, string? faults, string path, long step, string[] settings)
    {
        if (launch.LaunchedByMpi)
        {
            throw new UsageException("found replay under mpirun; wanted one process, which computes the work of all ranks in turn: use launch/kvshift replay");
        }

        var config = Read(path, settings);
        if (step < 1 || step > config.Run.Steps)
        {
            throw new UsageException($"found --step {step}; wanted 1 to run.steps = {config.Run.Steps}");
        }

        TensorLibrary.Load();
        ComputeThreads.Set(config.Parallel.ThreadsPerRank);
        var replayer = new Replayer(config, Console.Error.WriteLine);
        InjectedFaults.Load(replayer.Translate(faults ?? ""), launch.Rank);
        foreach (var line in ReplayText.Of(replayer.Execute(step)))
        {
            Console.Out.WriteLine(line);
        }

        return ExitCode.Done;
    }

    // The folder may have been moved since, so its place comes from where it is.
    private static RunConfig Read(string path, string[] settings)
    {
        ConfigOverride[] overrides = [.. settings.Select(ConfigOverride.Parse)];
        if (File.Exists(path))
        {
            var config = RunConfigReader.Read(path, overrides);
            return Directory.Exists(config.Run.Folder)
                ? config : throw new UsageException($"found no run in {config.Run.Folder}; wanted the folder of one that was trained");
        }

        path = RunPath.FolderOf(path);
        var saved = Path.Combine(path, RunFolder.ConfigurationName);
        if (!File.Exists(saved))
        {
            throw new UsageException($"found no {RunFolder.ConfigurationName} in {path}; wanted the folder of a run");
        }

        var read = RunConfigReader.Read(saved, overrides);
        var full = Path.GetFullPath(path).TrimEnd(Path.DirectorySeparatorChar);
        return read with { Run = read.Run with { Directory = Path.GetDirectoryName(full)!, Name = Path.GetFileName(full) } };
    }
}
