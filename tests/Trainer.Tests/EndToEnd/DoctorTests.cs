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

        var output = MpiRun.Execute(2, "kvshift.dll", ["doctor", "--directory", folder.Path]);

        Assert.Contains("2 on 1 machine", output);
        Assert.Contains("seen by all ranks after", output);
        Assert.Matches(@"all_reduce +16 MiB over all ranks in [0-9.]+ ms", output);
        Assert.Matches(@"links in a machine +slowest of 1: .*rank 0 on .* and rank 1 on ", output);
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
