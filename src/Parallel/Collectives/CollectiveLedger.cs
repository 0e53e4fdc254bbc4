using System.Diagnostics;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// The newest collectives of all groups of this process. Recording allocates nothing and takes no lock, from any number of threads; any
/// thread may read meanwhile, also while a recording thread is stuck.
/// </summary>
public sealed class CollectiveLedger
{
    /// <summary>Collectives that are remembered.</summary>
    public const int Capacity = 64;

    private readonly Slot[] _slots = new Slot[Capacity];
    private readonly Lock _registering = new();
    private GroupLedger[] _groups = [];
    private long _begun;
    private long _changes;

    internal CollectiveLedger(int rank, bool isChecking)
    {
        Rank = rank;
        IsChecking = isChecking;
    }

    /// <summary>This process's rank in the launch.</summary>
    public int Rank { get; }

    /// <summary>Whether ranks compare what they ask for before each collective.</summary>
    public bool IsChecking { get; }

    /// <summary>The thread that made the ledger and the launch's groups, and that forms and frees all others.</summary>
    internal int ThreadId { get; } = Environment.CurrentManagedThreadId;

    /// <summary>Grows with every begin and end of a collective: an unchanged value is a process that does not communicate.</summary>
    public long Changes => Interlocked.Read(ref _changes);

    /// <summary>
    /// Called before each collective that this process records, with the collective's number; for tests that hold a rank back. Null: nothing.
    /// </summary>
    public Action<long>? Entering { get; set; }

    /// <summary>Those of the launch's groups, disposed ones too: name and totals.</summary>
    public IReadOnlyList<GroupLedger> Groups => Volatile.Read(ref _groups);

    /// <summary>What is remembered, oldest first.</summary>
    public IReadOnlyList<CollectiveEntry> Recent()
    {
        var entries = new List<CollectiveEntry>(Capacity);
        foreach (ref var slot in _slots.AsSpan())
        {
            var number = Volatile.Read(ref slot.Number);
            if (number == 0)
            {
                continue;
            }

            var entry = new CollectiveEntry(number, slot.Group, slot.Sequence, slot.Call, (CollectiveState)Volatile.Read(ref slot.State), slot.BeganAt,
                Volatile.Read(ref slot.ChangedAt));
            Interlocked.MemoryBarrier();
            // One that was written over meanwhile is newer than this look.
            if (Volatile.Read(ref slot.Number) == number)
            {
                entries.Add(entry);
            }
        }
        entries.Sort((left, right) => left.Number.CompareTo(right.Number));
        return entries;
    }

    /// <summary>How far this process is in each of its groups, and with each rank that it exchanges messages with.</summary>
    public IReadOnlyList<GroupPosition> Positions() => [.. Groups.SelectMany(group => group.Positions)];

    /// <summary>The collective that the process is inside of, the oldest if there are several; else the newest one. Null before the first.</summary>
    public CollectiveEntry? Current()
    {
        var recent = Recent();
        foreach (var entry in recent)
        {
            if (entry.State == CollectiveState.Running)
            {
                return entry;
            }
        }
        return recent.Count == 0 ? null : recent[^1];
    }

    /// <summary>Totals of all groups of one name together, by operation; groups of one rank count nothing.</summary>
    public IEnumerable<(string Group, CollectiveTotals Totals)> Totals()
        => from named in Groups.GroupBy(member => member.Group.Name)
           from same in named.SelectMany(member => member.Counters.Snapshot()).GroupBy(totals => totals.Operation)
           let calls = same.Sum(totals => totals.Calls)
           where calls > 0
           select (named.Key, new CollectiveTotals(same.Key, calls, same.Sum(totals => totals.ByteCount), same.Sum(totals => totals.Seconds)));

    internal void Register(GroupLedger group)
    {
        lock (_registering)
        {
            Volatile.Write(ref _groups, [.. _groups, group]);
        }
    }

    /// <summary>A collective is about to begin.</summary>
    internal void Announce() => Entering?.Invoke(Interlocked.Read(ref _begun) + 1);

    /// <summary>Records a beginning.</summary>
    /// <returns>The number to end it with.</returns>
    internal long Begin(GroupIdentity group, long sequence, in CollectiveCall call)
    {
        var number = Interlocked.Increment(ref _begun);
        ref var slot = ref _slots[number % Capacity];
        // A thread that lost its core in the middle of writing here still has the slot, for as many beginnings as there are slots: then this
        // entry is forgotten.
        if (Interlocked.CompareExchange(ref slot.IsTaken, 1, 0) == 0)
        {
            if (slot.Number < number)
            {
                Write(ref slot, number, group, sequence, call);
            }

            Volatile.Write(ref slot.IsTaken, 0);
        }
        Interlocked.Increment(ref _changes);
        return number;
    }

    /// <summary>Records a change of state, unless so many have begun since that the entry is forgotten.</summary>
    internal void Change(long number, CollectiveState state)
    {
        ref var slot = ref _slots[number % Capacity];
        if (Volatile.Read(ref slot.Number) == number)
        {
            Volatile.Write(ref slot.ChangedAt, Stopwatch.GetTimestamp());
            Volatile.Write(ref slot.State, (int)state);
        }
        Interlocked.Increment(ref _changes);
    }

    private static void Write(ref Slot slot, long number, GroupIdentity group, long sequence, in CollectiveCall call)
    {
        // Nobody trusts what a slot without a number holds.
        Interlocked.Exchange(ref slot.Number, 0);
        slot.Group = group;
        slot.Sequence = sequence;
        slot.Call = call;
        slot.State = (int)CollectiveState.Running;
        slot.BeganAt = slot.ChangedAt = Stopwatch.GetTimestamp();
        Volatile.Write(ref slot.Number, number);
    }

    private struct Slot
    {
        // 1 while a thread writes the entry.
        public int IsTaken;

        // 0 while the slot is empty or being written.
        public long Number;
        public GroupIdentity Group;
        public long Sequence;
        public CollectiveCall Call;
        public int State;
        public long BeganAt;
        public long ChangedAt;
    }
}
