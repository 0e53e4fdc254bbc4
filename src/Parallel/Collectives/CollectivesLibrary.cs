using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Native;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// The collectives of libkvshift (native/include/kvshift_collectives.h), of the MPI that <see cref="MpiLibrary"/> has loaded. A status other than success becomes a <see cref="CollectiveException"/>
/// with the library's text. Calls may come from any thread, one at a time for each group; for different groups at the same time where MPI
/// allows it (<see cref="ParallelContext.AllowsOverlap"/>).
/// </summary>
internal static partial class CollectivesLibrary
{
    private const string Library = MpiLibrary.Collectives;

    static CollectivesLibrary() => KvShiftLibrary.ResolveFor(typeof(CollectivesLibrary).Assembly);

    /// <summary>All ranks of the launch. Collective.</summary>
    public static GroupHandle World()
    {
        Check(kvs_world(out var group));
        return group;
    }

    /// <summary>The ranks of <paramref name="parent"/> that give the same color (0 or more), ordered by key. Collective.</summary>
    public static GroupHandle Split(GroupHandle parent, int color, int key)
    {
        Check(kvs_group_split(parent, color, key, out var group));
        return group;
    }

    /// <summary>Lets blocking sums and gathers go through memory that the ranks share; false where they cannot. Collective.</summary>
    public static bool ShareMemory(GroupHandle group)
    {
        Check(kvs_group_share_memory(group, out var shared));
        return shared != 0;
    }

    /// <summary>Anonymous memory to be mapped, null where there is no room for it.</summary>
    public static SafeFileHandle? SharedFile(long byteCount)
    {
        Check(kvs_shared_file(byteCount, out var file));
        return file < 0 ? null : new SafeFileHandle(file, ownsHandle: true);
    }

    /// <summary>
    /// From now on sums over buffers in the file's mapping at <paramref name="address"/>, whose beginning becomes zero, need no copies; false
    /// where some rank has no such file, or cannot map those of others. Collective.
    /// </summary>
    public static bool ShareArea(GroupHandle group, SafeFileHandle? file, nint address, long byteCount)
    {
        Check(kvs_group_share_area(group, file is null ? -1 : (int)file.DangerousGetHandle(), address, byteCount, out var shared));
        GC.KeepAlive(file);
        return shared != 0;
    }

    public static int Rank(GroupHandle group)
    {
        Check(kvs_group_rank(group, out var rank));
        return rank;
    }

    public static int Size(GroupHandle group)
    {
        Check(kvs_group_size(group, out var size));
        return size;
    }

    /// <summary>Whether the group could be freed; a release cannot throw.</summary>
    public static bool Free(nint group) => kvs_group_free(group) == 0;

    public static void AllReduce(GroupHandle group, CollectiveDataType type, ReduceOperation operation, nint data, long count)
        => Check(kvs_all_reduce(group, type, operation, data, count));

    public static void ReduceScatter(GroupHandle group, CollectiveDataType type, ReduceOperation operation, nint input, nint output,
        long count)
        => Check(kvs_reduce_scatter(group, type, operation, input, output, count));

    public static void AllGather(GroupHandle group, CollectiveDataType type, nint input, nint output, long count)
        => Check(kvs_all_gather(group, type, input, output, count));

    public static void Broadcast(GroupHandle group, CollectiveDataType type, nint data, long count, int root)
        => Check(kvs_broadcast(group, type, data, count, root));

    public static void Barrier(GroupHandle group) => Check(kvs_barrier(group));

    public static nint StartAllReduce(GroupHandle group, CollectiveDataType type, ReduceOperation operation, nint data, long count)
    {
        Check(kvs_all_reduce_start(group, type, operation, data, count, out var work));
        return work;
    }

    public static void Send(GroupHandle group, CollectiveDataType type, nint data, long count, int receiver)
        => Check(kvs_send(group, type, data, count, receiver));

    public static void Receive(GroupHandle group, CollectiveDataType type, nint data, long count, int sender)
        => Check(kvs_receive(group, type, data, count, sender));

