using KvShiftScale.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace KvShiftScale.Compat.Tests.Torch;

public sealed class DisposeScopeTests
{
    [Fact]
    public void ScopeDisposesWhatWasMadeInIt()
    {
        using var outside = tensor([1f]);
        Tensor inside;
        using (var scope = NewDisposeScope())
        {
            inside = outside + 1;
            Assert.Equal(1, scope.DisposablesCount);
        }
        Assert.True(inside.IsInvalid);
        Assert.False(outside.IsInvalid);
    }

    [Fact]
    public void ScopesNest()
    {
        using var outer = NewDisposeScope();
        var first = zeros(1);
        Tensor second;
        using (var inner = NewDisposeScope())
        {
            second = zeros(1);
            Assert.Equal((1, 1), (outer.DisposablesCount, inner.DisposablesCount));
        }
        Assert.Equal((false, true), (first.IsInvalid, second.IsInvalid));
        var third = zeros(1);
        Assert.Equal(2, outer.DisposablesCount);
        outer.Dispose();
        Assert.Equal((true, true), (first.IsInvalid, third.IsInvalid));
    }

    [Fact]
    public void MoveToOuterGoesOneScopeUp()
    {
        using var outer = NewDisposeScope();
        Tensor viaScope, viaTensor;
        using (var inner = NewDisposeScope())
        {
            viaScope = inner.MoveToOuter(zeros(1));
            viaTensor = zeros(1).MoveToOuterDisposeScope();
            Assert.Equal((2, 0), (outer.DisposablesCount, inner.DisposablesCount));
        }
        Assert.Equal((false, false), (viaScope.IsInvalid, viaTensor.IsInvalid));
        outer.Dispose();
        Assert.Equal((true, true), (viaScope.IsInvalid, viaTensor.IsInvalid));
    }

    [Fact]
    public void MoveToOuterOfTheOutermostScopeDetaches()
    {
        Tensor kept;
        using (NewDisposeScope()) kept = zeros(1).MoveToOuterDisposeScope();
        Assert.False(kept.IsInvalid);
        kept.Dispose();
    }

    [Fact]
    public void DetachedTensorsOutliveEveryScope()
    {
        Tensor viaScope, viaTensor;
        using (NewDisposeScope())
        using (var inner = NewDisposeScope())
        {
            viaScope = inner.Detach(zeros(1));
            viaTensor = zeros(1).DetachFromDisposeScope();
        }
        Assert.Equal((false, false), (viaScope.IsInvalid, viaTensor.IsInvalid));
        viaScope.Dispose();
        viaTensor.Dispose();
    }

    [Fact]
    public void DisposedTensorsLeaveTheirScope()
    {
        using var scope = NewDisposeScope();
        zeros(1).Dispose();
        Assert.Equal(0, scope.DisposablesCount);
    }

    [Fact]
    public void ExceptionThroughScopesDisposesThem()
    {
        var before = LiveTensors.Settled();
        Assert.Throws<TimeoutException>((Action)Fail);
        Assert.Equal(before, Tensor.TotalCount);
        using var after = zeros(1);
        after.MoveToOuterDisposeScope();
        Assert.False(after.IsInvalid);
    }

    [Fact]
    public void StatisticsCountLives()
    {
        var statistics = DisposeScopeManager.Statistics;
        statistics.Reset();
        var outside = zeros(1);
        using (NewDisposeScope())
        {
            _ = zeros(1);
            zeros(1).Dispose();
            using var detached = zeros(1).DetachFromDisposeScope();
            _ = zeros(1);
        }
        Assert.Equal((4, 1), (statistics.CreatedInScopeCount, statistics.CreatedOutsideScopeCount));
        Assert.Equal(1, statistics.DetachedFromScopeCount);
        Assert.Equal((3, 1), (statistics.DisposedInScopeCount, statistics.DisposedOutsideScopeCount));
        Assert.Equal(1, statistics.ThreadTotalLiveCount);
        outside.Dispose();
        Assert.Equal(0, statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void ThreadsHaveScopesAndStatisticsOfTheirOwn()
    {
        using var scope = NewDisposeScope();
        DisposeScopeManager.Statistics.Reset();
        var there = (Invalid: true, Outside: 0L);
        var thread = new Thread(() =>
        {
            using var made = zeros(1);
            using (NewDisposeScope()) _ = zeros(1);
            there = (made.IsInvalid, DisposeScopeManager.Statistics.CreatedOutsideScopeCount);
        });
        thread.Start();
        thread.Join();
        Assert.Equal((false, 1), there);
        Assert.Equal((0, 0L), (scope.DisposablesCount, DisposeScopeManager.Statistics.CreatedInScopeCount));
    }

    [Fact]
    public void TensorsWithoutAScopeAreLeftToTheCollector()
    {
        var before = LiveTensors.Settled();
        Forget();
        Assert.Equal(before + 100, Tensor.TotalCount);
        Assert.True(Tensor.PeakCount >= before + 100);
        LiveTensors.Collect();
        Assert.Equal(before, Tensor.TotalCount);
    }

    private static void Fail()
    {
        using var outer = NewDisposeScope();
        _ = zeros(1);
        using var inner = NewDisposeScope();
        _ = zeros(1);
        throw new TimeoutException();
    }

    private static void Forget()
    {
        for (var i = 0; i < 100; i++) _ = zeros(1);
    }
}
