using KvShiftScale.Parallel.Native;
using KvShiftScale.Testing;

namespace KvShiftScale.Parallel.Tests.Collectives;

/// <summary>
/// Scenarios of tests/RankProgram under mpirun; the expectations are in the scenarios, the output tells which was not met.
/// </summary>
public sealed class RankProgramTests
{
    private const string Program = "KvShiftScale.RankProgram.dll";

    [Theory]
    [InlineData(MpiFlavor.OpenMpi, 1)]
    [InlineData(MpiFlavor.OpenMpi, 2)]
    [InlineData(MpiFlavor.OpenMpi, 3)]
    [InlineData(MpiFlavor.OpenMpi, 4)]
    [InlineData(MpiFlavor.Mpich, 1)]
    [InlineData(MpiFlavor.Mpich, 2)]
    [InlineData(MpiFlavor.Mpich, 3)]
    public void Collectives_of_every_kind_and_type_give_the_expected_elements(MpiFlavor mpi, int ranks)
        => MpiRun.Execute(ranks, Program, ["collectives"], mpi: mpi);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi, 2)]
    [InlineData(MpiFlavor.OpenMpi, 4)]
    [InlineData(MpiFlavor.Mpich, 2)]
    [InlineData(MpiFlavor.Mpich, 4)]
    public void A_mesh_with_tensor_degree_2_has_the_expected_groups(MpiFlavor mpi, int ranks) => MpiRun.Execute(ranks, Program, ["mesh"], mpi: mpi);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi)]
    [InlineData(MpiFlavor.Mpich)]
    public void A_mesh_with_another_axis_has_groups_along_each(MpiFlavor mpi) => MpiRun.Execute(4, Program, ["another-axis"], mpi: mpi);

    [Fact]
    public void An_impossible_mesh_is_refused_on_every_rank() => MpiRun.Execute(2, Program, ["refused-layout"]);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi, 1)]
    [InlineData(MpiFlavor.OpenMpi, 3)]
    [InlineData(MpiFlavor.Mpich, 1)]
    [InlineData(MpiFlavor.Mpich, 3)]
    public void Members_of_MPI_NET_do_what_they_say(MpiFlavor mpi, int ranks)
    {
        var output = MpiRun.Execute(ranks, Program, ["mpi.net"], mpi: mpi);
        // MPI has nothing to say of what is left of it at its end.
        Assert.DoesNotContain("WARNING", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(MpiFlavor.OpenMpi)]
    [InlineData(MpiFlavor.Mpich)]
    public void A_function_that_MPI_NET_does_not_find_is_named(MpiFlavor mpi) => MpiRun.Execute(2, Program, ["mpi.net-missing"], mpi: mpi);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi, "mpich", "found KVSHIFT_MPI=mpich in a launch by Open MPI (OMPI_COMM_WORLD_RANK=")]
    [InlineData(MpiFlavor.Mpich, "openmpi", "found KVSHIFT_MPI=openmpi in a launch by MPICH (PMI_RANK=")]
    [InlineData(MpiFlavor.Mpich, "hydra", "found KVSHIFT_MPI=hydra; wanted openmpi or mpich")]
    public void Another_MPI_than_the_launchers_is_refused(MpiFlavor mpi, string named, string message)
    {
        var output = MpiRun.Execute(2, Program, ["mpi.net"], exitCode: 2, mpi: mpi, variables: new Dictionary<string, string> { [MpiLibrary.Variable] = named });
        Assert.Contains(message, output, StringComparison.Ordinal);
    }

    // Open MPI's library under the file name of MPICH's.
    [Fact]
    public void Another_MPI_than_was_built_against_is_refused_by_its_name()
    {
        var folder = Directory.CreateTempSubdirectory("kvshift-mpi-").FullName;
        File.CreateSymbolicLink(Path.Combine(folder, Needed(MpiFlavor.Mpich, "libmpi").Name), Needed(MpiFlavor.OpenMpi, "libmpi.so").Path);

        var output = MpiRun.Execute(2, Program, ["mpi.net"], exitCode: 2, mpi: MpiFlavor.Mpich, variables: new Dictionary<string, string> { ["LD_LIBRARY_PATH"] = folder });

        Assert.Contains("found 'Open MPI v", output, StringComparison.Ordinal);
        Assert.Contains("wanted MPICH, which it was built against: run launch/setup", output, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Global_batches_of_several_ranks_are_those_of_one(int ranks) => MpiRun.Execute(ranks, Program, ["loader"]);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi)]
    [InlineData(MpiFlavor.Mpich)]
    public void A_mismatch_becomes_an_exception_with_rank_operation_count_and_type(MpiFlavor mpi) => MpiRun.Execute(2, Program, ["mismatch"], mpi: mpi);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi, 2)]
    [InlineData(MpiFlavor.OpenMpi, 3)]
    [InlineData(MpiFlavor.OpenMpi, 4)]
    [InlineData(MpiFlavor.Mpich, 2)]
    [InlineData(MpiFlavor.Mpich, 3)]
    public void Messages_of_two_ranks_arrive_and_those_that_nobody_wants_are_named(MpiFlavor mpi, int ranks)
        => MpiRun.Execute(ranks, Program, ["messages"], mpi: mpi);

    [Fact]
    public void Ranks_that_compare_their_collectives_let_messages_of_others_be() => MpiRun.Execute(3, Program, ["messages-checked"]);

    // The launcher ends who waits for it, with the signal's number or the shell's for it.
    [Theory]
    [InlineData(MpiFlavor.OpenMpi, 137)]
    [InlineData(MpiFlavor.Mpich, 9)]
    public void A_rank_whose_message_is_waited_for_and_that_dies_ends_the_launch(MpiFlavor mpi, int exitCode)
        => MpiRun.Execute(3, Program, ["message-death"], exitCode, mpi: mpi);

    [Fact]
    public void The_ledger_has_what_ranks_called() => MpiRun.Execute(2, Program, ["ledger"]);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi)]
    [InlineData(MpiFlavor.Mpich)]
    public void Ranks_that_compare_their_collectives_name_the_one_that_differs(MpiFlavor mpi) => MpiRun.Execute(3, Program, ["checked-collectives"], mpi: mpi);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi)]
    [InlineData(MpiFlavor.Mpich)]
    public void Abort_ends_ranks_that_wait(MpiFlavor mpi) => MpiRun.Execute(3, Program, ["abort"], exitCode: 3, mpi: mpi);

    [Theory]
    [InlineData(MpiFlavor.OpenMpi)]
    [InlineData(MpiFlavor.Mpich)]
    public void A_failing_rank_is_reported_with_its_text(MpiFlavor mpi)
        => Assert.Contains("Pass one of: collectives", MpiRun.Execute(2, Program, ["no such scenario"], exitCode: 2, mpi: mpi));

    // The library of an MPI that the collectives built against it need.
    private static (string Name, string Path) Needed(MpiFlavor mpi, string name)
    {
        var collectives = Path.Combine(KvShiftLibrary.Folder, mpi.Key, "libkvshift_collectives.so");
        using var ldd = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("ldd", collectives) { RedirectStandardOutput = true })!;
        var line = ldd.StandardOutput.ReadToEnd().Split('\n').Select(line => line.Trim()).First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ');
        return (line[0], line[2]);
    }
}
