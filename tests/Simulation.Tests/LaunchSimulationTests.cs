using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Simulation.Tests;

/// <summary>Clocks, waiting and standstills of launches of a few ranks, written by hand.</summary>
public sealed class LaunchSimulationTests
{
    private static readonly LaunchGroups Pair = new(MeshLayout.Create(2, new ParallelConfig()));
    private static readonly LaunchGroups Stages = new(MeshLayout.Create(2, new ParallelConfig { Pipeline = 2 }));

    [Fact]
    public void ACollectiveEndsWhenTheLastRankHasComeAndTheTransferIsOver()
    {
        var result = Run(Pair, [[Compute(1), Sum(5)], [Compute(3), Sum(5)]]);

        Assert.Equal(8, result.StepSeconds, 1e-12);
        // The first waits for two seconds.
        Assert.Equal((2, 5, 1), (result.ComputeSeconds, result.TransferSeconds, result.LateSeconds));
    }

    [Theory]
    [InlineData(1, 1, 4)]
    [InlineData(6, 1, 6)]
    [InlineData(1, 0.5, 4)]
    [InlineData(6, 0.5, 8)]
    [InlineData(6, 0, 10)]
    public void WhatGoesOnBesideIsWaitedForAsFarAsComputationDoesNotHideIt(double computed, double overlapShare, double seconds)
    {
        Operation[] step = [Start, Compute(computed), Wait];
        var program = new RankProgram(step, [[Sum(4, Pair.Beside(Pair.World))]]);

        var result = new LaunchSimulation(Pair, [program, program], new SimulationRules(overlapShare), Stragglers.None).Run(3);

        Assert.Equal(seconds, result.StepSeconds, 1e-12);
    }

    [Fact]
    public void TasksGoOneAfterTheOtherBesideTheComputation()
    {
        var group = Pair.Beside(Pair.World);
        var program = new RankProgram([Start, Start with { Task = 1 }, Compute(1), Wait with { Task = 1 }, Wait], [[Sum(4, group)], [Sum(2, group)]]);

        Assert.Equal(6, new LaunchSimulation(Pair, [program, program], new SimulationRules(1), Stragglers.None).Run(2).StepSeconds, 1e-12);
    }

    [Fact]
    public void ASendWaitsForItsReceiver()
    {
        var result = Run(Stages, [[Send(1, 7), Compute(1)], [Compute(2), Receive(0, 7)]]);
        // The receiver computes for two seconds and takes half of one; the sender's second lies in its wait.
        Assert.Equal(2.5, result.StepSeconds, 1e-12);
    }

    // Both send first: only messages that go without their receiver come through.
    [Fact]
    public void RanksThatBothSendFirstStandStillUnlessMessagesAreSmall()
    {
        Operation[][] steps = [[Send(1, 7), Receive(1, 7)], [Send(0, 7), Receive(0, 7)]];

        var found = Assert.Throws<StandstillException>(() => Run(Stages, steps));

        Assert.Contains("2 ranks wait for others, these for each other: rank 0 for 1 for 0", found.Message, StringComparison.Ordinal);
        Assert.Contains("rank 0 (pipeline 0, data 0, context 0, tensor 0) waits in send of 7 float32 to its rank 1 #1 in pipeline [0 to 1]", found.Message, StringComparison.Ordinal);
        Run(Stages, steps, eagerBytes: 28);
    }

    [Fact]
    public void ARankThatLeavesACollectiveOutIsNamed()
    {
        var found = Assert.Throws<StandstillException>(() => Run(Pair, [[Sum(1), Compute(1)], [Compute(1)]]));

        Assert.Contains("waits in all_reduce of 1 float32 (sum) #1 in world [0 1]", found.Message, StringComparison.Ordinal);
        Assert.Contains("for rank 1", found.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RanksThatComeToDifferentCollectivesAreToldAsInALaunch()
    {
        var other = Sum(1) with { Call = Sum(1).Call with { Count = 2 } };
        var found = Assert.Throws<CollectiveMismatchException>(() => Run(Pair, [[Sum(1)], [other]]));

        Assert.StartsWith("ranks of the group world [0 1] have come to different collectives: rank 1 is at all_reduce of 2 float32 (sum) #1", found.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AMessageThatItsReceiverHasNoRoomForIsNamed()
    {
        var found = Assert.Throws<MessageMismatchException>(() => Run(Stages, [[Send(1, 7)], [Receive(0, 8)]]));
        Assert.Contains("rank 0 has sent in pipeline [0 1]: send of 7 float32", found.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SlowRanksTakeAsMuchLongerAndTheSeedDecides()
    {
        Operation[][] steps = [[Compute(1)], [Compute(1)]];
        var all = new Stragglers(Seed: 3, Fraction: 1, Slowdown: 2, Jitter: 0);
        Assert.Equal(2, Run(Pair, steps, all).StepSeconds, 1e-12);

        var some = all with { Fraction = 0.25, Jitter = 0.1 };
        Assert.Equal(Run(Pair, steps, some), Run(Pair, steps, some));
        Assert.NotEqual(Run(Pair, steps, some), Run(Pair, steps, some with { Seed = 4 }));
        Assert.InRange(Enumerable.Range(0, 10_000).Count(some.IsSlow), 2300, 2700);
        Assert.InRange(Enumerable.Range(0, 10_000).Average(number => (some with { Fraction = 0 }).Factor(5, number)), 1.095, 1.105);
    }

    private static SimulationResult Run(LaunchGroups groups, Operation[][] steps, Stragglers? stragglers = null, long eagerBytes = 0)
        => new LaunchSimulation(groups, [.. steps.Select(step => new RankProgram(step, []))], new SimulationRules(1, eagerBytes), stragglers ?? Stragglers.None).Run(2);

    private static Operation Start => new(OperationKind.Start, 0);

    private static Operation Wait => new(OperationKind.Wait, 0);

    private static Operation Compute(double seconds) => new(OperationKind.Compute, seconds);

    private static Operation Sum(double seconds, int? group = null) => new(OperationKind.Collective, seconds)
    {
        Group = group ?? Pair.World,
        Call = new CollectiveCall(CollectiveOperation.AllReduce, CollectiveDataType.Float32, 1, (int)ReduceOperation.Sum, "here", 1),
    };

    private static Operation Send(int receiver, long count) => Message(OperationKind.Send, CollectiveOperation.Send, receiver, count);

    private static Operation Receive(int sender, long count) => Message(OperationKind.Receive, CollectiveOperation.Receive, sender, count);

    private static Operation Message(OperationKind kind, CollectiveOperation operation, int peer, long count) => new(kind, 0.5)
    {
        Group = Stages.Pipeline,
        Call = new CollectiveCall(operation, CollectiveDataType.Float32, count, peer, "here", 1),
        ByteCount = 4 * count,
    };
}
