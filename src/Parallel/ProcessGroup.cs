using System.Diagnostics;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Parallel;

/// <summary>
/// Ranks that exchange buffers of host memory. Each operation has to be called by every rank of the group, in the same order and with
/// the same count; calls may come from any thread, one at a time. A group of one returns at once and needs no MPI.
/// </summary>
public sealed class ProcessGroup : IDisposable
{
    private readonly GroupHandle? _handle;

    private ProcessGroup(string name, GroupHandle? handle)
    {
        Name = name;
        _handle = handle;
        Rank = handle is null ? 0 : CollectivesLibrary.Rank(handle);
        Size = handle is null ? 1 : CollectivesLibrary.Size(handle);
    }

    /// <summary>What the group is for: "world", "data", "tensor".</summary>
    public string Name { get; }

    /// <summary>This process's place in the group, from 0.</summary>
    public int Rank { get; }

    /// <summary>Number of ranks.</summary>
    public int Size { get; }

    /// <summary>What the group's communication has cost this rank. Groups of one count nothing.</summary>
    public CollectiveCounters Counters { get; } = new();

    /// <summary>A group of this process alone.</summary>
    public static ProcessGroup Solo(string name) => new(name, null);

    /// <summary>All ranks of an MPI launch. Collective.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    internal static ProcessGroup World(string name) => new(name, CollectivesLibrary.World());

    /// <summary>The ranks that give the same color (0 or more), ordered by key. Collective over this group.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    internal ProcessGroup Split(string name, int color, int key)
        => _handle is null ? Solo(name) : new ProcessGroup(name, CollectivesLibrary.Split(_handle, color, key));

    /// <summary>Reduces a buffer in place; every rank gets the same result.</summary>
    /// <param name="address">Buffer of <paramref name="elementCount"/> elements.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void AllReduce(nint address, long elementCount, CollectiveDataType type, ReduceOperation operation = ReduceOperation.Sum)
    {
        Require(address, elementCount);
        if (IsAlone)
        {
            return;
        }

        var started = Stopwatch.GetTimestamp();
        CollectivesLibrary.AllReduce(_handle!, type, operation, address, elementCount);
        Counters.AddCall(CollectiveOperation.AllReduce, elementCount * ByteSize(type), started);
    }

