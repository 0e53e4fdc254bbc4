using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Optimization;

/// <summary>AdamW with decoupled weight decay (Loshchilov and Hutter 2019) over flat buckets, one call for each.</summary>
public sealed class AdamW : IDisposable
{
    private readonly OptimizerConfig _config;
    private readonly List<BucketState> _states = [];

    public AdamW(ParameterBuckets parameters, OptimizerConfig config)
    {
        _config = config;
        foreach (var bucket in parameters.Buckets)
        {
            _states.Add(new BucketState(bucket,
                zeros(bucket.Length, parameters.DataType, parameters.Device).DetachFromDisposeScope(),
                zeros(bucket.Length, parameters.DataType, parameters.Device).DetachFromDisposeScope()));
        }
    }

    /// <summary>One update. Gradients are multiplied by <paramref name="gradientScale"/>; <paramref name="step"/> counts from 1.</summary>
    public void Step(double learningRate, double gradientScale, long step)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        foreach (var state in _states)
        {
            var parameter = state.Bucket.FlatParameters();
            var gradient = state.Bucket.FlatGradients();
            var decay = state.Bucket.WeightDecay ? _config.WeightDecay : 0;
            if (KernelDataType.Supports(parameter))
            {
                DenseKernels.AdamW(parameter, gradient, state.ExpAvg, state.ExpAvgSq, learningRate, _config.Beta1, _config.Beta2,
                    _config.Epsilon, decay, step, gradientScale);
            }
            else
            {
                Update(parameter, gradient * gradientScale, state, learningRate, decay, step);
            }
        }
    }

    /// <summary>Moments of one parameter as views that the caller disposes: first and second.</summary>
    public (Tensor ExpAvg, Tensor ExpAvgSq) MomentsOf(ParameterSlot slot)
    {
        foreach (var state in _states)
        {
            if (!state.Bucket.Slots.Contains(slot)) continue;
            var length = slot.Parameter.numel();
            return (state.ExpAvg.narrow(0, slot.Offset, length), state.ExpAvgSq.narrow(0, slot.Offset, length));
        }
        throw new ArgumentException($"parameter {slot.Name} does not belong to this optimizer", nameof(slot));
    }

    public void Dispose()
    {
        foreach (var state in _states)
        {
            state.ExpAvg.Dispose();
            state.ExpAvgSq.Dispose();
        }
    }

    // The same update in operations of libtorch, for devices without a fused kernel.
    private void Update(Tensor parameter, Tensor gradient, BucketState state, double learningRate, double decay, long step)
    {
        state.ExpAvg.mul_(_config.Beta1).add_(gradient, 1 - _config.Beta1);
        state.ExpAvgSq.mul_(_config.Beta2).add_(gradient * gradient, 1 - _config.Beta2);
        var first = state.ExpAvg / (1 - Math.Pow(_config.Beta1, step));
        var second = (state.ExpAvgSq / (1 - Math.Pow(_config.Beta2, step))).sqrt() + _config.Epsilon;
        parameter.mul_(1 - learningRate * decay).add_(first / second, -learningRate);
    }

    private sealed record BucketState(ParameterBucket Bucket, Tensor ExpAvg, Tensor ExpAvgSq);
}
