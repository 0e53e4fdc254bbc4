using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Optimization;

/// <summary>
/// AdamW with decoupled weight decay (Loshchilov and Hutter 2019) over the part of each flat bucket that this rank updates, one call
/// for each. Parameters of fewer bits than the gradients have a master copy in the gradients' type.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly OptimizerConfig _config;
    private readonly List<BucketState> _states = [];

    public AdamW(ParameterBuckets parameters, OptimizerConfig config)
    {
        _config = config;
        using var scope = NewDisposeScope();
        var hasMaster = parameters.DataType != parameters.GradientType;
        foreach (var bucket in parameters.Buckets)
        {
            _states.Add(new BucketState(bucket, hasMaster ? New() : null, New(), New()));

            Tensor New() => zeros(bucket.OwnedLength, parameters.GradientType, parameters.Device).DetachFromDisposeScope();
        }
        if (hasMaster)
        {
            TakeMasters();
        }
    }

    /// <summary>Bytes of master copies and moments on this rank.</summary>
    public long StateBytes => _states.Sum(state
        => (state.ExpAvg.numel() + state.ExpAvgSq.numel() + (state.Master?.numel() ?? 0)) * (state.ExpAvg.dtype == ScalarType.Float64 ? 8 : 4));

    /// <summary>
    /// One update of the owned parts. Gradients are multiplied by <paramref name="gradientScale"/>; <paramref name="step"/> counts from 1.
    /// </summary>
    public void Step(double learningRate, double gradientScale, long step)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        foreach (var state in _states)
        {
            var parameter = state.Bucket.OwnedParameters();
            var master = state.Master ?? parameter;
            var gradient = state.Bucket.OwnedGradients();
            var decay = state.Bucket.Traits.WeightDecay ? _config.WeightDecay : 0;
            state.Bucket.Kernels.AdamW(master, gradient, state.ExpAvg, state.ExpAvgSq, learningRate, _config.Beta1, _config.Beta2,
                _config.Epsilon, decay, step, gradientScale);
            if (state.Master is not null)
            {
                parameter.copy_(master);
            }
        }
    }

    /// <summary>
    /// Takes the master copies anew from the parameters, after these were initialised or loaded without masters. Without masters it does
    /// nothing.
    /// </summary>
    public void TakeMasters()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        foreach (var state in _states)
        {
            state.Master?.copy_(state.Bucket.OwnedParameters());
        }
    }

    /// <summary>
    /// The state of the elements of <paramref name="slot"/> that this rank updates, as views that the caller disposes. None where it
    /// updates no element of it.
    /// </summary>
    public OptimizerSlice? StateOf(ParameterSlot slot)
    {
        foreach (var state in _states)
        {
            if (!state.Bucket.Slots.Contains(slot))
            {
                continue;
            }

            var start = Math.Max(slot.Offset, state.Bucket.OwnedStart);
            var end = Math.Min(slot.Offset + slot.Parameter.numel(), state.Bucket.OwnedStart + state.Bucket.OwnedLength);
            if (end <= start)
            {
                return null;
            }

            return new OptimizerSlice(start - slot.Offset, end - start, View(state.Master), View(state.ExpAvg)!, View(state.ExpAvgSq)!);

            Tensor? View(Tensor? whole) => whole?.narrow(0, start - state.Bucket.OwnedStart, end - start);
        }
        throw new ArgumentException($"parameter {slot.Name} does not belong to this optimizer", nameof(slot));
    }

    public void Dispose()
    {
        foreach (var state in _states)
        {
            state.Master?.Dispose();
            state.ExpAvg.Dispose();
            state.ExpAvgSq.Dispose();
        }
    }

    private sealed record BucketState(ParameterBucket Bucket, Tensor? Master, Tensor ExpAvg, Tensor ExpAvgSq);
}