    /// <summary>Reduces a buffer of Size parts; rank r gets the r-th part of the result.</summary>
    /// <param name="input">Buffer of Size * <paramref name="elementCount"/> elements.</param>
    /// <param name="output">Buffer of <paramref name="elementCount"/> elements, apart from the input.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void ReduceScatter(nint input, nint output, long elementCount, CollectiveDataType type,
        ReduceOperation operation = ReduceOperation.Sum)
    {
        Require(input, elementCount);
        Require(output, elementCount);
        if (IsAlone)
        {
            Copy(input, output, elementCount * ByteSize(type));
            return;
        }

        var started = Stopwatch.GetTimestamp();
        CollectivesLibrary.ReduceScatter(_handle!, type, operation, input, output, elementCount);
        Counters.AddCall(CollectiveOperation.ReduceScatter, Size * elementCount * ByteSize(type), started);
    }

    /// <summary>Gives every rank the parts of all, in the order of the ranks.</summary>
    /// <param name="input">Buffer of <paramref name="elementCount"/> elements; may be this rank's own part of the output.</param>
    /// <param name="output">Buffer of Size * <paramref name="elementCount"/> elements.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void AllGather(nint input, nint output, long elementCount, CollectiveDataType type)
    {
        Require(input, elementCount);
        Require(output, elementCount);
        if (IsAlone)
        {
            Copy(input, output, elementCount * ByteSize(type));
            return;
        }

        var started = Stopwatch.GetTimestamp();
        CollectivesLibrary.AllGather(_handle!, type, input, output, elementCount);
        Counters.AddCall(CollectiveOperation.AllGather, Size * elementCount * ByteSize(type), started);
    }

    /// <summary>Gives every rank the root's buffer.</summary>
    /// <param name="address">Buffer of <paramref name="elementCount"/> elements.</param>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void Broadcast(nint address, long elementCount, CollectiveDataType type, int root)
    {
        Require(address, elementCount);
        RequireRoot(root);
        if (IsAlone)
        {
            return;
        }

        var started = Stopwatch.GetTimestamp();
        CollectivesLibrary.Broadcast(_handle!, type, address, elementCount, root);
        Counters.AddCall(CollectiveOperation.Broadcast, elementCount * ByteSize(type), started);
    }

    /// <summary>Returns when every rank has come here.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void Barrier()
    {
        if (IsAlone)
        {
            return;
        }

        var started = Stopwatch.GetTimestamp();
        CollectivesLibrary.Barrier(_handle!);
        Counters.AddCall(CollectiveOperation.Barrier, 0, started);
    }

    /// <summary>Starts <see cref="AllReduce"/>; the buffer belongs to the work until it was waited for.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public CollectiveWork StartAllReduce(nint address, long elementCount, CollectiveDataType type,
        ReduceOperation operation = ReduceOperation.Sum)
    {
        Require(address, elementCount);
        if (IsAlone)
        {
            return CollectiveWork.Done;
        }

        var started = Stopwatch.GetTimestamp();
        var work = CollectivesLibrary.StartAllReduce(_handle!, type, operation, address, elementCount);
        return Started(CollectiveOperation.AllReduce, elementCount * ByteSize(type), started, work);
    }

    /// <summary>Starts <see cref="ReduceScatter"/>; both buffers belong to the work until it was waited for.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public CollectiveWork StartReduceScatter(nint input, nint output, long elementCount, CollectiveDataType type,
        ReduceOperation operation = ReduceOperation.Sum)
    {
        Require(input, elementCount);
        Require(output, elementCount);
        if (IsAlone)
        {
            Copy(input, output, elementCount * ByteSize(type));
            return CollectiveWork.Done;
        }

        var started = Stopwatch.GetTimestamp();
        var work = CollectivesLibrary.StartReduceScatter(_handle!, type, operation, input, output, elementCount);
        return Started(CollectiveOperation.ReduceScatter, Size * elementCount * ByteSize(type), started, work);
    }

    /// <summary>Starts <see cref="AllGather"/>; both buffers belong to the work until it was waited for.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public CollectiveWork StartAllGather(nint input, nint output, long elementCount, CollectiveDataType type)
    {
        Require(input, elementCount);
        Require(output, elementCount);
        if (IsAlone)
        {
            Copy(input, output, elementCount * ByteSize(type));
            return CollectiveWork.Done;
        }

        var started = Stopwatch.GetTimestamp();
        var work = CollectivesLibrary.StartAllGather(_handle!, type, input, output, elementCount);
        return Started(CollectiveOperation.AllGather, Size * elementCount * ByteSize(type), started, work);
    }

    /// <summary>Starts <see cref="Broadcast"/>; the buffer belongs to the work until it was waited for.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public CollectiveWork StartBroadcast(nint address, long elementCount, CollectiveDataType type, int root)
    {
        Require(address, elementCount);
        RequireRoot(root);
        if (IsAlone)
        {
            return CollectiveWork.Done;
        }

        var started = Stopwatch.GetTimestamp();
        var work = CollectivesLibrary.StartBroadcast(_handle!, type, address, elementCount, root);
        return Started(CollectiveOperation.Broadcast, elementCount * ByteSize(type), started, work);
    }

    /// <summary>Frees the group. Collective.</summary>
    public void Dispose() => _handle?.Dispose();

    /// <inheritdoc/>
    public override string ToString() => $"{Name} rank {Rank} of {Size}";

    private bool IsAlone => Size == 1;

    private CollectiveWork Started(CollectiveOperation operation, long byteCount, long started, nint work)
    {
        Counters.AddCall(operation, byteCount, started);
        return new CollectiveWork(operation, Counters, work);
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
}
