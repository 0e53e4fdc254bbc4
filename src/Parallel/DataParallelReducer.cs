using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using TorchSharp;

namespace KvShiftScale.Parallel;

/// <summary>
/// Sums gradients over the data-parallel ranks, a bucket at a time, after backward. On CPU ranks that fill the cores a reduction
/// started inside backward does not overlap with it: MPI moves data only while a rank is inside it, and the started form is slower
/// than the blocking one (docs/performance.md).
/// </summary>
public sealed class DataParallelReducer(ParameterBuckets parameters, ProcessGroup group)
{
    /// <summary>
    /// Returns when every rank's gradient holds the sum. A parameter that no forward pass used counts as zero. All ranks call it once a
    /// step.
    /// </summary>
    public void Reduce()
    {
        foreach (var slot in parameters.Slots) slot.ZeroIfAbsent();
        if (group.Size == 1) return;
        foreach (var bucket in parameters.Buckets)
        {
            using var gradients = bucket.FlatGradients();
            group.AllReduce(TensorMemory.Address(gradients), gradients.numel(), CollectiveType(gradients.dtype), ReduceOperation.Sum);
        }
    }

    private static CollectiveDataType CollectiveType(torch.ScalarType dtype) => dtype switch
    {
        torch.ScalarType.Float32 => CollectiveDataType.Float32,
        torch.ScalarType.Float64 => CollectiveDataType.Float64,
        torch.ScalarType.BFloat16 => CollectiveDataType.BFloat16,
        _ => throw new ArgumentException($"gradients of type {dtype} cannot be reduced", nameof(dtype)),
    };
}
