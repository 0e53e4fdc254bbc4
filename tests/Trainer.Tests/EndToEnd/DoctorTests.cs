using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>kvshift doctor, alone and on two ranks.</summary>
public sealed class DoctorTests
{
    [Fact]
    public void OneProcessTellsOfItsMachine()
    {
        using var folder = new TemporaryFolder();

        var output = ProgramRun.Execute(ExitCode.Done, "doctor", "--directory", folder.PathOf("runs")).Output;

        Assert.All((string[])["program", "processors", "memory", "libtorch", "libkvshift", "Open MPI", "MPICH", "matrix product", "run folder"],
            subject => Assert.Contains($"ok {subject.PadRight(22)}", output));
        Assert.Contains("1 on 1 machine", output);
        Assert.DoesNotContain("all_reduce", output);
        Assert.Empty(Directory.GetFiles(folder.PathOf("runs")));
    }

    [Fact]
    public void TwoRanksMeasureWhatIsBetweenThem()
    {
        using var folder = new TemporaryFolder();

        var output = MpiRun.Execute(2, ProgramRun.KvShift, ["doctor", "--directory", folder.Path]);

        Assert.Contains("2 on 1 machine", output);
        Assert.Contains("seen by all ranks after", output);
        Assert.Matches(@"all_reduce +16 MiB over all ranks in [0-9.]+ ms", output);
        Assert.Matches(@"links in a machine +slowest of 1: .*rank 0 on .* and rank 1 on ", output);
    }

    [Fact]
    public void ARankThatSeesAnotherFolderIsNamed()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.PathOf("0"));
        Directory.CreateDirectory(folder.PathOf("1"));
        using var run = ProgramRun.StartFile(MpiRun.Launcher.Program, [.. MpiRun.Launcher.Arguments(2), "bash", "-c",
            "cd \"$0/${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\" && exec dotnet \"$1\" doctor --visibility-seconds 0.5", folder.Path, ProgramRun.KvShift]);
        run.WaitForEnd();

        Assert.NotEqual(ExitCode.Done, run.ExitCode);
        Assert.Matches(@"!! run folder +.*0/runs: a file that rank 0 wrote is not seen by rank 1 after 0\.5 s", run.Output);
        Assert.Contains("-> put run.directory on a file system that all machines see", run.Output);
    }

    [Fact]
    public void AFolderThatCannotBeMadeIsAFindingWithARemedy()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("file"), "");
        using var run = ProgramRun.Start("doctor", "--directory", folder.PathOf("file", "runs"));
        run.WaitFor(ExitCode.Failed);

        Assert.Matches("!! run folder +.*file/runs cannot be written", run.Output);
    }

    [Fact]
    public void AFaultOfALibraryHasARemedyAndACode()
    {
        using var run = ProgramRun.StartFile("env", ["KVSHIFT_LIBTORCH=/nowhere", "dotnet", ProgramRun.KvShift, "doctor"]);
        run.WaitFor(ExitCode.Failed);

        Assert.Matches(@"!! libtorch +found no libtorch_cpu.so in /nowhere", run.Output);
        Assert.Contains("-> ./launch/setup", run.Output);
    }
}
