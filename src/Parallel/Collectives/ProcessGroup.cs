using System.Diagnostics;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// Ranks that exchange buffers of host memory. Each operation has to be called by every rank of the group, in the same order and with
/// the same count; calls may come from any thread, one at a time, while other groups may be busy. A group of one returns at once and needs
/// no MPI. Every call is recorded in the launch's <see cref="CollectiveLedger"/> with the place that it came from, which callers in between
/// hand through.
/// </summary>
public sealed class ProcessGroup : IDisposable
{
    private readonly GroupHandle? _handle;
    private readonly CollectiveLedger? _ledger;
    private readonly GroupIdentity _identity;
    private long _begun;
    private long _ended;

    private ProcessGroup(string name, GroupHandle? handle, CollectiveLedger? ledger, IReadOnlyList<int> members)
    {
        Name = name;
        _handle = handle;
        _ledger = ledger;
        _identity = new GroupIdentity(name, members);
        Rank = handle is null ? 0 : CollectivesLibrary.Rank(handle);
        Size = members.Count;
        // A group of one never waits for anybody.
        if (Size > 1)
        {
            ledger?.Register(this);
        }
    }

    /// <summary>What the group is for: "world", "data", "tensor".</summary>
    public string Name { get; }

    /// <summary>This process's place in the group, from 0.</summary>
    public int Rank { get; }

    /// <summary>Number of ranks.</summary>
    public int Size { get; }

    /// <summary>Blocking sums and gathers go through memory of the machine.</summary>
    internal bool SharesMemory { get; private set; }

    /// <summary>What the group's communication has cost this rank. Groups of one count nothing.</summary>
    public CollectiveCounters Counters { get; } = new();

    /// <summary>How far this rank is among the collectives of the group. May be read from any thread.</summary>
    public GroupPosition Position => new(_identity, Interlocked.Read(ref _begun), Interlocked.Read(ref _ended));

    /// <summary>A group of this process alone.</summary>
    public static ProcessGroup Solo(string name) => new(name, null, null, [0]);

    /// <summary>All ranks of an MPI launch, and the ledger of all groups made of them. Collective.</summary>
    /// <param name="name">What the group is for.</param>
    /// <param name="checkCollectives">Ranks compare what they are about to do before each collective.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    internal static (ProcessGroup World, CollectiveLedger Ledger) Launched(string name, bool checkCollectives)
    {
        var handle = CollectivesLibrary.World();
        var ledger = new CollectiveLedger(CollectivesLibrary.Rank(handle), checkCollectives);
        return (new ProcessGroup(name, handle, ledger, [.. Enumerable.Range(0, CollectivesLibrary.Size(handle))]), ledger);
    }

    /// <summary>
    /// The ranks that give the same color (0 or more), ordered by key. Collective over this group, and for the thread alone that made the
    /// launch's groups: ranks whose threads form groups in different orders would wait for each other for ever.
    /// </summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    /// <exception cref="InvalidOperationException">Another thread called it.</exception>
    internal ProcessGroup Split(string name, int color, int key, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (_handle is null)
        {
            return Solo(name);
        }

        if (Environment.CurrentManagedThreadId != _ledger!.ThreadId)
        {
            throw new InvalidOperationException($"group {name} was to be formed on another thread than the launch's groups; form it there");
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.Split, null, 0, -1, file, line));
        var handle = CollectivesLibrary.Split(_handle, color, key);
        var group = new ProcessGroup(name, handle, _ledger, MembersOf(handle));
        if (!IsAlone)
        {
            End(call, 0);
        }

