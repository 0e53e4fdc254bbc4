using KvShiftScale.Trainer.Liveness;

namespace KvShiftScale.Trainer.Tests.Liveness;

public sealed class StallAnalysisTests
{
    private const string World = "world [0 1 2 3]";

    [Fact]
    public void ARankThatIsInNoCollectiveIsLateAndTheOthersWaitForIt()
    {
        RankView[] ranks = [Waiting(0, 7), Waiting(1, 7), Busy(2, begun: 6), Waiting(3, 7)];

        Assert.True(StallAnalysis.IsStalled(ranks));
        var late = Assert.Single(StallAnalysis.LateOf(ranks));
        Assert.Equal(2, late.View.Rank);
        Assert.Equal("it is in no collective, and has not come to all_reduce of 8 float32 (sum) #7 in world [0 1 2 3] at src/A.cs:1, in which rank 0, 1, 3 waits",
            late.Reason);
    }

    [Fact]
    public void ARankThatGetsOnIsNotLateHoweverLongTheOthersWait()
    {
        RankView[] ranks = [Waiting(0, 7), Waiting(1, 7), Busy(2, begun: 6, overdue: false), Waiting(3, 7)];

        Assert.False(StallAnalysis.IsStalled(ranks));
    }

    [Fact]
    public void ASilentRankIsLateWhateverItsLastHeartbeatSaid()
    {
        RankView[] ranks = [Waiting(0, 7), Busy(1, begun: 6, overdue: false) with { IsSilent = true, SilentSeconds = 12 }];

        Assert.True(StallAnalysis.IsStalled(ranks));
        var late = Assert.Single(StallAnalysis.LateOf(ranks));
        Assert.Equal(1, late.View.Rank);
        Assert.StartsWith("its heartbeat stopped 12 s ago", late.Reason);
    }

    [Fact]
    public void OfRanksInDifferentCollectivesOfOneNumberTheOddOneIsLate()
    {
        RankView[] ranks = [Waiting(0, 7), Waiting(1, 7, "barrier"), Waiting(2, 7), Waiting(3, 7)];

        Assert.True(StallAnalysis.IsStalled(ranks));
        var late = Assert.Single(StallAnalysis.LateOf(ranks));
        Assert.Equal(1, late.View.Rank);
        Assert.Equal("it called barrier #7 in world [0 1 2 3] at src/A.cs:1 instead of all_reduce of 8 float32 (sum) #7 in world [0 1 2 3] at src/A.cs:1, "
            + "where rank 0, 2, 3 is", late.Reason);
    }

    // Its wrong collective is behind it: what it remembers tells.
    [Fact]
    public void AMismatchThatIsOverIsFoundInTheLedgers()
    {
        var right = Collective(6, "all_reduce of 8 float32 (sum)", "ended");
        RankView[] ranks = [Waiting(0, 7, before: right), Waiting(1, 7, before: Collective(6, "broadcast of 2 int32 from its rank 1", "ended")), Waiting(2, 7, before: right)];

        Assert.Equal(1, Assert.Single(StallAnalysis.LateOf(ranks)).View.Rank);
    }

    [Fact]
    public void OfTwoThatDifferNeitherIsRight()
    {
        RankView[] ranks = [Waiting(0, 7), Waiting(1, 7, "barrier")];

        Assert.Equal([0, 1], StallAnalysis.LateOf(ranks).Select(late => late.View.Rank));
    }

    [Fact]
    public void WhereAllAreInTheSameCollectiveNobodyIsLate()
    {
        RankView[] ranks = [Waiting(0, 7), Waiting(1, 7)];

        Assert.True(StallAnalysis.IsStalled(ranks));
        Assert.Empty(StallAnalysis.LateOf(ranks));
    }

