using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Planning;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift plan</c>: which layout of a run is the fastest on given hardware, and what each takes.</summary>
internal static class PlanVerb
{
    private const string ThisMachine = "cpu";
    private const string ThisMachineFile = "cpu.yaml";

    public static Command Build(RankEnvironment launch)
    {
        var config = new Argument<string>("config") { Description = "Configuration of the run, YAML. Its own layout counts with --explain alone." };
        var set = new Option<string[]>("--set") { Description = "key.path=value; replaces what the file has.", DefaultValueFactory = _ => [] };
        var nodes = new Option<int>("--nodes") { Description = "Machines.", DefaultValueFactory = _ => 1 };
        var ranks = new Option<int>("--gpus-per-node") { Description = "Devices of each machine, one for each rank.", DefaultValueFactory = _ => 8 };
        var gpu = new Option<string>("--gpu")
        {
            Description = $"The device: {string.Join(", ", KnownHardware.All.Keys)}, {ThisMachine} ({ThisMachineFile}, which --measure writes), or such a file of another name.",
            Required = true,
        };
        var top = new Option<int>("--top") { Description = "How many layouts to show.", DefaultValueFactory = _ => 10 };
        var json = new Option<bool>("--json") { Description = "One JSON document with every term." };
        var explain = new Option<string?>("--explain") { Description = "Every term of one layout with its numbers: tensor=2,pipeline=4; what is not named is as configured." };
        var measure = new Option<bool>("--measure")
        {
            Description = "Write the file that --gpu names: what this machine reaches with tensors of the run's shapes, between ranks under mpirun.",
        };
        var command = new Command("plan", "Reckons memory and time of every layout of a run on a cluster, and ranks them.") { config, set, nodes, ranks, gpu, top, json, explain, measure };
        command.SetAction(parsed =>
        {
            string[] settings = [.. parsed.GetValue(set)!, .. LayoutPlanText.SettingsOf(parsed.GetValue(explain))];
            var run = RunConfigReader.Read(parsed.GetRequiredValue(config), [.. settings.Select(ConfigOverride.Parse)]);
            RunConfigRules.CheckNumbersOf(run, "");
            if (run.Precision == Precision.Fp64)
            {
                throw new UsageException("found precision: fp64, which is for tests of numerics; wanted bf16 or fp32, for which devices have stated peaks: --set precision=bf16");
            }

            var device = parsed.GetRequiredValue(gpu);
            if (parsed.GetValue(measure))
            {
                return Measure(launch, run, device);
            }

            if (launch.Rank > 0)
            {
                return ExitCode.Done;
            }

            var hardware = KnownHardware.All.GetValueOrDefault(device) ?? HardwareFile.Read(FileOf(device));
            var cluster = Cluster.For(run, hardware, parsed.GetValue(nodes), parsed.GetValue(ranks));
            if (parsed.GetValue(explain) is null)
            {
                Search(run, cluster, parsed.GetValue(top), parsed.GetValue(json));
            }
            else
            {
                Explain(run, cluster, parsed.GetValue(json));
            }

            return ExitCode.Done;
        });
        return command;
    }

    private static void Search(RunConfig run, Cluster cluster, int top, bool json)
    {
        var search = LayoutSearch.Of(run, cluster);
        if (search.Layouts.Count == 0 && search.TooLarge.Count == 0)
        {
            var (key, example, _) = search.Refused[0];
            throw new UsageException(Quantity.Format($"found no layout of {cluster.Ranks} ranks that a launch would begin with; most are refused for {key} = {example}"));
        }

        if (json)
        {
            Console.WriteLine(LayoutPlanJson.Of(search, cluster, top));
            return;
        }

        LayoutPlanText.Write(search, cluster, top, PlainConsole.Create());
    }

    private static void Explain(RunConfig run, Cluster cluster, bool json)
    {
        RunConfigRules.Check(run, cluster.Ranks);
        var held = new HeldParameters(run.Model);
        var plan = new LayoutPlan(new RunPlan(run, cluster.Ranks, held), held, cluster);
        if (json)
        {
            Console.WriteLine(LayoutPlanJson.Of(plan, cluster));
            return;
        }

        LayoutPlanText.Explain(plan, cluster, PlainConsole.Create());
    }

    private static int Measure(RankEnvironment launch, RunConfig run, string device)
    {
        if (KnownHardware.All.ContainsKey(device))
        {
            throw new UsageException($"found --measure --gpu {device}, whose numbers are data sheets'; wanted {ThisMachine} or a file to write");
        }

        launch.LoadMpi();
        TensorLibrary.Load();
        using var ranks = ParallelContext.Create(new ParallelConfig(), launch.LaunchedByMpi);
        return FaultReport.Guard(launch, ranks, () =>
        {
            launch.RequireWorld(ranks.World);
            var addresses = RankAddress.Gather(ranks.World);
            var threads = ComputeThreads.Set(run.Parallel.ThreadsPerRank, addresses, ranks.World.Rank);
            var here = addresses.Count(address => address.Kernel == addresses[ranks.World.Rank].Kernel);
            var profile = new HardwareMeasurement(ranks, run).Run(MachineRules.MemoryBytes, here);
            if (ranks.World.Rank == 0)
            {
                HardwareFile.Write(FileOf(device), profile, FormattableString.Invariant(
                    $"Measured by kvshift plan --measure on {TimeProvider.System.GetLocalNow():yyyy-MM-dd}: {ranks.World.Size} rank(s) of {threads} thread(s) at once, shapes of {run.Run.Name}"));
                Console.WriteLine(FileOf(device));
            }

            return ExitCode.Done;
        });
    }

    private static string FileOf(string device) => device == ThisMachine ? ThisMachineFile : device;
}
