using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>
/// Brings the gradients of all ranks together, a bucket at a time, and the updated parameters after the optimizer: beside backward and the
/// next forward, or in the caller's time.
/// </summary>
public sealed class GradientReducer : IDisposable
{
    private readonly ParameterBuckets _parameters;
    private readonly ProcessGroup _replicas;
    private readonly CanonicalReduction? _canonical;
    private readonly OverlappedReduction? _overlapped;

    /// <param name="parameters">Parameters of this rank, all of them.</param>
    /// <param name="replicas">The ranks that hold the same part of the parameters.</param>
    /// <param name="canonical">Sums in an order that does not depend on the number of data-parallel ranks, after backward; null: in MPI's.</param>
    /// <param name="overlap">
    /// Communicates on a thread of its own, which MPI has to allow (<see cref="ParallelContext.AllowsOverlap"/>). Without other replicas or in
    /// canonical order it means nothing. Collective where it is set.
    /// </param>
    /// <param name="shareMemory">Overlapped collectives go through memory that the ranks share where they can; false: through MPI, as on several machines.</param>
    /// <exception cref="InvalidOperationException">Overlap where MPI allows no second thread.</exception>
    public GradientReducer(ParameterBuckets parameters, ProcessGroup replicas, CanonicalReduction? canonical = null, bool overlap = false,
        bool shareMemory = true)
    {
        (_parameters, _replicas, _canonical) = (parameters, replicas, canonical);
        if (!overlap || canonical is not null || replicas.Size == 1)
        {
            return;
        }

        if (!ParallelContext.MpiAllowsThreads)
        {
            throw new InvalidOperationException("overlap needs an MPI that was started with MPI_THREAD_MULTIPLE; ask ParallelContext.AllowsOverlap before");
        }

        _overlapped = new OverlappedReduction(parameters, replicas, Reduction, Gathering, shareMemory);
    }

    /// <summary>What sums of gradients have cost.</summary>
    public OverlapCounters Reduction { get; } = new();

    /// <summary>What gathering parameters has cost.</summary>
    public OverlapCounters Gathering { get; } = new();

    /// <summary>Whether collectives go on beside the computation.</summary>
    public bool IsOverlapped => _overlapped is not null;

    /// <summary>Parts of this rank's samples whose gradients are summed apart; 1 where the order is not canonical.</summary>
    public int LeavesPerRank => _canonical?.LeavesPerRank ?? 1;

    /// <summary>Whether sums have an order that does not depend on the number of data-parallel ranks.</summary>
    public bool IsCanonical => _canonical is not null;

    /// <summary>Ends one of <see cref="LeavesPerRank"/> equal parts of the step's micro-batches.</summary>
    public void EndLeaf() => _canonical?.EndLeaf();

    /// <summary>
    /// Begins the next micro-batch of a step. In the backward of the last one a bucket is reduced as soon as all its gradients are in; a
    /// caller that never says which is the last has them reduced by <see cref="Reduce"/>.
    /// </summary>
    public void BeginMicroBatch(bool isLast) => _overlapped?.BeginMicroBatch(isLast);

    /// <summary>
    /// Returns when the gradients that this rank updates hold the sum over all ranks. A parameter that no forward pass used counts as
    /// zero. All ranks call it once a step.
    /// </summary>
    /// <exception cref="CollectiveException">A collective failed, be it one that was started long before.</exception>
    public void Reduce()
    {
        if (_overlapped is not null)
        {
            _overlapped.Finish();
            return;
        }
        var begun = Reduction.BeginWait();
        Reduction.BeginTransfer();
        if (_canonical is not null)
        {
            _canonical.JoinRanks();
        }
        else
        {
            ReduceNow();
        }

        Reduction.EndTransfer();
        Reduction.EndWait(begun);
    }

    /// <summary>
    /// Gives every rank the parameters that the others have updated. All ranks call it once a step; it does nothing where every rank
    /// updates everything. With overlap it returns at once, and a parameter is waited for by who reads it.
    /// </summary>
    public void GatherParameters()
    {
        if (!_parameters.IsShared)
        {
            return;
        }

        if (_overlapped is not null)
        {
            _overlapped.StartGathering();
            return;
        }
        var begun = Gathering.BeginWait();
        Gathering.BeginTransfer();
        using var scope = NewDisposeScope();
        foreach (var bucket in _parameters.Buckets)
        {
            var (all, owned) = (bucket.FlatParameters(), bucket.OwnedParameters());
            _replicas.Collectives.AllGather(owned, all);
        }
        Gathering.EndTransfer();
        Gathering.EndWait(begun);
    }

    /// <summary>Ends what is still under way. Parameters and groups have to outlive it.</summary>
    public void Dispose()
    {
        _overlapped?.Dispose();
        _canonical?.Dispose();
    }

    private void ReduceNow()
    {
        foreach (var slot in _parameters.Slots)
        {
            slot.ZeroIfAbsent();
        }

        using var scope = NewDisposeScope();
        foreach (var bucket in _parameters.Buckets)
        {
            var gradients = bucket.FlatGradients();
            bucket.Traits.PartialOver?.AllReduce(gradients);
            if (!_parameters.IsShared)
            {
                _replicas.AllReduce(gradients);
            }
            else
            {
                _replicas.Collectives.ReduceScatter(gradients, bucket.OwnedGradients());
            }
        }
    }
}
