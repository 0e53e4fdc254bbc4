using System.CommandLine;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Experiments;
using KvShiftScale.Trainer.Experiments.Induction;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Commands;

/// <summary><c>kvshift experiment induction</c>: the paper's induction task, KV shift against vanilla transformers.</summary>
internal static class ExperimentInductionVerb
{
    /// <param name="launch">What the launcher told this process.</param>
    /// <param name="stop">Signals of this process; null where another verb was asked for.</param>
    /// <param name="early">What they do before training.</param>
    public static Command Build(RankEnvironment launch, StopSignal? stop, EarlyEnd early)
    {
        var preset = new Option<string>("--preset")
        {
            Description = "quick (minutes on two cores) or paper (the paper's sizes: days).",
            DefaultValueFactory = _ => InductionPreset.Quick,
        };
        var output = new Option<string?>("--output") { Description = "Folder for results; runs/induction-PRESET by default." };
        var ranks = new Option<int?>("--ranks")
        {
            Description = "Processes; as many as cores by default. Under mpirun or srun: those that it started.",
        };
        var variants = new Option<string>("--variants")
        {
            Description = "Shifts that take part with one layer, separated by commas: kv, k, v, ... as in model.kv_shift.",
            DefaultValueFactory = _ => "kv",
        };
        var seeds = new Option<int?>("--seeds") { Description = "Seeds of each model; the preset's own by default." };
        var steps = new Option<int?>("--steps") { Description = "Steps of a run that has not learnt the task before; the preset's own by default." };
        var widths = new Option<string?>("--widths")
        {
            Description = "Hidden sizes beside the main one, separated by commas; none: main width only.",
        };
        var demandNew = new Option<bool>("--new") { Description = "Refuse to go on with a folder that exists." };
        var command = new Command("induction", "Trains small transformers on the paper's induction task and compares how fast they learn it.")
        {
            preset, output, ranks, variants, seeds, steps, widths, demandNew,
        };
        command.SetAction(parsed =>
        {
            TensorLibrary.Load();
            var studies = Studies(parsed.GetValue(preset)!, parsed.GetValue(variants)!, parsed.GetValue(seeds), parsed.GetValue(steps),
                parsed.GetValue(widths));
            var folder = parsed.GetValue(output) ?? Path.Combine("runs", $"induction-{parsed.GetValue(preset)}");
            var ownRanks = LocalRanks.Wanted(launch, parsed.GetValue(ranks));
            // Ranks find the folder that the process which started them has checked.
            if (parsed.GetValue(demandNew) && !launch.LaunchedByMpi)
            {
                ExperimentFolder.RequireNew(folder);
            }

            var experiment = new InductionExperiment(launch, stop!, early, studies, folder);
            experiment.CheckModels();
            return ownRanks > 1 ? LocalRanks.Run(ownRanks, stop!) : experiment.Execute();
        });
        return command;
    }

    private static IReadOnlyList<InductionStudy> Studies(string preset, string variants, int? seeds, int? steps, string? widths)
    {
        if (!InductionPreset.Names.Contains(preset))
        {
            throw new UsageException($"found --preset {preset}; wanted one of {string.Join(", ", InductionPreset.Names)}");
        }

        IReadOnlyList<int>? otherWidths = widths switch { null => null, "none" => [], _ => [.. widths.Split(',').Select(Width)] };
        return [.. InductionPreset.Studies(preset, ShiftName.ParseList(variants)).Select(study => study with
        {
            Seeds = seeds ?? study.Seeds,
            WidthSeeds = seeds ?? study.WidthSeeds,
            Steps = steps ?? study.Steps,
            // Only the study that compares widths takes others.
            OtherWidths = study.WidthArms.Count > 0 ? [.. (otherWidths ?? study.OtherWidths).Distinct().Except([study.MainWidth])] : [],
        })];
    }

    private static int Width(string text)
    {
        if (!NumberText.TryWhole(text, out var width) || width is < 2 or > 16384 || width % 2 != 0 || (width > 128 && width % 128 != 0))
        {
            throw new UsageException($"found --widths {text}; wanted even hidden sizes, and multiples of 128 (a head) from there on: 8,16,64");
        }

        return (int)width;
    }
}
