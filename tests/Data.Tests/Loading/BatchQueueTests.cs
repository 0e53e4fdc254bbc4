using KvShiftScale.Data.Loading;
namespace KvShiftScale.Data.Tests.Loading;

public sealed class BatchQueueTests
{
    private readonly TokenBatchPool _pool = new(context: 1);

    [Fact]
    public void FullQueueHoldsTheReaderBackUntilABatchIsTaken()
    {
        var queue = new BatchQueue(capacity: 2, TimeSpan.FromMinutes(1), stillWaiting: null);
        var added = 0;
        var reading = new Thread(() =>
        {
            while (queue.Put(_pool.Rent(1)))
            {
                Interlocked.Increment(ref added);
            }
        });
        reading.Start();

        WaitFor(() => Volatile.Read(ref added) >= 2);
        Thread.Sleep(30);
        Assert.Equal(2, Volatile.Read(ref added));

        Assert.NotNull(queue.Take());
        WaitFor(() => Volatile.Read(ref added) >= 3);
        Thread.Sleep(30);
        Assert.Equal(3, Volatile.Read(ref added));

        queue.Close();
        Assert.True(reading.Join(TimeSpan.FromSeconds(10)));
        Assert.Equal(TimeSpan.Zero, queue.Waited);
    }

    [Fact]
    public void ClosedQueueGivesWhatItHolds()
    {
        var queue = new BatchQueue(capacity: 2, TimeSpan.FromMinutes(1), stillWaiting: null);
        var batch = _pool.Rent(1);
        queue.Put(batch);
        queue.Close();

        Assert.False(queue.Put(_pool.Rent(1)));
        Assert.Same(batch, queue.Take());
        Assert.Null(queue.Take());
    }

    [Fact]
    public void WaitingForABatchIsMeasured()
    {
        var queue = new BatchQueue(capacity: 1, TimeSpan.FromMinutes(1), stillWaiting: null);
        var taking = Thread.CurrentThread;
        var reading = new Thread(() =>
        {
            SpinWait.SpinUntil(() => taking.ThreadState.HasFlag(ThreadState.WaitSleepJoin), TimeSpan.FromSeconds(10));
            Thread.Sleep(20);
            queue.Put(_pool.Rent(1));
        });
        reading.Start();

        Assert.NotNull(queue.Take());

        Assert.InRange(queue.Waited.TotalMilliseconds, 15, 10_000);
        reading.Join();
    }

    [Fact]
    public void LongWaitsAreTold()
    {
        var told = new List<TimeSpan>();
        var queue = new BatchQueue(capacity: 1, TimeSpan.FromMilliseconds(5), told.Add);
        var reading = new Thread(() =>
        {
            WaitFor(() => Volatile.Read(ref told).Count >= 3);
            queue.Put(_pool.Rent(1));
        });
        reading.Start();

        Assert.NotNull(queue.Take());

        reading.Join();
        Assert.True(told.Count >= 3);
        Assert.Equal(told.Order(), told);
    }

    [Fact]
    public void DisposedBatchIsFilledAgain()
    {
        var first = _pool.Rent(2);
        first.Dispose();
        first.Dispose();

        Assert.NotSame(first, _pool.Rent(3));
        Assert.Same(first, _pool.Rent(2));
        Assert.NotSame(first, _pool.Rent(2));
    }

    private static void WaitFor(Func<bool> condition)
        => Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(10)));
}
