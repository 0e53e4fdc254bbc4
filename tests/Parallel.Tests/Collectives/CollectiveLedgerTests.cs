using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Tests.Collectives;

public sealed class CollectiveLedgerTests
{
    private const int Wanted = 100_000;

    private static readonly GroupIdentity Group = new("data", [0, 2]);

    // Count and line of each call belong together, so that a reader who saw halves of two would know.
    [Fact]
    public async Task Readers_never_see_a_half_written_entry_while_two_threads_record()
    {
        var ledger = new CollectiveLedger(rank: 0, isChecking: false);
        // Only a hang takes so long; what ends it is that both have written everywhere many times and that enough was seen.
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var written = new int[2];
        // Threads of their own, since those of the pool may all be taken.
        var writers = Enumerable.Range(0, 2).Select(writer => Task.Factory.StartNew(() =>
        {
            for (var i = 1; !stop.IsCancellationRequested; i++)
            {
                ledger.Change(ledger.Begin(Group, i, new CollectiveCall(CollectiveOperation.AllReduce, CollectiveDataType.Float32, i, 0, "a.cs", i)), CollectiveState.Ended);
                Volatile.Write(ref written[writer], i);
            }
        }, TaskCreationOptions.LongRunning)).ToArray();
        var seen = 0L;
        try
        {
            while (!stop.IsCancellationRequested && (seen <= Wanted || written.Min() < 100 * CollectiveLedger.Capacity))
            {
                foreach (var entry in ledger.Recent())
                {
                    Assert.Equal(entry.Sequence, entry.Call.Count);
                    Assert.Equal(entry.Sequence, entry.Call.Line);
                    seen++;
                }
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(writers);
        }

        Assert.True(seen > Wanted, $"{seen} entries seen");
        Assert.Equal(CollectiveLedger.Capacity, ledger.Recent().Count);
    }

    [Fact]
    public void The_current_collective_is_the_oldest_that_a_caller_is_inside_of()
    {
        var ledger = new CollectiveLedger(rank: 0, isChecking: false);
        Assert.Null(ledger.Current());
        var first = ledger.Begin(Group, 1, Call(1));
        var second = ledger.Begin(Group, 2, Call(2));
        Assert.Equal(1, ledger.Current()!.Value.Sequence);
        ledger.Change(first, CollectiveState.Started);
        Assert.Equal(2, ledger.Current()!.Value.Sequence);
        ledger.Change(second, CollectiveState.Ended);
        Assert.Equal(2, ledger.Current()!.Value.Sequence);
        Assert.Equal("all_reduce of 2 float32 (sum) #2 in data [0 2] at src/Models/Block.cs:7", $"{ledger.Current()}");
    }

    private static CollectiveCall Call(long count)
        => new(CollectiveOperation.AllReduce, CollectiveDataType.Float32, count, 0, "/somewhere/src/Models/Block.cs", 7);
}