        return group;
    }

    /// <summary>Records a collective over these ranks that MPI itself was asked for.</summary>
    internal void Record(CollectiveOperation operation, CollectiveDataType type, long elementCount, int variant, Action action, string file, int line)
    {
        var call = Begin(new CollectiveCall(operation, type, elementCount, variant, file, line));
        action();
        End(call, elementCount * ByteSize(type));
    }

    /// <summary>The same ranks under another name, whose collectives may go on at the same time as this group's. Collective.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    internal ProcessGroup Duplicate(string name, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) => Split(name, 0, Rank, file, line);

    /// <summary>
    /// From here on blocking sums of float32 and float64, and blocking gathers, go through memory of the machine, where a rank that waits
    /// sleeps. False, and nothing changes, where the ranks are on several machines or there is no room in /dev/shm. Collective.
    /// </summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    internal bool ShareMemory() => SharesMemory = !IsAlone && CollectivesLibrary.ShareMemory(_handle!);

    /// <summary>
    /// From here on such sums over buffers in the memory of <paramref name="file"/>, mapped at <paramref name="address"/> and as long on every
    /// rank, are taken where they lie. False where the group shares no memory or some rank has no such file. Collective.
    /// </summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    internal bool ShareArea(SafeFileHandle? file, nint address, long byteCount)
        => SharesMemory && CollectivesLibrary.ShareArea(_handle!, file, address, byteCount);

    /// <summary>Reduces a buffer in place; every rank gets the same result.</summary>
    /// <param name="address">Buffer of <paramref name="elementCount"/> elements.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void AllReduce(nint address, long elementCount, CollectiveDataType type, ReduceOperation operation = ReduceOperation.Sum,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Require(address, elementCount);
        if (IsAlone)
        {
            return;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.AllReduce, type, elementCount, (int)operation, file, line));
        CollectivesLibrary.AllReduce(_handle!, type, operation, address, elementCount);
        End(call, elementCount * ByteSize(type));
    }

    /// <summary>Reduces a buffer of Size parts; rank r gets the r-th part of the result.</summary>
    /// <param name="input">Buffer of Size * <paramref name="elementCount"/> elements.</param>
    /// <param name="output">
    /// Buffer of <paramref name="elementCount"/> elements, apart from the input; with <see cref="SharesMemory"/> a sum of float32 or float64 may
    /// be written to this rank's own part of the input.
    /// </param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void ReduceScatter(nint input, nint output, long elementCount, CollectiveDataType type,
        ReduceOperation operation = ReduceOperation.Sum, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Require(input, elementCount);
        Require(output, elementCount);
        if (IsAlone)
        {
            Copy(input, output, elementCount * ByteSize(type));
            return;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.ReduceScatter, type, elementCount, (int)operation, file, line));
        CollectivesLibrary.ReduceScatter(_handle!, type, operation, input, output, elementCount);
        End(call, Size * elementCount * ByteSize(type));
    }

    /// <summary>Gives every rank the parts of all, in the order of the ranks.</summary>
    /// <param name="input">Buffer of <paramref name="elementCount"/> elements; may be this rank's own part of the output.</param>
    /// <param name="output">Buffer of Size * <paramref name="elementCount"/> elements.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void AllGather(nint input, nint output, long elementCount, CollectiveDataType type,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Require(input, elementCount);
        Require(output, elementCount);
        if (IsAlone)
        {
            Copy(input, output, elementCount * ByteSize(type));
            return;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.AllGather, type, elementCount, -1, file, line));
        CollectivesLibrary.AllGather(_handle!, type, input, output, elementCount);
        End(call, Size * elementCount * ByteSize(type));
    }

    /// <summary>Gives every rank the root's buffer.</summary>
    /// <param name="address">Buffer of <paramref name="elementCount"/> elements.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void Broadcast(nint address, long elementCount, CollectiveDataType type, int root,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Require(address, elementCount);
        RequireRoot(root);
        if (IsAlone)
        {
            return;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.Broadcast, type, elementCount, root, file, line));
        CollectivesLibrary.Broadcast(_handle!, type, address, elementCount, root);
        End(call, elementCount * ByteSize(type));
    }

    /// <summary>Returns when every rank has come here.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void Barrier([CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (IsAlone)
        {
            return;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.Barrier, null, 0, -1, file, line));
        CollectivesLibrary.Barrier(_handle!);
        End(call, 0);
    }

    /// <summary>Starts <see cref="AllReduce"/>; the buffer belongs to the work until it was waited for.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public CollectiveWork StartAllReduce(nint address, long elementCount, CollectiveDataType type, ReduceOperation operation = ReduceOperation.Sum,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Require(address, elementCount);
        if (IsAlone)
        {
            return CollectiveWork.Done;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.AllReduce, type, elementCount, (int)operation, file, line));
        var work = CollectivesLibrary.StartAllReduce(_handle!, type, operation, address, elementCount);
        return Started(call, elementCount * ByteSize(type), work);
    }

    /// <summary>Starts <see cref="ReduceScatter"/>; both buffers belong to the work until it was waited for.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public CollectiveWork StartReduceScatter(nint input, nint output, long elementCount, CollectiveDataType type,
        ReduceOperation operation = ReduceOperation.Sum, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Require(input, elementCount);
        Require(output, elementCount);
        if (IsAlone)
        {
            Copy(input, output, elementCount * ByteSize(type));
            return CollectiveWork.Done;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.ReduceScatter, type, elementCount, (int)operation, file, line));
        var work = CollectivesLibrary.StartReduceScatter(_handle!, type, operation, input, output, elementCount);
        return Started(call, Size * elementCount * ByteSize(type), work);
    }

    /// <summary>Starts <see cref="AllGather"/>; both buffers belong to the work until it was waited for.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public CollectiveWork StartAllGather(nint input, nint output, long elementCount, CollectiveDataType type,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Require(input, elementCount);
        Require(output, elementCount);
        if (IsAlone)
        {
            Copy(input, output, elementCount * ByteSize(type));
            return CollectiveWork.Done;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.AllGather, type, elementCount, -1, file, line));
        var work = CollectivesLibrary.StartAllGather(_handle!, type, input, output, elementCount);
        return Started(call, Size * elementCount * ByteSize(type), work);
    }

    /// <summary>Starts <see cref="Broadcast"/>; the buffer belongs to the work until it was waited for.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public CollectiveWork StartBroadcast(nint address, long elementCount, CollectiveDataType type, int root,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        Require(address, elementCount);
        RequireRoot(root);
        if (IsAlone)
        {
            return CollectiveWork.Done;
        }

        var call = Begin(new CollectiveCall(CollectiveOperation.Broadcast, type, elementCount, root, file, line));
        var work = CollectivesLibrary.StartBroadcast(_handle!, type, address, elementCount, root);
        return Started(call, elementCount * ByteSize(type), work);
    }

    /// <summary>Frees the group. Collective.</summary>
    public void Dispose() => _handle?.Dispose();

    /// <inheritdoc/>
    public override string ToString() => $"{Name} rank {Rank} of {Size}";

    private bool IsAlone => Size == 1;

    internal void EndWork(in Recorded call)
    {
        Counters.AddWait(call.Operation, call.Since);
        Interlocked.Increment(ref _ended);
        _ledger!.Change(call.Number, CollectiveState.Ended);
    }

    /// <summary>The caller has come to wait for a collective that it started.</summary>
    internal Recorded ResumeWork(in Recorded call)
    {
        _ledger!.Change(call.Number, CollectiveState.Running);
        return call with { Since = Stopwatch.GetTimestamp() };
    }

    // Called by groups of several ranks only, which have a handle and a ledger.
    private Recorded Begin(in CollectiveCall call)
    {
        _ledger!.Announce();
        var sequence = Interlocked.Increment(ref _begun);
        var number = _ledger.Begin(_identity, sequence, call);
        if (_ledger.IsChecking)
        {
            CollectiveAgreement.Require(_handle!, _identity, sequence, call);
        }

        return new Recorded(call.Operation, number, Stopwatch.GetTimestamp());
    }

    private void End(in Recorded call, long byteCount)
    {
        Counters.AddCall(call.Operation, byteCount, call.Since);
        Interlocked.Increment(ref _ended);
        _ledger!.Change(call.Number, CollectiveState.Ended);
    }

    private CollectiveWork Started(in Recorded call, long byteCount, nint work)
    {
        Counters.AddCall(call.Operation, byteCount, call.Since);
        _ledger!.Change(call.Number, CollectiveState.Started);
        return new CollectiveWork(this, call, work);
    }

    private unsafe int[] MembersOf(GroupHandle handle)
    {
        var members = new int[CollectivesLibrary.Size(handle)];
        var own = _ledger!.Rank;
        fixed (int* all = members)
        {
            CollectivesLibrary.AllGather(handle, CollectiveDataType.Int32, (nint)(&own), (nint)all, 1);
        }

        return members;
    }

    // What is wrong in the same way on every rank is found before any of them waits for another.
    private static void Require(nint address, long elementCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(elementCount);
        if (address == 0 && elementCount > 0)
        {
            throw new ArgumentException($"The address of {elementCount} elements is null.", nameof(address));
        }
    }

    private void RequireRoot(int root)
    {
        if (root < 0 || root >= Size)
        {
            throw new ArgumentOutOfRangeException(nameof(root), root, $"The {Name} group has ranks 0 to {Size - 1}.");
        }
    }

    private static unsafe void Copy(nint source, nint destination, long byteCount)
    {
        if (source != destination)
        {
            Buffer.MemoryCopy((void*)source, (void*)destination, byteCount, byteCount);
        }
    }

    private static int ByteSize(CollectiveDataType type) => type switch
    {
        CollectiveDataType.BFloat16 => 2,
        CollectiveDataType.Float32 or CollectiveDataType.Int32 => 4,
        CollectiveDataType.Float64 or CollectiveDataType.Int64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "There is no such element type."),
    };

    /// <summary>A collective that has begun.</summary>
    /// <param name="Operation">Which.</param>
    /// <param name="Number">Its number in the ledger.</param>
    /// <param name="Since">When the caller began to spend time in it.</param>
    internal readonly record struct Recorded(CollectiveOperation Operation, long Number, long Since);
}
