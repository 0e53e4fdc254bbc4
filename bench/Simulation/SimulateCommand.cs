using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;
using static KvShiftScale.Core.Configuration.NumberBound;

namespace KvShiftScale.Simulation;

/// <summary>The command line: one launch, many random ones, or a scaling curve.</summary>
internal sealed class SimulateCommand
{
    private readonly Argument<string[]> _configs = new("config")
    {
        Description = "Configuration of a run, YAML; with --scaling one or several.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string[]> _set = new("--set") { Description = "key.path=value; replaces what the file has.", DefaultValueFactory = _ => [] };
    private readonly Option<string?> _layout = new("--layout")
    {
        Description = "tensor=2,pipeline=4,micro_batch=1: the layout; what is not named is as configured. Not given: the planner's fastest.",
    };

    private readonly Option<string> _gpu = new("--gpu") { Description = $"The device: {string.Join(", ", KnownHardware.All.Keys)}, or a file that kvshift plan --measure writes.", DefaultValueFactory = _ => "h200" };
    private readonly Option<long> _nodes = Number("--nodes", "Machines.", 1);
    private readonly Option<long> _ranks = Number("--gpus-per-node", "Devices of each machine, one for each rank.", 8);
    private readonly Option<long> _random = Number("--random", "Simulate so many random layouts of small models instead, and say whether any stands still.", 0);
    private readonly Option<bool> _scaling = new("--scaling") { Description = "Simulate 8 to 1,024 ranks in the planner's fastest layouts, as a table in Markdown." };
    private readonly Option<string?> _svg = new("--svg") { Description = "Where --scaling draws its curves." };
    private readonly Option<long> _seed = Number("--seed", "Of random layouts and of stragglers.", 1);
    private readonly Option<long> _steps = Number("--steps", "Steps; the first is not counted.", 2);
    private readonly Option<long> _eager = Number("--eager-bytes", "Messages of so many bytes or fewer go without their receiver; 0: none.", 0);
    private readonly Option<double> _fraction = Factor("--straggler-fraction", "Share of ranks that are slow throughout.", 0.01);
    private readonly Option<double> _slowdown = Factor("--straggler-slowdown", "How many times as long those compute.", 1.1);
    private readonly Option<double> _jitter = Factor("--jitter", "Mean of what each piece of computation takes longer, as a share of it.", 0.02);

    private SimulateCommand()
    {
    }

    /// <summary>Parses, runs, and returns the exit code. 0: no order stands still; 1: one does, or ranks disagree; 2: bad arguments or configuration.</summary>
    public static int Run(string[] arguments)
    {
        var parsed = Build().Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            // What the library says of a number names a type of the program.
            var faults = parsed.Errors.Select(error => error.SymbolResult is OptionResult { Tokens: [var value, ..] } option and { Option.Arity.MaximumNumberOfValues: 1 }
                ? $"found {option.Option.Name} {value}; wanted a number" : error.Message);
            Console.Error.WriteLine($"simulate: {string.Join("\nsimulate: ", faults)}\nRun 'bench/simulate --help' for the usage.");
            return ExitCode.Usage;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (KvShiftException exception)
        {
            Console.Error.WriteLine($"simulate: {exception.Message}");
            return exception.Code;
        }
    }

    private static RootCommand Build()
    {
        var options = new SimulateCommand();
        var command = new RootCommand("Runs the mesh, the schedule, the buckets and the ledger of a large launch in one process, with a clock instead of tensors.")
        {
            options._configs, options._set, options._layout, options._gpu, options._nodes, options._ranks, options._random, options._scaling, options._svg, options._seed,
            options._steps, options._eager, options._fraction, options._slowdown, options._jitter,
        };
        command.SetAction(options.Run);
        return command;
    }

    private static Option<long> Number(string name, string description, long value) => new(name) { Description = description, DefaultValueFactory = _ => value };

    private static Option<double> Factor(string name, string description, double value) => new(name) { Description = description, DefaultValueFactory = _ => value };

    private int Run(ParseResult parsed)
    {
        CheckNumbers(parsed);
        var configs = parsed.GetValue(_configs)!;
        if (Array.Find(configs, config => config.StartsWith('-')) is { } unknown)
        {
            throw new UsageException($"found the option {unknown}, which there is not; bench/simulate --help has those that there are");
        }

        if (parsed.GetValue(_random) is > 0 and var count)
        {
            return Random((int)count, parsed.GetValue(_seed));
        }

        if (configs.Length == 0 || (configs.Length > 1 && !parsed.GetValue(_scaling)))
        {
            throw new UsageException($"found {configs.Length} configurations; wanted one, with --scaling one or more, for example configs/19b.yaml, or --random 200");
        }

        var hardware = KnownHardware.All.GetValueOrDefault(parsed.GetValue(_gpu)!) ?? HardwareFile.Read(parsed.GetValue(_gpu)!);
        return parsed.GetValue(_scaling) ? Scale(parsed, configs, hardware) : Single(parsed, configs[0], hardware);
    }

    private void CheckNumbers(ParseResult parsed)
    {
        var faults = new ConfigFaultList();
        foreach (var (option, bound) in (ReadOnlySpan<(Option<long>, NumberBound)>)
        [
            (_nodes, new Whole(1, 1 << 16, "reckon with at least one machine")),
            (_ranks, new Whole(1, 1024, "use for example 8")),
            (_random, new Whole(0, 1_000_000, "use for example 200, or leave it out")),
            (_seed, new Whole(long.MinValue, long.MaxValue, "use for example 1")),
            (_steps, new Whole(2, 1_000_000, "use for example 2: the first step has nothing before it and is not counted")),
            (_eager, new Whole(0, 1L << 40, "use 0 where every message waits for its receiver")),
        ])
        {
            faults.CheckNumber(option.Name, parsed.GetValue(option), bound);
        }

        foreach (var (option, bound) in (ReadOnlySpan<(Option<double>, NumberBound)>)
        [
            (_fraction, new Real(0, 1, "use for example 0.01")),
            (_slowdown, new Real(1, 1e6, "use for example 1.1; 1 is as fast as the others")),
            (_jitter, new Real(0, 1e6, "use for example 0.02")),
        ])
        {
            faults.CheckNumber(option.Name, parsed.GetValue(option), bound);
        }

        faults.ThrowIfAny();
    }

    private Stragglers StragglersOf(ParseResult parsed)
        => new((ulong)parsed.GetValue(_seed), parsed.GetValue(_fraction), parsed.GetValue(_slowdown), parsed.GetValue(_jitter));

    private int Single(ParseResult parsed, string path, HardwareProfile hardware)
    {
        var (nodes, ranksPerNode) = ((int)parsed.GetValue(_nodes), (int)parsed.GetValue(_ranks));
        var layout = parsed.GetValue(_layout);
        var config = ReadRun(parsed, path, LayoutPlanText.SettingsOf(layout));
        var cluster = Cluster.For(config, hardware, nodes, ranksPerNode);
        LayoutPlan plan;
        if (layout is null)
        {
            plan = FastestOf(config, cluster);
        }
        else
        {
            RunConfigRules.Check(config, cluster.Ranks);
            var held = new HeldParameters(config.Model);
            plan = new LayoutPlan(new RunPlan(config, cluster.Ranks, held), held, cluster);
        }

        var began = Stopwatch.GetTimestamp();
        var launch = new SimulatedLaunch(plan.Plan.Config, hardware, cluster.Ranks, ranksPerNode);
        var (steps, eager) = ((int)parsed.GetValue(_steps), parsed.GetValue(_eager));
        var (even, uneven) = (launch.Run(Stragglers.None, steps, eager), launch.Run(StragglersOf(parsed), steps, eager));
        var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
        Console.WriteLine($"{launch.Groups.Layout}, {LayoutPlanText.KeysOf(plan.Plan.Config)}");
        Console.WriteLine(Quantity.Format($"planned         {plan.StepSeconds,9:F4} s a step, {Quantity.Short(plan.TokensPerSecond)} tokens/s"));
        Console.WriteLine(Line("simulated", even, plan));
        Console.WriteLine(Line("with stragglers", uneven, plan));
        Console.WriteLine(Quantity.Format($"no order stands still; {even.Operations + uneven.Operations:N0} operations in {took:F1} s"));
        return ExitCode.Done;
    }

    private static string Line(string name, SimulationResult result, LayoutPlan plan)
    {
        var step = Quantity.Format($"{name,-15} {result.StepSeconds,9:F4} s a step, {Quantity.Short(plan.Plan.TokensPerStep / result.StepSeconds)} tokens/s");
        var parts = Quantity.Format($"computing {result.ComputeSeconds:F4} s, transfers {result.TransferSeconds:F4} s, late ranks {result.LateSeconds:F4} s");
        var more = Quantity.Format($"{result.StepSeconds / plan.StepSeconds - 1:+0.0 %;-0.0 %}");
        return Quantity.Format($"{step} ({more}): {parts}, behind what goes on beside {result.ExposedSeconds:F4} s");
    }

    private int Random(int count, long seed)
    {
        var launches = new RandomLaunches((ulong)seed);
        var (operations, most, began) = (0L, 0, Stopwatch.GetTimestamp());
        for (var number = 1; number <= count; number++)
        {
            var (config, ranks) = launches.Next();
            try
            {
                operations += new SimulatedLaunch(config, KnownHardware.All["h200"], ranks, ranksPerNode: 8).Run(Stragglers.None).Operations;
            }
            catch (KvShiftException exception)
            {
                Console.Error.WriteLine($"simulate: layout {number} of --seed {seed}: {LayoutPlanText.KeysOf(config)}, {ranks} ranks, model {config.Model}");
                Console.Error.WriteLine(exception.Message);
                return ExitCode.Failed;
            }

            most = Math.Max(most, ranks);
        }

        Console.WriteLine(Quantity.Format(
            $"{count} random layouts of up to {most:N0} ranks, none stands still; {operations:N0} operations in {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s"));
        return ExitCode.Done;
    }

    private int Scale(ParseResult parsed, string[] paths, HardwareProfile hardware)
    {
        if (parsed.GetValue(_layout) is { } layout)
        {
            throw new UsageException($"found --layout {layout} with --scaling, whose layouts are the planner's; wanted one of the two");
        }

        var ranksPerNode = (int)parsed.GetValue(_ranks);
        if (ScalingCurve.Sizes.Any(size => size % ranksPerNode != 0))
        {
            throw new UsageException($"found --gpus-per-node {ranksPerNode} with --scaling, whose sizes are {string.Join(", ", ScalingCurve.Sizes)}; wanted 1, 2, 4 or 8");
        }

        var curves = new List<(string, IReadOnlyList<ScalingPoint>)>();
        foreach (var path in paths)
        {
            var config = ReadRun(parsed, path, []);
            Console.WriteLine($"\n{config.Run.Name}, {parsed.GetValue(_gpu)}:\n\n{ScalingCurve.Head}");
            var points = new List<ScalingPoint>();
            foreach (var size in ScalingCurve.Sizes)
            {
                var plan = FastestOf(config, Cluster.For(config, hardware, size / ranksPerNode, ranksPerNode));
                points.Add(ScalingCurve.Of(plan, hardware, ranksPerNode, StragglersOf(parsed), (int)parsed.GetValue(_steps), parsed.GetValue(_eager)));
                Console.WriteLine(ScalingCurve.Row(points[^1], points[0]));
            }

            curves.Add((config.Run.Name, points));
        }

        if (parsed.GetValue(_svg) is { } svg)
        {
            ScalingCurve.Chart(curves).Save(svg);
        }

        return ExitCode.Done;
    }

    private RunConfig ReadRun(ParseResult parsed, string path, IEnumerable<string> settings)
    {
        var config = RunConfigReader.Read(path, [.. parsed.GetValue(_set)!.Concat(settings).Select(ConfigOverride.Parse)]);
        RunConfigRules.CheckNumbersOf(config, "");
        return config;
    }

    private static LayoutPlan FastestOf(RunConfig config, Cluster cluster) => LayoutSearch.Of(config, cluster).Layouts is [var fastest, ..]
        ? fastest : throw new UsageException(Quantity.Format($"found no layout of {cluster.Ranks} ranks that a launch would begin with and that fits; kvshift plan says why"));
}
