using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Collectives;

/// <summary>A process alone: every operation is the identity or a copy.</summary>
public sealed class SingleProcessTests
{
    [Fact]
    public void The_kernels_need_no_MPI()
    {
        using var three = ones(3);
        using var sum = zeros([], ScalarType.Float64);
        new HostKernels(ScalarType.Float32).AddSquares(three, sum);
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
        Assert.Equal([0, 0, 0, 0], context.Coordinates);
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
    public void Operations_alone_keep_or_copy_and_count_nothing()
    {
        using var group = ProcessGroup.Solo("world");
        using var scope = NewDisposeScope();
        float[] values = [1.5f, -2f, 3f];
        var (data, scattered, gathered) = (tensor(values), zeros(3), zeros(3));
        group.AllReduce(data, ReduceOperation.Max);
        group.Collectives.Broadcast(data, root: 0);
        group.Collectives.ReduceScatter(data, scattered);
        group.Collectives.AllGather(data, gathered);
        group.Barrier();

        Assert.All([data, scattered, gathered], tensor => Assert.Equal(values, tensor.data<float>().ToArray()));
        Assert.All(group.Ledger.Counters.Snapshot(), totals => Assert.Equal((0L, 0L, 0.0), (totals.Calls, totals.ByteCount, totals.Seconds)));
    }

    [Fact]
    public void Tensors_alone_stay_on_their_device()
    {
        using var group = ProcessGroup.Solo("tensor");
        using var scope = NewDisposeScope();
        var elsewhere = zeros([2, 3], device: new Device(TorchSharp.DeviceType.META));
        group.AllReduce(elsewhere);
        Assert.All([group.AllGatherRows(elsewhere), group.ReduceScatterRows(elsewhere)],
            rows => Assert.Equal((TorchSharp.DeviceType.META, 2, 3), (rows.device_type, rows.size(0), rows.size(1))));
    }

    [Fact]
    public void Numbers_and_texts_alone_are_kept()
    {
        using var group = ProcessGroup.Solo("data");
        Assert.Equal(41L, group.Sum(41L));
        Assert.True(group.Any(true));
        Assert.Equal([[1, 2]], group.Gather<int>([1, 2]));
        Assert.Equal(["own"], group.AllGatherTexts("own"));
    }

    [Fact]
    public void Arguments_are_checked_alone_as_among_many()
    {
        using var group = ProcessGroup.Solo("tensor");
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentException>(() => group.Collectives.AllGather(zeros(2), zeros(3)));
        Assert.Throws<ArgumentException>(() => group.Collectives.ReduceScatter(zeros(2), zeros(2, ScalarType.Float64)));
        Assert.Throws<ArgumentException>(() => group.AllReduce(zeros(2, ScalarType.Bool)));
        Assert.Throws<InvalidOperationException>(() => group.Collectives.Send(zeros(2), 0));
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => group.Collectives.Broadcast(zeros(1), root: 1));
        Assert.Contains("The tensor group has ranks 0 to 0.", exception.Message, StringComparison.Ordinal);
    }
}
