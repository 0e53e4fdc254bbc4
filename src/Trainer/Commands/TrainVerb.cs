using System.CommandLine;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Core;
using KvShiftScale.Core.Faults;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Faults;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Liveness;
using KvShiftScale.Trainer.Planning;
using KvShiftScale.Trainer.Reporting;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Signals;
using KvShiftScale.Trainer.Telemetry;
using KvShiftScale.Trainer.Training;
using Spectre.Console;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift train</c>: trains a model, or goes on with a run.</summary>
internal static class TrainVerb
{
    /// <param name="launch">What the launcher told this process.</param>
    /// <param name="telemetry">What the environment says about the export of metrics.</param>
    /// <param name="stop">Signals of this process; null where another verb was asked for.</param>
    /// <param name="early">What they do before training.</param>
    public static Command Build(RankEnvironment launch, TelemetryEnvironment telemetry, StopSignal? stop, EarlyEnd early)
    {
        var config = new Argument<string>("config") { Description = "Configuration of the run, YAML." };
        var set = new Option<string[]>("--set") { Description = "key.path=value; replaces what the file has.", DefaultValueFactory = _ => [] };
        var demandNew = new Option<bool>("--new") { Description = "Refuse to go on with a run that exists." };
        var demandBegun = new Option<bool>("--resume") { Description = "Refuse to begin: the run must have a checkpoint to go on from." };
        var dryRun = new Option<bool>("--dry-run") { Description = "Print what the run would be, and end: no data, no MPI, no weights." };
        var ranks = new Option<int?>("--ranks") { Description = "With --dry-run: the number of ranks to reckon with." };
        var acceptData = new Option<bool>("--accept-changed-data") { Description = "Go on although the training data differs from that of the checkpoint." };
        var acceptSchedule = new Option<bool>(ChangedSettings.AcceptOption)
        {
            Description = "Go on although the learning rate jumps, since the settings of its schedule differ from those of the checkpoint."
        };
        var command = new Command("train", "Trains a model; goes on from the newest good checkpoint of the run, if there is one.")
        {
            config, set, demandNew, demandBegun, acceptData, acceptSchedule, dryRun, ranks,
        };
        command.SetAction(parsed => parsed.GetValue(dryRun)
            ? DryRun(launch, parsed.GetRequiredValue(config), parsed.GetValue(set)!, parsed.GetValue(ranks))
            : parsed.GetValue(ranks) is { } count
                ? throw new UsageException($"found --ranks {count} without --dry-run; launch/train --ranks {count} starts that many")
                : Run(launch, telemetry, stop!, early, parsed.GetRequiredValue(config), parsed.GetValue(set)!, parsed.GetValue(demandNew),
                    new ResumptionRules
                    {
                        MustGoOn = parsed.GetValue(demandBegun),
                        AcceptChangedData = parsed.GetValue(acceptData),
                        AcceptChangedSchedule = parsed.GetValue(acceptSchedule),
                    }));
        return command;
    }

    private static int DryRun(RankEnvironment launch, string path, string[] settings, int? ranks)
    {
        if (launch.Rank > 0)
        {
            return ExitCode.Done;
        }

        var config = RunConfigReader.Read(path, [.. settings.Select(ConfigOverride.Parse)]);
        // The smallest launch that the layout allows, unless told otherwise.
        var count = ranks ?? (int)Math.Clamp(config.Parallel.RanksPerSample, 1, int.MaxValue);
        RunConfigRules.Check(config, count);
        new RunPlanText(new RunPlan(config, count), PlainConsole.Create()).Write();
        return ExitCode.Done;
    }

