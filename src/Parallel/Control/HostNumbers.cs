using System.Runtime.CompilerServices;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Control;

/// <summary>What ranks tell each other about a run: a few numbers of the host, never a tensor. All are collective, and identities on one rank.</summary>
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
        fixed (T* mine = own)
        fixed (T* theirs = all)
        {
            group.AllGather((nint)mine, (nint)theirs, own.Length, TypeOf<T>(), file, line);
        }

        return [.. all.Chunk(own.Length)];
    }

    // Pinned, so that nothing moves them while ranks wait for each other.
    private static unsafe void Reduce<T>(ProcessGroup group, Span<T> numbers, ReduceOperation operation, string file, int line) where T : unmanaged
    {
        fixed (T* first = numbers)
        {
            group.AllReduce((nint)first, numbers.Length, TypeOf<T>(), operation, file, line);
        }
    }

    private static CollectiveDataType TypeOf<T>() where T : unmanaged
        => typeof(T) == typeof(int) ? CollectiveDataType.Int32
            : typeof(T) == typeof(long) ? CollectiveDataType.Int64
            : typeof(T) == typeof(float) ? CollectiveDataType.Float32
            : typeof(T) == typeof(double) ? CollectiveDataType.Float64
            : throw new NotSupportedException($"ranks exchange int, long, float and double, not {typeof(T).Name}");
}