    public static nint StartSend(GroupHandle group, CollectiveDataType type, nint data, long count, int receiver)
    {
        Check(kvs_send_start(group, type, data, count, receiver, out var work));
        return work;
    }

    public static nint StartReceive(GroupHandle group, CollectiveDataType type, nint data, long count, int sender)
    {
        Check(kvs_receive_start(group, type, data, count, sender, out var work));
        return work;
    }

    /// <summary>Whether started work is done.</summary>
    public static bool Test(nint work)
    {
        Check(kvs_test(work, out var done));
        return done != 0;
    }

    /// <summary>Whether started work is done within that time, in which the thread sleeps most of the time.</summary>
    public static bool TestFor(nint work, long microseconds)
    {
        Check(kvs_test_for(work, microseconds, out var done));
        return done != 0;
    }

    /// <summary>Returns when started work is done, and frees it.</summary>
    public static void Wait(nint work) => Check(kvs_wait(work));

    private static void Check(int status)
    {
        if (status != 0)
        {
            throw new CollectiveException(Marshal.PtrToStringUTF8(kvs_collectives_last_error())!);
        }
    }

    [LibraryImport(Library)]
    private static partial nint kvs_collectives_last_error();

    [LibraryImport(Library)]
    private static partial int kvs_world(out GroupHandle group);

    [LibraryImport(Library)]
    private static partial int kvs_group_split(GroupHandle parent, int color, int key, out GroupHandle group);

    [LibraryImport(Library)]
    private static partial int kvs_group_share_memory(GroupHandle group, out int shared);

    [LibraryImport(Library)]
    private static partial int kvs_shared_file(long bytes, out int file);

    [LibraryImport(Library)]
    private static partial int kvs_group_share_area(GroupHandle group, int file, nint data, long bytes, out int shared);

    [LibraryImport(Library)]
    private static partial int kvs_group_free(nint group);

    [LibraryImport(Library)]
    private static partial int kvs_group_rank(GroupHandle group, out int rank);

    [LibraryImport(Library)]
    private static partial int kvs_group_size(GroupHandle group, out int size);

    [LibraryImport(Library)]
    private static partial int kvs_all_reduce(GroupHandle group, CollectiveDataType dtype, ReduceOperation operation, nint data, long count);

    [LibraryImport(Library)]
    private static partial int kvs_reduce_scatter(GroupHandle group, CollectiveDataType dtype, ReduceOperation operation, nint input,
        nint output, long count);

    [LibraryImport(Library)]
    private static partial int kvs_all_gather(GroupHandle group, CollectiveDataType dtype, nint input, nint output, long count);

    [LibraryImport(Library)]
    private static partial int kvs_broadcast(GroupHandle group, CollectiveDataType dtype, nint data, long count, int root);

    [LibraryImport(Library)]
    private static partial int kvs_barrier(GroupHandle group);

    [LibraryImport(Library)]
    private static partial int kvs_all_reduce_start(GroupHandle group, CollectiveDataType dtype, ReduceOperation operation, nint data,
        long count, out nint work);

    [LibraryImport(Library)]
    private static partial int kvs_send(GroupHandle group, CollectiveDataType dtype, nint data, long count, int receiver);

    [LibraryImport(Library)]
    private static partial int kvs_receive(GroupHandle group, CollectiveDataType dtype, nint data, long count, int sender);

    [LibraryImport(Library)]
    private static partial int kvs_send_start(GroupHandle group, CollectiveDataType dtype, nint data, long count, int receiver, out nint work);

    [LibraryImport(Library)]
    private static partial int kvs_receive_start(GroupHandle group, CollectiveDataType dtype, nint data, long count, int sender, out nint work);

    [LibraryImport(Library)]
    private static partial int kvs_test(nint work, out int done);

    [LibraryImport(Library)]
    private static partial int kvs_test_for(nint work, long microseconds, out int done);

    [LibraryImport(Library)]
    private static partial int kvs_wait(nint work);
}
