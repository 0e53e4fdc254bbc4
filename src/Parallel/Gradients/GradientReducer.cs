using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>
/// Brings the gradients of all ranks together, a bucket at a time, and the updated parameters after the optimizer: beside backward and the
/// next forward, or in the caller's time.
/// </summary>
public sealed class GradientReducer : IDisposable
{
    private readonly CanonicalReduction? _canonical;
    private readonly BackwardReduction? _inBackward;
    private readonly ParameterGathering? _gathering;
    private readonly CommunicationThread? _thread;
    private readonly Dictionary<ProcessGroup, ProcessGroup> _duplicates = [];

    /// <param name="parameters">Parameters of this rank, all of them.</param>
    /// <param name="replicas">The ranks that hold the same part of the parameters.</param>
    /// <param name="canonical">Sums in an order that does not depend on the number of data-parallel ranks, after backward; null: in MPI's.</param>
    /// <param name="overlap">
    /// Communicates on a thread of its own, which MPI has to allow (<see cref="ParallelContext.AllowsOverlap"/>). Without other replicas or in
    /// canonical order it means nothing. Collective where it is set.
    /// </param>
    /// <param name="shareMemory">Overlapped collectives go through memory that the ranks share where they can; false: through MPI, as on several machines.</param>
    /// <exception cref="InvalidOperationException">Overlap where MPI allows no second thread, or canonical order of gradients that are kept in parts.</exception>
    public GradientReducer(ParameterBuckets parameters, ProcessGroup replicas, CanonicalReduction? canonical = null, bool overlap = false,
        bool shareMemory = true)
    {
        if (canonical is not null && parameters.Buckets.Any(bucket => bucket.KeepsOwnedGradientsOnly))
        {
            throw new InvalidOperationException("sums in canonical order need whole gradients of all leaves; these buckets keep a part of the sums only");
        }

        _canonical = canonical;
        if (overlap && canonical is null && replicas.Size > 1)
        {
            if (!ParallelContext.MpiAllowsThreads)
            {
                throw new InvalidOperationException("overlap needs an MPI that was started with MPI_THREAD_MULTIPLE; ask ParallelContext.AllowsOverlap before");
            }

            replicas = Duplicate(replicas, shareMemory);
            SharedGradients.Place(parameters, replicas);
            foreach (var partial in parameters.Buckets.Select(bucket => bucket.Traits.PartialOver).Where(group => group is { Size: > 1 }))
            {
                Duplicate(partial!, shareMemory);
            }

            // After what can fail, so that nobody has to end it.
            _thread = new CommunicationThread();
        }

        _inBackward = canonical is null
            ? new BackwardReduction(parameters, replicas, group => _duplicates.GetValueOrDefault(group, group), _thread, Reduction) : null;
        _gathering = parameters.IsShared ? new ParameterGathering(parameters, replicas, _thread, Gathering) : null;
    }

    /// <summary>What sums of gradients have cost.</summary>
    public OverlapCounters Reduction { get; } = new();

    /// <summary>What gathering parameters has cost.</summary>
    public OverlapCounters Gathering { get; } = new();

    /// <summary>Whether collectives go on beside the computation.</summary>
    public bool IsOverlapped => _thread is not null;

    /// <summary>Parts of this rank's samples whose gradients are summed apart; 1 where the order is not canonical.</summary>
    public int LeavesPerRank => _canonical?.LeavesPerRank ?? 1;

    /// <summary>Whether sums have an order that does not depend on the number of data-parallel ranks.</summary>
    public bool IsCanonical => _canonical is not null;

    /// <summary>Ends one of <see cref="LeavesPerRank"/> equal parts of the step's micro-batches.</summary>
    public void EndLeaf() => _canonical?.EndLeaf();

    /// <summary>
    /// Begins the next micro-batch of a step, or its backward through a part of the layers. In the backward of the last one a bucket is reduced as soon
    /// as all its gradients are in, in that of any one if ranks keep their part of it only; a caller that never says which is the last has the others
    /// reduced by <see cref="Reduce"/>.
    /// </summary>
    /// <param name="isLast">Whether it is the last micro-batch.</param>
    /// <param name="chunk">Which part of the layers, where each has a backward of its own.</param>
    public void BeginMicroBatch(bool isLast, int chunk = 0) => _inBackward?.BeginMicroBatch(isLast, chunk);

    /// <summary>
    /// Returns when the gradients that this rank updates hold the sum over all ranks. A parameter that no forward pass used counts as
    /// zero. All ranks call it once a step.
    /// </summary>
    /// <exception cref="CollectiveException">A collective failed, be it one that was started long before.</exception>
    public void Reduce()
    {
        if (_inBackward is not null)
        {
            _inBackward.Finish();
            return;
        }

        var begun = Reduction.BeginWait();
        Reduction.BeginTransfer();
        _canonical!.JoinRanks();
        Reduction.EndTransfer();
        Reduction.EndWait(begun);
    }

    /// <summary>
    /// Gives every rank the parameters that the others have updated. All ranks call it once a step; it does nothing where every rank
    /// updates everything. With overlap it returns at once, and a parameter is waited for by who reads it.
    /// </summary>
    public void GatherParameters() => _gathering?.Start();

    /// <summary>Ends what is still under way. Parameters and groups have to outlive it.</summary>
    public void Dispose()
    {
        _thread?.Dispose();
        _inBackward?.Dispose();
        _canonical?.Dispose();
        // Freeing a group in which a collective is pending would wait for it, and the thread may still be inside one.
        if (_thread?.HasGivenUp == true)
        {
            return;
        }

        foreach (var group in _duplicates.Values)
        {
            group.Dispose();
        }

        _gathering?.Dispose();
    }

    private ProcessGroup Duplicate(ProcessGroup group, bool shareMemory)
    {
        if (!_duplicates.TryGetValue(group, out var own))
        {
            own = group.Duplicate($"{group.Name} beside", shareMemory);
            _duplicates.Add(group, own);
        }

        return own;
    }
}
