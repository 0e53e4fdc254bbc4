using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Experiments;
using KvShiftScale.Trainer.Experiments.Compare;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift experiment compare</c>: the same model with and without the shift, on the user's own data.</summary>
internal static class ExperimentCompareVerb
{
    /// <param name="launch">What the launcher told this process.</param>
    /// <param name="stop">Signals of this process; null where another verb was asked for.</param>
    /// <param name="early">What they do before training.</param>
    public static Command Build(RankEnvironment launch, StopSignal? stop, EarlyEnd early)
    {
        var data = Globs("--data", "Token shards to train on: files or globs; required without --config.");
        var validation = Globs("--validation", "Held-out token shards: files or globs; required without --config.");
        var tokenizer = new Option<string?>("--tokenizer") { Description = "Tokenizer folder of the shards; goes into the checkpoints." };
        var config = new Option<string?>("--config") { Description = "Configuration of a run; without it a model of 5 M parameters for two cores." };
        var set = new Option<string[]>("--set")
        {
            Description = "key.path=value; replaces what the configuration has.",
            DefaultValueFactory = _ => [],
        };
        var seeds = new Option<int>("--seeds") { Description = "Seeds, from the configuration's own on.", DefaultValueFactory = _ => 3 };
        var steps = new Option<int?>("--steps") { Description = "Steps of each run; 200 or the configuration's own." };
        var variants = new Option<string>("--variants")
        {
            Description = "Shifts to compare with none, separated by commas, as in model.kv_shift.",
            DefaultValueFactory = _ => "kv",
        };
        var output = new Option<string>("--output")
        {
            Description = "Folder for runs and results.",
            DefaultValueFactory = _ => Path.Combine("runs", "compare"),
        };
        var ranks = new Option<int?>("--ranks")
        {
            Description = "Processes; by default as many as cores and batch allow. Under mpirun or srun: those that it started.",
        };
        var demandNew = new Option<bool>("--new") { Description = "Refuse to go on with a folder that exists." };
        var command = new Command("compare", "Trains a small language model with and without the KV shift and compares their validation losses.")
        {
            data, validation, tokenizer, config, set, seeds, steps, variants, output, ranks, demandNew,
        };
        command.SetAction(parsed =>
        {
            TensorLibrary.Load();
            var folder = parsed.GetValue(output)!;
            var shared = CompareSettings.Read(parsed.GetValue(config), parsed.GetValue(data)!, parsed.GetValue(validation)!,
                parsed.GetValue(tokenizer), parsed.GetValue(steps), [.. parsed.GetValue(set)!.Select(ConfigOverride.Parse)]);
            var runs = CompareRun.Plan(shared, folder, ShiftName.ParseList(parsed.GetValue(variants)!), parsed.GetValue(seeds));
            if (parsed.GetValue(demandNew) && !launch.LaunchedByMpi)
            {
                ExperimentFolder.RequireNew(folder);
            }

            var ownRanks = LocalRanks.Wanted(launch, parsed.GetValue(ranks) ?? MostRanks(shared));
            var experiment = new CompareExperiment(launch, stop!, early, runs, folder);
            // Before processes are started for nothing.
            if (!launch.LaunchedByMpi)
            {
                experiment.Check(ownRanks);
            }

            return ownRanks > 1 ? LocalRanks.Run(ownRanks, stop!) : experiment.Execute();
        });
        return command;
    }

    private static Option<string[]> Globs(string name, string description)
        => new(name) { Description = description, AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };

    // The most ranks that the cores carry and the rules allow; what is wrong with one rank is told later.
    private static int MostRanks(RunConfig config)
    {
        for (var ranks = Environment.ProcessorCount; ranks > 1; ranks--)
        {
            try
            {
                RunConfigRules.Check(config, ranks);
                return ranks;
            }
            catch (ConfigException)
            {
                // The rules are asked with fewer.
            }
        }
        return 1;
    }
}
