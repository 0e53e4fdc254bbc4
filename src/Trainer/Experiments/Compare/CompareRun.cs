using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.RunFolders;

namespace KvShiftScale.Trainer.Experiments.Compare;

/// <summary>One training run of a comparison.</summary>
internal sealed record CompareRun(KvShiftVariant Variant, long Seed, RunConfig Config)
{
    /// <summary>Runs of every seed, vanilla first; they differ in <c>model.kv_shift</c> and <c>run.seed</c> alone.</summary>
    /// <param name="config">What they have in common.</param>
    /// <param name="folder">Folder that holds their folders.</param>
    /// <param name="variants">Shifts to compare with none.</param>
    /// <param name="seeds">Number of seeds; they count up from the configuration's own.</param>
    /// <exception cref="UsageException">They would count beyond the largest number.</exception>
    public static IReadOnlyList<CompareRun> Plan(RunConfig config, string folder, IReadOnlyList<KvShiftVariant> variants, int seeds)
    {
        if (config.Run.Seed > long.MaxValue - seeds)
        {
            throw new UsageException(FormattableString.Invariant($"found run.seed={config.Run.Seed}, from which no {seeds} seeds count up; wanted at most {long.MaxValue - seeds}"));
        }

        var runs = new List<CompareRun>();
        for (var seed = config.Run.Seed; seed < config.Run.Seed + seeds; seed++)
        {
            foreach (var variant in variants.Prepend(KvShiftVariant.None))
            {
                var name = FormattableString.Invariant($"{ShiftName.Key(variant)}-seed-{seed}");
                runs.Add(new CompareRun(variant, seed, config with
                {
                    Run = config.Run with { Name = name, Seed = seed, Directory = folder },
                    Model = config.Model with { KvShift = variant },
                }));
            }
        }
        // Both arms read the same rows in the same order: that of the runs which are there, if any are.
        var order = config.Data.RowOrder ?? runs.Select(run => new RunFolder(run.Config).ReadRowOrder()).FirstOrDefault(begun => begun is not null)
            ?? DataConfig.DefaultRowOrder;
        return [.. runs.Select(run => run with { Config = run.Config with { Data = run.Config.Data with { RowOrder = order } } })];
    }
}
