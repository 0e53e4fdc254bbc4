using KvShiftScale.Core;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Launch;

/// <summary>Whether a launch goes on after a crash, and with how many ranks.</summary>
internal static class RestartDecision
{
    private const int LongestPauseSeconds = 60;

    /// <summary>Decides.</summary>
    /// <param name="crash">The crash, its decision still open.</param>
    /// <param name="before">The crash of the same launch before it, if there was one.</param>
    /// <param name="allowed">Restarts that the launch may make.</param>
    /// <param name="config">The run's configuration, which says which numbers of ranks there can be.</param>
    /// <param name="ranksLeft">Ranks that are left after a crash; null: all.</param>
    /// <returns>The crash with the ranks that go on, or with the reason why none do.</returns>
    public static CrashRecord Make(CrashRecord crash, CrashRecord? before, int allowed, RunConfig config, int? ranksLeft)
    {
        if (before is not null && crash.Step <= before.Step && (crash.Checkpoint ?? -1) <= (before.Checkpoint ?? -1))
        {
            return crash with
            {
                Reason = FormattableString.Invariant(
                    $"it crashed at step {before.Step} before and has not got further since, nor saved; look at what it said, and start it by hand"),
            };
        }
        if (crash.Crash > allowed)
        {
            return crash with { Reason = FormattableString.Invariant($"--restart {allowed} allows no more") };
        }

        var most = Math.Min(crash.Ranks, ranksLeft ?? crash.Ranks);
        return FittingRanks(config, most) is { } ranks
            ? crash with { NextRanks = ranks }
            : crash with { Reason = FormattableString.Invariant($"{config.Parallel.Degrees} needs more than {most} rank(s)") };
    }

    /// <summary>Pause before the n-th restart: a second, then twice as long each time, to a minute at most.</summary>
    public static int PauseSeconds(int crash) => crash > 6 ? LongestPauseSeconds : 1 << (crash - 1);

    /// <summary>The largest number of ranks up to <paramref name="most"/> that the layout and the batch allow; null when there is none.</summary>
    public static int? FittingRanks(RunConfig config, int most)
    {
        var copy = Math.Max(1, config.Parallel.RanksPerSample);
        for (var ranks = most / copy * copy; ranks > 0; ranks -= copy)
        {
            try
            {
                RunConfigRules.Check(config, (int)ranks);
                return (int)ranks;
            }
            catch (ConfigException)
            {
                // The global batch cannot be divided among them.
            }
        }
        return null;
    }
}
