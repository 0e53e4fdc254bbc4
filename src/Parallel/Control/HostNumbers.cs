using System.Runtime.CompilerServices;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Control;

/// <summary>
/// What ranks tell each other about a run: a few numbers of the host, never a tensor, in messages of MPI whatever moves tensors. All are collective,
/// and identities on one rank.
/// </summary>
public static class HostNumbers
{
    /// <summary>Replaces each number by its sum over the ranks.</summary>
    public static void Sum<T>(this ProcessGroup group, Span<T> numbers, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where T : unmanaged
        => Reduce(group, numbers, ReduceOperation.Sum, file, line);

    /// <summary>Replaces each number by the largest of the ranks'.</summary>
    public static void Max<T>(this ProcessGroup group, Span<T> numbers, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where T : unmanaged
        => Reduce(group, numbers, ReduceOperation.Max, file, line);

    /// <summary>The sum of a number over the ranks.</summary>
    public static T Sum<T>(this ProcessGroup group, T number, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) where T : unmanaged
    {
        Sum(group, new Span<T>(ref number), file, line);
        return number;
    }

    /// <summary>Whether any rank says so.</summary>
    public static bool Any(this ProcessGroup group, bool own, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var any = own ? 1L : 0;
        Max(group, new Span<long>(ref any), file, line);
        return any > 0;
    }

    /// <summary>The numbers of every rank, by rank.</summary>
    /// <param name="group">The ranks.</param>
    /// <param name="own">As many on every rank.</param>
    /// <param name="file">The caller's.</param>
    /// <param name="line">The caller's.</param>
    public static unsafe T[][] Gather<T>(this ProcessGroup group, ReadOnlySpan<T> own, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where T : unmanaged
    {
        if (group.Size == 1)
        {
            return [own.ToArray()];
        }

        var all = new T[(long)own.Length * group.Size];
        var call = group.Ledger.Begin(new CollectiveCall(CollectiveOperation.AllGather, TypeOf<T>(), own.Length, -1, file, line), (long)all.Length * sizeof(T));
        fixed (T* mine = own)
        fixed (T* theirs = all)
        {
            CollectivesLibrary.AllGather(group.Handle!, TypeOf<T>(), (nint)mine, (nint)theirs, own.Length);
        }

        group.Ledger.End(call);

        return [.. all.Chunk(own.Length)];
    }

    /// <summary>Returns when every rank has come here.</summary>
    public static void Barrier(this ProcessGroup group, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        if (group.Size == 1)
        {
            return;
        }

        var call = group.Ledger.Begin(new CollectiveCall(CollectiveOperation.Barrier, null, 0, -1, file, line), 0);
        CollectivesLibrary.Barrier(group.Handle!);
        group.Ledger.End(call);
    }

    // Pinned, so that nothing moves them while ranks wait for each other.
    private static unsafe void Reduce<T>(ProcessGroup group, Span<T> numbers, ReduceOperation operation, string file, int line) where T : unmanaged
    {
        if (group.Size == 1)
        {
            return;
        }

        var call = group.Ledger.Begin(new CollectiveCall(CollectiveOperation.AllReduce, TypeOf<T>(), numbers.Length, (int)operation, file, line),
            (long)numbers.Length * sizeof(T));
        fixed (T* first = numbers)
        {
            CollectivesLibrary.AllReduce(group.Handle!, TypeOf<T>(), operation, (nint)first, numbers.Length);
        }

        group.Ledger.End(call);
    }

    private static CollectiveDataType TypeOf<T>() where T : unmanaged
        => typeof(T) == typeof(int) ? CollectiveDataType.Int32
            : typeof(T) == typeof(long) ? CollectiveDataType.Int64
            : typeof(T) == typeof(float) ? CollectiveDataType.Float32
            : typeof(T) == typeof(double) ? CollectiveDataType.Float64
            : throw new NotSupportedException($"ranks exchange int, long, float and double, not {typeof(T).Name}");
}
