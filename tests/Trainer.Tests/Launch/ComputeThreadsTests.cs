using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Tests.Launch;

public sealed class ComputeThreadsTests
{
    [Fact]
    public void RanksWithoutProcessorsOfTheirOwnShareThem()
    {
        var ranks = Ranks(("a", "0-63"), ("a", "0-63"), ("a", "0-63"), ("a", "0-63"), ("b", "0-63"), ("b", "0-63"), ("b", "0-63"));

        Assert.Equal([16, 16, 16, 16, 21, 21, 21], Shares(64, ranks));
    }

    [Fact]
    public void RanksThatALauncherHasBoundKeepWhatTheyHave()
    {
        Assert.Equal([8, 8, 8], Shares(8, Ranks(("a", "0-7"), ("a", "8-15"), ("b", "0-7"))));
        Assert.Equal([2, 2], Shares(2, Ranks(("a", "0,2"), ("a", "1,3"))));
    }

    // As in a container of four processors on a large machine, or in part of a node.
    [Fact]
    public void RanksThatAreBoundTogetherShare()
    {
        Assert.Equal([2, 2], Shares(4, Ranks(("a", "4-7"), ("a", "4-7"))));
        // The third overlaps nobody.
        Assert.Equal([4, 4, 8], Shares(8, Ranks(("a", "0-7"), ("a", "4-11"), ("a", "16-23"))));
    }

    // Containers of one machine that may use the time of eight of its processors each: the first has two ranks, the second one.
    [Fact]
    public void AShareOfTheTimeBelongsToAContainer()
    {
        var ranks = Ranks(("a", "0-63"), ("a", "0-63"), ("a", "0-63"));
        ranks[2] = ranks[2] with { Processes = "pid:[8]" };

        Assert.Equal([4, 4, 8], Shares(8, ranks));
    }

    [Fact]
    public void ThereIsAlwaysAThread()
    {
        Assert.Equal([1, 1, 1], Shares(2, Ranks(("a", "0-1"), ("a", "0-1"), ("a", "0-1"))));
        Assert.Equal([2, 2], Shares(4, Ranks(("a", ""), ("a", ""))));
    }

    [Theory]
    [InlineData("0", new[] { 0 })]
    [InlineData("0-3,8,10-11", new[] { 0, 1, 2, 3, 8, 10, 11 })]
    [InlineData("", new int[0])]
    [InlineData("0-3,x", new int[0])]
    [InlineData("0-2000000000", new int[0])]
    public void ListsOfProcessorsAreRead(string text, int[] numbers) => Assert.Equal(numbers, CpuList.Parse(text).Order());

    [Fact]
    public void ThisProcessKnowsItsOwn()
    {
        var own = RankAddress.Own(0);

        Assert.InRange(CpuList.Parse(own.Cores).Count, 1, int.MaxValue);
        Assert.True(own.Sees(RankAddress.Own(1)));
        Assert.Matches(@"^[0-9a-f-]{36}$", own.Kernel);
        Assert.Matches(@"^pid:\[\d+\]$", own.Processes);
    }

    // Containers with one name on one machine, and machines of two domains.
    [Fact]
    public void AProcessIdMeansNothingElsewhere()
    {
        var own = RankAddress.Own(0);

        Assert.False(own.Sees(own with { Processes = "pid:[1]" }));
        Assert.False(own.Sees(own with { Kernel = "00000000-0000-0000-0000-000000000000" }));
        Assert.True(own.Sees(own with { Host = "another-name" }));
    }

    private static RankAddress[] Ranks(params (string Kernel, string Cores)[] ranks)
        => [.. ranks.Select((rank, number) => new RankAddress(number, "host", 1000 + number, rank.Kernel, "pid:[7]", rank.Cores))];

    private static IEnumerable<int> Shares(int processors, RankAddress[] ranks)
        => ranks.Select(rank => ComputeThreads.Share(processors, ranks, rank.Rank));
}
