using System.Globalization;
using KvShiftScale.Core;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Trainer.Launch;

/// <summary>What the launcher told this process through its environment.</summary>
/// <param name="LaunchedByMpi">mpirun or srun started the process as one of several ranks.</param>
/// <param name="Rank">The process's number among them; 0 when it runs alone.</param>
/// <param name="Told">The place that the launcher has told; null where it told none.</param>
/// <param name="LaunchName">What the script that started the launch calls it; null where there is none, or none that would start it again.</param>
internal sealed record RankEnvironment(bool LaunchedByMpi, int Rank, LaunchPlace? Told, string? LaunchName = null)
{
    // Open MPI, MPICH's Hydra and Slurm's PMI-2, PMIx under Slurm. An mpirun may have been started by a step of Slurm's, and Slurm's variables are
    // of that one then, so they come last.
    private static readonly (string Rank, string? Size)[] Places =
        [("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"), ("PMIX_RANK", null)];

    private const string SlurmRank = "SLURM_PROCID";

    // Set by the scripts in launch.
    private const string LaunchVariable = "KVSHIFT_LAUNCH";

    // Set by launch/mpirun where it writes to a terminal.
    private const string PanelVariable = "KVSHIFT_PANEL";

    /// <summary>Somebody may sit at this process's terminal. A launcher gives ranks one also where it writes to a file.</summary>
    public bool IsWatched { get; private init; } = true;

    /// <summary>Reads the variables that the known launchers set.</summary>
    /// <param name="variable">Value of an environment variable, or null.</param>
    public static RankEnvironment Read(Func<string, string?> variable)
    {
        var name = variable(LaunchVariable) is { Length: > 0 } given ? given : null;
        foreach (var (rankName, sizeName) in Places)
        {
            if (Number(rankName) is not { } rank)
            {
                continue;
            }
            // PMIx tells no size, but srun does where it is the one that has given the rank.
            var size = sizeName ?? (Number(SlurmRank) == rank ? LaunchPlace.StepSize : null);
            return new RankEnvironment(true, rank, new LaunchPlace(rankName, rank, size, size is null ? null : Number(size)), name)
            {
                IsWatched = variable(PanelVariable) is { Length: > 0 },
            };
        }
        // A batch script is task 0 of a step without a number of tasks; only srun sets that.
        return new RankEnvironment(false, 0, Number(SlurmRank) is { } task && Number(LaunchPlace.StepSize) is > 1 and var tasks
            ? new LaunchPlace(SlurmRank, task, LaunchPlace.StepSize, tasks) : null, name);

        int? Number(string of)
            => int.TryParse(variable(of), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    /// <summary>
    /// Loads the MPI of the launch, where there is one. Every verb whose ranks work together does so before anything else that they do together.
    /// </summary>
    /// <exception cref="KvShiftLibraryException">There is none for it, or it does not fit the launcher or what was built.</exception>
    public void LoadMpi()
    {
        if (LaunchedByMpi)
        {
            MpiLibrary.Load(Environment.GetEnvironmentVariable);
        }
    }

    /// <summary>The launcher for ranks of this machine: of the MPI that the environment names, else the first that there is.</summary>
    /// <exception cref="KvShiftLibraryException">There is none.</exception>
    public static MpiLauncher FindLauncher() => MpiLauncher.Find(MpiLibrary.Named(Environment.GetEnvironmentVariable(MpiLibrary.Variable)));

    /// <summary>
    /// Refuses a launch whose processes MPI does not bring together as the launcher has started them: each would train the whole run alone, and
    /// all of them in one folder.
    /// </summary>
    /// <exception cref="UsageException">MPI has another rank or size for this process.</exception>
    public void RequireWorld(ProcessGroup world)
    {
        if (Told?.DifferenceFrom(world.Rank, world.Size) is { } difference)
        {
            throw new UsageException(difference);
        }
    }
}
