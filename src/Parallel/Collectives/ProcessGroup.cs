using System.Runtime.CompilerServices;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// Ranks that communicate. Each operation has to be called by every rank of the group, in the same order; calls may come from any thread, one at a
/// time, while other groups may be busy. A group of one needs no MPI.
/// </summary>
public sealed class ProcessGroup : IDisposable
{
    private readonly CollectiveLedger? _launch;

    private ProcessGroup(GroupIdentity identity, GroupHandle? handle, CollectiveLedger? launch, bool shareMemory)
    {
        Handle = handle;
        _launch = launch;
        Rank = handle is null ? 0 : CollectivesLibrary.Rank(handle);
        Ledger = new GroupLedger(identity, launch, handle);
        Collectives = new RecordedCollectives(Size == 1 ? new AloneCollectives() : new HostCollectives(handle!, shareMemory), Ledger, Rank);
    }

    /// <summary>What the group is for: "world", "data", "tensor".</summary>
    public string Name => Ledger.Group.Name;

    /// <summary>This process's place in the group, from 0.</summary>
    public int Rank { get; }

    /// <summary>Number of ranks.</summary>
    public int Size => Members.Count;

    /// <summary>Ranks of the launch in the order of the group.</summary>
    public IReadOnlyList<int> Members => Ledger.Group.Members;

    /// <summary>What they exchange tensors with.</summary>
    public RecordedCollectives Collectives { get; }

    /// <summary>What they have called.</summary>
    public GroupLedger Ledger { get; }

    /// <summary>Their communicator, through which numbers of the host go; null for one process without MPI.</summary>
    internal GroupHandle? Handle { get; }

    /// <summary>A group of this process alone.</summary>
    public static ProcessGroup Solo(string name) => new(new GroupIdentity(name, [0]), null, null, shareMemory: false);

    /// <summary>All ranks of an MPI launch, and the ledger of all groups made of them. Collective.</summary>
    /// <param name="name">What the group is for.</param>
    /// <param name="checkCollectives">Ranks compare what they are about to do before each collective.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    internal static (ProcessGroup World, CollectiveLedger Ledger) Launched(string name, bool checkCollectives)
    {
        var handle = CollectivesLibrary.World();
        var ledger = new CollectiveLedger(CollectivesLibrary.Rank(handle), checkCollectives);
        var identity = new GroupIdentity(name, [.. Enumerable.Range(0, CollectivesLibrary.Size(handle))]);
        return (new ProcessGroup(identity, handle, ledger, shareMemory: false), ledger);
    }

    /// <summary>
    /// The ranks that give the same color (0 or more), ordered by key. Collective over this group, and for the thread alone that made the
    /// launch's groups: ranks whose threads form groups in different orders would wait for each other for ever.
    /// </summary>
    /// <param name="name">What the new group is for.</param>
    /// <param name="color">Which group.</param>
    /// <param name="key">Where in it.</param>
    /// <param name="shareMemory">Its collectives go through memory that the ranks share, where they can.</param>
    /// <param name="file">The caller's.</param>
    /// <param name="line">The caller's.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    /// <exception cref="InvalidOperationException">Another thread called it.</exception>
    internal ProcessGroup Split(string name, int color, int key, bool shareMemory = false, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (Handle is null)
        {
            return Solo(name);
        }

        if (Environment.CurrentManagedThreadId != _launch!.ThreadId)
        {
            throw new InvalidOperationException($"group {name} was to be formed on another thread than the launch's groups; form it there");
        }

        var call = Ledger.Begin(new CollectiveCall(CollectiveOperation.Split, null, 0, -1, file, line), 0);
        var handle = CollectivesLibrary.Split(Handle, color, key);
        var group = new ProcessGroup(new GroupIdentity(name, MembersOf(handle)), handle, _launch, shareMemory);
        Ledger.End(call);
        return group;
    }

    /// <summary>The same ranks under another name, whose collectives may go on at the same time as this group's. Collective.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    internal ProcessGroup Duplicate(string name, bool shareMemory, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        => Split(name, 0, Rank, shareMemory, file, line);

    /// <summary>Frees the group. Collective.</summary>
    public void Dispose()
    {
        Collectives.Dispose();
        Handle?.Dispose();
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} rank {Rank} of {Size}";

    private unsafe int[] MembersOf(GroupHandle handle)
    {
        var members = new int[CollectivesLibrary.Size(handle)];
        var own = _launch!.Rank;
        fixed (int* all = members)
        {
            CollectivesLibrary.AllGather(handle, CollectiveDataType.Int32, (nint)(&own), (nint)all, 1);
        }

        return members;
    }
}