    private static int Run(RankEnvironment launch, TelemetryEnvironment telemetry, StopSignal stop, EarlyEnd early, string path, string[] settings, bool demandNew,
        ResumptionRules rules)
    {
        if (demandNew && rules.MustGoOn)
        {
            throw new UsageException("found --new and --resume; wanted one of them: --new refuses a run that exists, --resume one that does not");
        }

        InjectedFaults.Reach("start.configuration");
        // Faults of form are found before MPI or libtorch are loaded.
        var config = RunConfigReader.Read(path, [.. settings.Select(ConfigOverride.Parse)]);
        MachineRules.CheckThreads(config);
        early.KnowFolder(config.Run.Folder);
        launch.LoadMpi();
        // Freed when all ranks have left MPI, and with it the run's folder.
        using var hold = new RunLock(config.Run.Folder, launch.LaunchName is null ? null : RunLock.RestartPatience);
        InjectedFaults.Reach("start.libraries");
        TensorLibrary.Load();
        InjectedFaults.Reach("start.mpi");
        using var ranks = ParallelContext.Create(config.Parallel, launch.LaunchedByMpi, config.Run.CheckCollectives);
        return FaultReport.Guard(launch, ranks, () =>
        {
            launch.RequireWorld(ranks.World);
            early.KnowRanks(ranks);
            RunConfigRules.Check(config, ranks.World.Size);
            var export = TelemetrySettings.Resolve(config.Telemetry, telemetry);
            if (demandNew)
            {
                TrainingRun.RequireNew(config);
            }

            if (rules.MustGoOn)
            {
                TrainingRun.RequireBegun(config);
            }

            InjectedCollectives.Attach(ranks);
            var addresses = RankAddress.Gather(ranks.World);
            int[] here = [.. addresses.Where(address => address.Kernel == addresses[ranks.World.Rank].Kernel).Select(address => address.Rank)];
            MachineRules.CheckMemory(config, addresses.Count, here, MachineRules.MemoryBytes);
            var threads = ComputeThreads.Set(config.Parallel.ThreadsPerRank, addresses, ranks.World.Rank);
            InjectedFaults.Reach("start.watch");
            using var watch = RankWatch.Start(config, ranks, addresses, hold, launch.LaunchedByMpi);
            early.HoldFolder();
            stop.EndUnanswered(early.End, EarlyEnd.Patience);
            using var reporter = RunReporter.Start(config, ranks, addresses, export, telemetry.SlurmJob, launch.IsWatched);
            try
            {
                var run = new LaunchedRun(config, ranks, reporter, stop) { LaunchName = launch.LaunchName };
                return new TrainingRun(run, threads, rules).Execute();
            }
            catch (Exception exception) when (watch.Hear(exception))
            {
                throw;
            }
        });
    }

    /// <summary>Console and telemetry of one rank; only the first one writes to the console.</summary>
    private sealed class RunReporter : IRunReporter, IDisposable
    {
        private readonly ConsoleProgress? _progress;
        private readonly RunLog? _log;
        private readonly TensorBoardLog? _board;
        private TelemetryPipeline? _telemetry;
        private readonly TrainingMeter _meter;

        private RunReporter(ConsoleProgress? progress, ParallelContext ranks, string? boardFolder)
        {
            _progress = progress;
            _board = progress is null || boardFolder is null ? null : new TensorBoardLog(boardFolder, progress.Warn);
            _log = progress is null ? null : new RunLog(progress.Warn, TimeProvider.System);
            _meter = new TrainingMeter(speaksForAll: ranks.World.Rank == 0, ranks.Ledger);
        }

        public static RunReporter Start(
            RunConfig config, ParallelContext ranks, IReadOnlyList<RankAddress> addresses, TelemetrySettings export, string? slurmJob, bool isWatched)
        {
            var world = ranks.World;
            var reporter = new RunReporter(
                world.Rank == 0 ? new ConsoleProgress(config.Run.Name, config.Run.Steps, AnsiConsole.Console, Console.Error, isWatched) : null, ranks,
                config.Telemetry.Tensorboard ? Path.Combine(config.Run.Folder, TensorBoardLog.FolderName) : null);
            // One rank of each machine speaks about the way from there to the collector.
            var speaks = addresses.First(address => address.Host == addresses[world.Rank].Host).Rank == world.Rank;
            foreach (var notice in world.Rank == 0 ? export.Notices : [])
            {
                reporter.Warn($"telemetry: {notice}");
            }

            // Ranks may be told different things by the environments of their machines.
            var isWanted = world.AllGatherTexts(export.Endpoint is null ? "" : "+").Any(text => text.Length > 0);
            var id = isWanted ? RunId.Agree(config.Run.Folder, ranks, reporter.Warn) : "";
            reporter._telemetry = TelemetryPipeline.Start(export,
                new RankIdentity(config.Run.Name, id, world.Rank, world.Size, ranks.Data.Rank, ranks.Context.Rank, ranks.Tensor.Rank, Environment.MachineName)
                {
                    PipelineIndex = ranks.Pipeline.Rank,
                    SlurmJob = slurmJob,
                },
                speaks ? sentence => reporter.Warn(world.Rank == 0 ? sentence : $"{Environment.MachineName}: {sentence}") : _ => { });
            return reporter;
        }

        public void Report(StepRecord record)
        {
            _meter.Record(record);
            _progress?.Report(record);
            _log?.Add(_progress!.PlainLine(record));
            _board?.Add(record);
        }

        public void Keep(string log) => _log?.Open(log);

        public void Count(StepTally step) => _meter.Count(step);

        public void Count(SaveTally save) => _meter.Count(save);

        public void Say(string sentence)
        {
            _progress?.Say(sentence);
            _log?.Add(sentence);
        }

        public void Warn(string sentence)
        {
            if (_progress is not null)
            {
                _progress.Warn(sentence);
                _log?.Add($"warning: {sentence}");
            }
            else
            {
                Console.Error.WriteLine(sentence);
            }
        }

        public void Dispose()
        {
            _telemetry?.Dispose();
            _meter.Dispose();
            _progress?.Dispose();
            _log?.Dispose();
        }
    }
}
