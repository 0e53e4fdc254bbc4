using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Signals;

namespace KvShiftScale.Trainer.Training;

/// <summary>A run as one rank of a launch sees it: what is wanted, where it lies, who takes part and who is told.</summary>
/// <param name="Config">The run's configuration.</param>
/// <param name="Ranks">The ranks of the launch.</param>
/// <param name="Reporter">Where news go.</param>
/// <param name="Stop">Signals to this rank.</param>
internal sealed record LaunchedRun(RunConfig Config, ParallelContext Ranks, IRunReporter Reporter, StopSignal Stop)
{
    /// <summary>The run's folder.</summary>
    public RunFolder Folder { get; } = new(Config);

    /// <summary>What the script that started the launch calls it; null where there is none.</summary>
    public string? LaunchName { get; init; }

    /// <summary>How shards are read.</summary>
    public ReadAccess Access { get; } = new() { Retries = Config.Data.ReadRetries, Notice = Reporter.Warn };

    /// <summary>This rank speaks for all, and writes what is written once.</summary>
    public bool IsFirstRank => Ranks.World.Rank == 0;

    /// <summary>The part of each batch that this rank computes.</summary>
    public DataShare Share => new(Ranks.Data.Rank, Ranks.Data.Size);

    /// <summary>Whether a signal to any rank asks all to stop. Collective.</summary>
    public bool AgreeToStop() => Stop.AgreeToStop(Ranks.World);
}
