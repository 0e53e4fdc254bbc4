using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel;

/// <summary>
/// Brings the gradients of all ranks together after backward, a bucket at a time, and the updated parameters after the optimizer.
/// On CPU ranks that fill the cores a reduction started inside backward does not overlap with it: MPI moves data only while a rank
/// is inside it, and the started form is slower than the blocking one (docs/performance.md).
/// </summary>
/// <param name="parameters">Parameters of this rank.</param>
/// <param name="replicas">The ranks that hold the same part of the parameters.</param>
/// <param name="canonical">Sums in an order that does not depend on the number of data-parallel ranks; null: in MPI's.</param>
public sealed class GradientReducer(ParameterBuckets parameters, ProcessGroup replicas, CanonicalReduction? canonical = null) : IDisposable
{
    /// <summary>Parts of this rank's samples whose gradients are summed apart; 1 where the order is not canonical.</summary>
    public int LeavesPerRank => canonical?.LeavesPerRank ?? 1;

    /// <summary>Whether sums have an order that does not depend on the number of data-parallel ranks.</summary>
    public bool IsCanonical => canonical is not null;

    /// <summary>Ends one of <see cref="LeavesPerRank"/> equal parts of the step's micro-batches.</summary>
    public void EndLeaf() => canonical?.EndLeaf();

    /// <summary>
    /// Returns when the gradients that this rank updates hold the sum over all ranks. A parameter that no forward pass used counts as
    /// zero. All ranks call it once a step.
    /// </summary>
    public void Reduce()
    {
        if (canonical is not null)
        {
            canonical.JoinRanks();
            return;
        }
        foreach (var slot in parameters.Slots) slot.ZeroIfAbsent();
        using var scope = NewDisposeScope();
        foreach (var bucket in parameters.Buckets)
        {
            var gradients = bucket.FlatGradients();
            bucket.Traits.PartialOver?.AllReduce(gradients);
            if (!parameters.IsShared) replicas.AllReduce(gradients);
            else ReduceOwned(bucket, gradients);
        }
    }

    /// <summary>
    /// Gives every rank the parameters that the others have updated. All ranks call it once a step; it does nothing where every rank
    /// updates everything.
    /// </summary>
    public void GatherParameters()
    {
        if (!parameters.IsShared) return;
        using var scope = NewDisposeScope();
        foreach (var bucket in parameters.Buckets)
        {
            var (all, owned) = (bucket.FlatParameters(), bucket.OwnedParameters());
            replicas.AllGather(TensorMemory.Address(owned), TensorMemory.Address(all), owned.numel(), TensorCollectives.ElementType(all));
        }
    }

    public void Dispose() => canonical?.Dispose();

    // The output of a reduce-scatter has to be apart from its input, so it takes a detour.
    private void ReduceOwned(ParameterBucket bucket, Tensor gradients)
    {
        using var scope = NewDisposeScope();
        var sum = empty(bucket.OwnedLength, gradients.dtype);
        replicas.ReduceScatter(TensorMemory.Address(gradients), TensorMemory.Address(sum), sum.numel(), TensorCollectives.ElementType(sum));
        using var mode = no_grad();
        bucket.OwnedGradients().copy_(sum);
    }
}
