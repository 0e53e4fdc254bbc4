using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Tests.Launch;

public sealed class RankEnvironmentTests
{
    [Theory]
    // mpirun of Open MPI, beside what it leaves of a step of Slurm's that it was started by.
    [InlineData("OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=4 PMIX_RANK=3 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2", true, 3, 3, 4)]
    // MPICH, and srun with PMI-2.
    [InlineData("PMI_RANK=1 PMI_SIZE=2", true, 1, 1, 2)]
    // srun --mpi=pmix.
    [InlineData("PMIX_RANK=5 SLURM_PROCID=5 SLURM_STEP_NUM_TASKS=8", true, 5, 5, 8)]
    [InlineData("PMIX_RANK=5 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2", true, 5, 5, null)]
    // srun without MPI.
    [InlineData("SLURM_PROCID=5 SLURM_STEP_NUM_TASKS=8", false, 0, 5, 8)]
    public void ThePlaceThatALauncherTellsIsKnown(string variables, bool launchedByMpi, int rank, int toldRank, int? toldSize)
    {
        var launch = Read(variables);

        Assert.Equal((launchedByMpi, rank), (launch.LaunchedByMpi, launch.Rank));
        Assert.Equal((toldRank, toldSize), (launch.Told!.Rank, launch.Told.Size));
    }

    [Theory]
    [InlineData("")]
    // A batch script, and one task of an interactive step.
    [InlineData("SLURM_PROCID=0 SLURM_NTASKS=8 SLURM_NPROCS=8 SLURM_NTASKS_PER_NODE=4 SLURM_TASKS_PER_NODE=4(x2) SLURM_JOB_ID=7")]
    [InlineData("SLURM_PROCID=0 SLURM_NTASKS=8 SLURM_STEP_NUM_TASKS=1 SLURM_STEP_ID=0")]
    public void AProcessOfItsOwnIsToldNothing(string variables) => Assert.Equal(new RankEnvironment(false, 0, null), Read(variables));

    [Theory]
    [InlineData(1, 2, 1, 2, false)]
    [InlineData(1, 2, 0, 1, true)]
    [InlineData(0, 2, 0, 1, true)]
    [InlineData(1, 4, 2, 4, true)]
    [InlineData(0, null, 0, 8, false)]
    [InlineData(1, null, 0, 1, true)]
    public void APlaceThatMpiDoesNotHaveIsRefused(int toldRank, int? toldSize, int rank, int size, bool isRefused)
        => Assert.Equal(isRefused, new LaunchPlace("PMI_RANK", toldRank, "PMI_SIZE", toldSize).DifferenceFrom(rank, size) is not null);

    [Theory]
    [InlineData(0, 1, true)]
    [InlineData(0, 8, false)]
    [InlineData(0, 16, false)]
    public void AStepMayBePartOfALargerLaunchButIsNoneOfOne(int rank, int size, bool isRefused)
        => Assert.Equal(isRefused, new LaunchPlace("PMIX_RANK", 0, LaunchPlace.StepSize, 8).DifferenceFrom(rank, size) is not null);

    private static RankEnvironment Read(string variables)
    {
        var values = variables.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => text.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
        return RankEnvironment.Read(name => values.GetValueOrDefault(name));
    }
}
