using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Parallel.Tests.Collectives;

/// <summary>A process alone: every operation is the identity or a copy.</summary>
public sealed class SingleProcessTests
{
    [Fact]
    public void The_kernels_need_no_MPI()
    {
        using var three = TorchSharp.torch.ones(3);
        using var sum = TorchSharp.torch.zeros([], TorchSharp.torch.ScalarType.Float64);
        new HostKernels(TorchSharp.torch.ScalarType.Float32).AddSquares(three, sum);
        Assert.Equal(3, sum.item<double>());
        Assert.Throws<InvalidOperationException>(() => ParallelContext.Create(new ParallelConfig(), launchedByMpi: true));
        var loaded = File.ReadLines("/proc/self/maps").Select(line => Path.GetFileName(line)).Distinct().ToList();
        Assert.Contains("libkvshift.so", loaded);
        Assert.DoesNotContain(loaded, name => name.StartsWith("libmpi", StringComparison.Ordinal) || name.StartsWith("libkvshift_collectives", StringComparison.Ordinal));
    }

    [Fact]
    public void Groups_of_a_single_process_have_one_rank()
    {
        using var context = ParallelContext.Single();
        Assert.All([context.World, context.Data, context.Tensor], group => Assert.Equal((0, 1), (group.Rank, group.Size)));
        Assert.Equal(new MeshCoordinates(0, 0, 0), context.Coordinates);
        Assert.Equal("kept", context.BroadcastText("kept"));
    }

    [Fact]
    public void A_process_that_mpirun_did_not_start_cannot_have_tensor_parallelism()
    {
        var exception = Assert.Throws<MeshLayoutException>(
            () => ParallelContext.Create(new ParallelConfig { Tensor = 2 }, launchedByMpi: false));
        Assert.Equal(
            "parallel.tensor is 2, but 1 rank was launched, which cannot be divided into groups of 2; "
            + "set parallel.tensor to 1 or launch 2 ranks.",
            exception.Message);
    }

    [Fact]
    public unsafe void Operations_alone_keep_or_copy_and_count_nothing()
    {
        using var group = ProcessGroup.Solo("world");
        float[] data = [1.5f, -2f, 3f];
        var scattered = new float[3];
        var gathered = new float[3];
        fixed (float* source = data, scatterTarget = scattered, gatherTarget = gathered)
        {
            group.AllReduce((nint)source, 3, CollectiveDataType.Float32);
            group.Broadcast((nint)source, 3, CollectiveDataType.Float32, root: 0);
            group.ReduceScatter((nint)source, (nint)scatterTarget, 3, CollectiveDataType.Float32);
            group.AllGather((nint)source, (nint)gatherTarget, 3, CollectiveDataType.Float32);
            group.Barrier();
            var work = group.StartAllReduce((nint)source, 3, CollectiveDataType.Float32, ReduceOperation.Max);
            Assert.True(work.IsCompleted);
            work.Wait();
        }

        Assert.Equal([1.5f, -2f, 3f], data);
        Assert.Equal([1.5f, -2f, 3f], scattered);
        Assert.Equal([1.5f, -2f, 3f], gathered);
        Assert.All(group.Counters.Snapshot(), totals => Assert.Equal((0L, 0L, 0.0), (totals.Calls, totals.ByteCount, totals.Seconds)));
    }

    [Fact]
    public unsafe void Started_copies_alone_are_done_at_once()
    {
        using var group = ProcessGroup.Solo("data");
        var memory = (long*)NativeMemory.AllocZeroed(3, sizeof(long));
        memory[0] = 41;
        group.StartReduceScatter((nint)memory, (nint)(memory + 1), 1, CollectiveDataType.Int64).Wait();
        group.StartAllGather((nint)memory, (nint)(memory + 2), 1, CollectiveDataType.Int64).Wait();
        group.StartBroadcast((nint)memory, 1, CollectiveDataType.Int64, root: 0).Wait();
        Assert.Equal((41, 41, 41), (memory[0], memory[1], memory[2]));
        NativeMemory.Free(memory);
    }

    [Fact]
    public void Arguments_are_checked_alone_as_among_many()
    {
        using var group = ProcessGroup.Solo("tensor");
        Assert.Throws<ArgumentOutOfRangeException>(() => group.AllReduce(8, -1, CollectiveDataType.Float32));
        Assert.Throws<ArgumentException>(() => group.AllReduce(0, 1, CollectiveDataType.Float32));
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => group.Broadcast(8, 1, CollectiveDataType.Float32, root: 1));
        Assert.Contains("The tensor group has ranks 0 to 0.", exception.Message, StringComparison.Ordinal);
    }
}
