using System.Diagnostics;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// What one group has called, in the launch's <see cref="CollectiveLedger"/>: whoever moves its data, tensors or numbers of the host. A group of one
/// never waits for anybody and records nothing.
/// </summary>
public sealed class GroupLedger
{
    private readonly CollectiveLedger? _ledger;
    private readonly GroupHandle? _handle;
    private readonly CallSequence _collectives;
    // Messages to each rank, and behind them those from each; null where there was none.
    private readonly CallSequence?[] _messages;

    internal GroupLedger(GroupIdentity group, CollectiveLedger? ledger, GroupHandle? handle)
    {
        Group = group;
        _collectives = new CallSequence(group);
        _messages = new CallSequence?[2 * group.Members.Count];
        if (group.Members.Count > 1)
        {
            (_ledger, _handle) = (ledger, handle);
            ledger!.Register(this);
        }
    }

    /// <summary>Name and members.</summary>
    public GroupIdentity Group { get; }

    /// <summary>What the group's communication has cost this rank.</summary>
    public CollectiveCounters Counters { get; } = new();

    /// <summary>How far this rank is among the collectives of the group. May be read from any thread.</summary>
    public GroupPosition Position => _collectives.Position;

    /// <summary>That, and how far it is with each rank that it has sent messages to or received some from.</summary>
    internal IEnumerable<GroupPosition> Positions
        => _messages.Where(sequence => sequence is not null).Select(sequence => sequence!.Position).Prepend(Position);

    /// <summary>Records the beginning of a collective, and where ranks compare theirs returns when all have come and ask for the same.</summary>
    /// <param name="call">What is asked for.</param>
    /// <param name="byteCount">Bytes of its whole buffer.</param>
    /// <exception cref="CollectiveMismatchException">They ask for different things.</exception>
    internal Recorded Begin(in CollectiveCall call, long byteCount)
    {
        if (_ledger is null)
        {
            return default;
        }

        var begun = Begin(_collectives, call, byteCount);
        if (_ledger.IsChecking)
        {
            CollectiveAgreement.Require(_handle!, Group, begun.Sequence, call);
        }

        return begun with { Since = Stopwatch.GetTimestamp() };
    }

    /// <summary>Records the beginning of a message, of which only the two ranks know.</summary>
    internal Recorded BeginMessage(in CollectiveCall call, long byteCount)
    {
        if (_ledger is null)
        {
            return default;
        }

        var (own, peer) = (_ledger.Rank, Group.Members[call.Variant]);
        var isSend = call.Operation == CollectiveOperation.Send;
        ref var messages = ref _messages[isSend ? call.Variant : Group.Members.Count + call.Variant];
        if (messages is null)
        {
            Volatile.Write(ref messages, new CallSequence(isSend ? Group.Between(own, peer) : Group.Between(peer, own)));
        }

        return Begin(messages, call, byteCount);
    }

    /// <summary>The caller has its result.</summary>
    internal void End(in Recorded call)
    {
        if (call.Calls is null)
        {
            return;
        }

        if (call.IsCounted)
        {
            Counters.AddWait(call.Operation, call.Since);
        }
        else
        {
            Counters.AddCall(call.Operation, call.ByteCount, call.Since);
        }

        call.Calls.End();
        _ledger!.Change(call.Number, CollectiveState.Ended);
    }

    /// <summary>It goes on beside the caller.</summary>
    internal Recorded Start(in Recorded call)
    {
        if (call.Calls is null)
        {
            return call;
        }

        Counters.AddCall(call.Operation, call.ByteCount, call.Since);
        _ledger!.Change(call.Number, CollectiveState.Started);
        return call with { IsCounted = true };
    }

    /// <summary>The caller has come to wait for what it started.</summary>
    internal Recorded Resume(in Recorded call)
    {
        if (call.Calls is null)
        {
            return call;
        }

        _ledger!.Change(call.Number, CollectiveState.Running);
        return call with { Since = Stopwatch.GetTimestamp() };
    }

    private Recorded Begin(CallSequence calls, in CollectiveCall call, long byteCount)
    {
        _ledger!.Announce();
        var sequence = calls.Begin();
        return new Recorded(calls, sequence, _ledger.Begin(calls.Group, sequence, call), call.Operation, byteCount, Stopwatch.GetTimestamp(), IsCounted: false);
    }

    /// <summary>A call that has begun.</summary>
    /// <param name="Calls">Those that it is one of; null: not recorded.</param>
    /// <param name="Sequence">Its number among them.</param>
    /// <param name="Number">Its number in the ledger.</param>
    /// <param name="Operation">Which.</param>
    /// <param name="ByteCount">Bytes of its whole buffer.</param>
    /// <param name="Since">When the caller began to spend time in it.</param>
    /// <param name="IsCounted">The counters have it.</param>
    internal readonly record struct Recorded(CallSequence? Calls, long Sequence, long Number, CollectiveOperation Operation, long ByteCount, long Since, bool IsCounted);

    /// <summary>Calls that every rank concerned makes in one order.</summary>
    internal sealed class CallSequence(GroupIdentity group)
    {
        private long _begun;
        private long _ended;

        public GroupIdentity Group => group;

        public GroupPosition Position => new(group, Interlocked.Read(ref _begun), Interlocked.Read(ref _ended));

        public long Begin() => Interlocked.Increment(ref _begun);

        public void End() => Interlocked.Increment(ref _ended);
    }
}
