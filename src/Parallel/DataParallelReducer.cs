using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using TorchSharp;

namespace KvShiftScale.Parallel;

/// <summary>
/// Sums gradients over the data-parallel ranks, a bucket at a time. A bucket's reduction starts inside backward, when its last gradient
/// is in; <see cref="Finish"/> waits for all.
/// </summary>
public sealed class DataParallelReducer : IDisposable
{
    private readonly ParameterBuckets _parameters;
    private readonly ProcessGroup _group;
    private readonly Dictionary<ParameterBucket, CollectiveWork> _started = [];
    private readonly List<torch.Tensor> _buffers = [];

    public DataParallelReducer(ParameterBuckets parameters, ProcessGroup group)
    {
        _parameters = parameters;
        _group = group;
        if (group.Size == 1) return;
        foreach (var bucket in parameters.Buckets) bucket.Completed += Start;
    }

    /// <summary>
    /// Returns when every rank's gradient holds the sum. A parameter that no forward pass used counts as zero. All ranks start their
    /// buckets in the same order, because they run the same model.
    /// </summary>
    public void Finish()
    {
        foreach (var slot in _parameters.Slots) slot.ZeroIfAbsent();
        if (_group.Size == 1) return;
        foreach (var bucket in _parameters.Buckets)
        {
            if (!_started.ContainsKey(bucket)) Start(bucket);
        }
        foreach (var work in _started.Values) work.Wait();
        _started.Clear();
        foreach (var buffer in _buffers) buffer.Dispose();
        _buffers.Clear();
    }

    public void Dispose()
    {
        foreach (var bucket in _parameters.Buckets) bucket.Completed -= Start;
    }

    private void Start(ParameterBucket bucket)
    {
        var gradients = bucket.FlatGradients().DetachFromDisposeScope();
        _buffers.Add(gradients);
        _started[bucket] = _group.StartAllReduce(TensorMemory.Address(gradients), gradients.numel(), CollectiveType(gradients.dtype),
            ReduceOperation.Sum);
    }

    private static CollectiveDataType CollectiveType(torch.ScalarType dtype) => dtype switch
    {
        torch.ScalarType.Float32 => CollectiveDataType.Float32,
        torch.ScalarType.Float64 => CollectiveDataType.Float64,
        torch.ScalarType.BFloat16 => CollectiveDataType.BFloat16,
        _ => throw new ArgumentException($"gradients of type {dtype} cannot be reduced", nameof(dtype)),
    };
}
