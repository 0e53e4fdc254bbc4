using System.Globalization;

namespace KvShiftScale.Trainer.Launch;

/// <summary>What the launcher told this process through its environment.</summary>
/// <param name="LaunchedByMpi">mpirun or srun started the process as one of several ranks.</param>
/// <param name="Rank">The process's number among them; 0 when it runs alone.</param>
/// <param name="LocalRanks">Ranks on this machine.</param>
internal sealed record RankEnvironment(bool LaunchedByMpi, int Rank, int LocalRanks)
{
    // Open MPI, MPICH's Hydra, PMIx under Slurm.
    private static readonly string[] s_rankVariables = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"];
    private static readonly string[] s_localSizeVariables = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"];

    /// <summary>Reads the variables that the known launchers set.</summary>
    /// <param name="variable">Value of an environment variable, or null.</param>
    public static RankEnvironment Read(Func<string, string?> variable)
    {
        var rank = First(s_rankVariables);
        return new RankEnvironment(rank is not null, rank ?? 0, Math.Max(1, First(s_localSizeVariables) ?? 1));

        int? First(string[] names)
        {
            foreach (var name in names)
            {
                if (int.TryParse(variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value)) return value;
            }
            return null;
        }
    }

    /// <summary>Compute threads of one rank: as configured, or the machine's cores divided among its ranks.</summary>
    public int ThreadsPerRank(int configured, int cores) => configured > 0 ? configured : Math.Max(1, cores / LocalRanks);
}
