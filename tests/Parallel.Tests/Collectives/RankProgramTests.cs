using KvShiftScale.Testing;

namespace KvShiftScale.Parallel.Tests.Collectives;

/// <summary>
/// Scenarios of tests/RankProgram under mpirun; the expectations are in the scenarios, the output tells which was not met.
/// </summary>
public sealed class RankProgramTests
{
    private const string Program = "KvShiftScale.RankProgram.dll";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Collectives_of_every_kind_and_type_give_the_expected_elements(int ranks)
        => MpiRun.Execute(ranks, Program, ["collectives"]);

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void A_mesh_with_tensor_degree_2_has_the_expected_groups(int ranks) => MpiRun.Execute(ranks, Program, ["mesh"]);

    [Fact]
    public void An_impossible_mesh_is_refused_on_every_rank() => MpiRun.Execute(2, Program, ["refused-layout"]);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Members_of_MPI_NET_do_what_they_say(int ranks) => MpiRun.Execute(ranks, Program, ["mpi.net"]);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Global_batches_of_several_ranks_are_those_of_one(int ranks) => MpiRun.Execute(ranks, Program, ["loader"]);

    [Fact]
    public void A_mismatch_becomes_an_exception_with_rank_operation_count_and_type() => MpiRun.Execute(2, Program, ["mismatch"]);

    [Fact]
    public void The_ledger_has_what_ranks_called() => MpiRun.Execute(2, Program, ["ledger"]);

    [Fact]
    public void Ranks_that_compare_their_collectives_name_the_one_that_differs() => MpiRun.Execute(3, Program, ["checked-collectives"]);

    [Fact]
    public void Abort_ends_ranks_that_wait() => MpiRun.Execute(3, Program, ["abort"], exitCode: 3);

    [Fact]
    public void A_failing_rank_is_reported_with_its_text()
        => Assert.Contains("Pass one of: collectives", MpiRun.Execute(2, Program, ["no such scenario"], exitCode: 2));
}