    // 0 and 1 wait for 2 in their group of a tensor; 2 is stuck; 3 waits in the world.
    [Fact]
    public void OfAChainOfWaitersTheLastIsLate()
    {
        var tensor = new HeartbeatCollective("tensor [2 3]", [2, 3], 4, "barrier", "src/B.cs:2", "running", 9);
        RankView[] ranks = [Waiting(0, 7), Waiting(1, 7), Busy(2, begun: 6), View(3, overdue: true, begun: 6, tensor)];

        Assert.Equal(2, Assert.Single(StallAnalysis.LateOf(ranks)).View.Rank);
    }

    // 1 is in a group of its own making, in which the others are not, and they are where it should be.
    [Fact]
    public void OfRanksThatWaitForEachOtherTheOddOneIsLate()
    {
        var beside = new HeartbeatCollective("beside [0 1 2 3]", [0, 1, 2, 3], 3, "barrier", "src/B.cs:2", HeartbeatCollective.RunningState, 9);
        RankView[] ranks = [Waiting(0, 7), View(1, overdue: true, begun: 6, beside), Waiting(2, 7), Waiting(3, 7)];

        Assert.True(StallAnalysis.IsStalled(ranks));
        var late = Assert.Single(StallAnalysis.LateOf(ranks));
        Assert.Equal(1, late.View.Rank);
        Assert.Equal("it is in barrier #3 in beside [0 1 2 3] at src/B.cs:2, and has not come to all_reduce of 8 float32 (sum) #7 in world [0 1 2 3] at src/A.cs:1, "
            + "in which rank 0, 2, 3 waits", late.Reason);
    }

    // A pipeline: 0 waits for what 1 sends, which is at its third message while 0 wants a fourth; that both call different things is as it should be.
    [Fact]
    public void ARankWhoseMessageIsWaitedForIsLate()
    {
        const string Messages = "world [1 to 0]";
        var sent = new HeartbeatCollective(Messages, [1, 0], 3, "send of 8 float32 to its rank 0", "src/C.cs:3", "ended", 9, IsMessage: true);
        var received = new HeartbeatCollective(Messages, [1, 0], 3, "receive of 8 float32 from its rank 1", "src/C.cs:4", "ended", 9, IsMessage: true);
        var waiting = received with { Sequence = 4, State = HeartbeatCollective.RunningState };
        RankView[] ranks = [WithMessages(0, 4, received, waiting), WithMessages(1, 3, sent)];

        Assert.True(StallAnalysis.IsStalled(ranks));
        var late = Assert.Single(StallAnalysis.LateOf(ranks));
        Assert.Equal(1, late.View.Rank);
        Assert.Equal("it is in no collective, and has not come to receive of 8 float32 from its rank 1 #4 in world [1 to 0] at src/C.cs:4, in which rank 0 waits", late.Reason);

        RankView WithMessages(int rank, long begun, params HeartbeatCollective[] messages)
        {
            var view = View(rank, overdue: true, begun: 6, messages);
            return view with { Heartbeat = view.Heartbeat with { Positions = [.. view.Heartbeat.Positions, new HeartbeatPosition(Messages, begun, begun)] } };
        }
    }

    private static RankView Waiting(int rank, long sequence, string call = "all_reduce of 8 float32 (sum)", HeartbeatCollective? before = null)
    {
        var running = Collective(sequence, call, HeartbeatCollective.RunningState);
        return before is null ? View(rank, overdue: true, sequence, running) : View(rank, overdue: true, sequence, before, running);
    }

    private static RankView Busy(int rank, long begun, bool overdue = true) => View(rank, overdue, begun, Collective(begun, "barrier", "ended"));

    private static HeartbeatCollective Collective(long sequence, string call, string state) => new(World, [0, 1, 2, 3], sequence, call, "src/A.cs:1", state, 9);

    private static RankView View(int rank, bool overdue, long begun, params HeartbeatCollective[] collectives)
        => new(new Heartbeat("launch", rank, "here", 100 + rank, "forward", 5, 9, overdue, [new HeartbeatPosition(World, begun, begun - 1)], collectives), 0, false);
}
