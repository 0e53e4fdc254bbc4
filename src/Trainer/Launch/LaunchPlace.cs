namespace KvShiftScale.Trainer.Launch;

/// <summary>The place of this process in its launch, as the launcher has told it.</summary>
/// <param name="RankVariable">Environment variable of the rank.</param>
/// <param name="Rank">The rank.</param>
/// <param name="SizeVariable">Environment variable of the number of ranks; null where the launcher has none.</param>
/// <param name="Size">The number of ranks; null where it was not told.</param>
internal sealed record LaunchPlace(string RankVariable, int Rank, string? SizeVariable, int? Size)
{
    /// <summary>Slurm's variable of the number of tasks of a step. A job of several parts has a step in each, so that MPI may know of more.</summary>
    public const string StepSize = "SLURM_STEP_NUM_TASKS";

    /// <summary>What is wrong with the place that MPI has for the process, and what to do; null when it is the same.</summary>
    public string? DifferenceFrom(int rank, int size)
    {
        if (rank == Rank && (Size is null || size == Size || (size > 1 && SizeVariable == StepSize)))
        {
            return null;
        }

        var told = FormattableString.Invariant($"{RankVariable}={Rank}") + (Size is { } ranks ? FormattableString.Invariant($" and {SizeVariable}={ranks}") : "");
        return FormattableString.Invariant($"found rank {rank} of {size} where the launcher says {told}; wanted one launch of all its processes, not each of them alone: ")
            + "start them with the mpirun of the MPI that kvshift loads, or with srun and the PMI that this MPI speaks (docs/mpi.md); to train in one process on purpose, "
            + $"unset {RankVariable}";
    }
}
