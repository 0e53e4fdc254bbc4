using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>Sums buckets of gradients over ranks as backward fills them, in <see cref="ReductionOrder"/>.</summary>
internal sealed class BackwardReduction : IDisposable
{
    private readonly CommunicationThread? _thread;
    private readonly BucketReduction[] _reductions;
    private readonly ReductionOrder _order;

    /// <param name="parameters">Parameters of this rank.</param>
    /// <param name="replicas">The ranks that hold the same part of the parameters.</param>
    /// <param name="partial">The group that a bucket's own is exchanged for.</param>
    /// <param name="thread">Communicates beside backward; null: the caller does.</param>
    /// <param name="counters">Where its time is counted.</param>
    public BackwardReduction(ParameterBuckets parameters, ProcessGroup replicas, Func<ProcessGroup, ProcessGroup> partial, CommunicationThread? thread,
        OverlapCounters counters)
    {
        _thread = thread;
        _reductions = [.. parameters.Buckets.Select(bucket => new BucketReduction(bucket, replicas,
            bucket.Traits.PartialOver is { Size: > 1 } group ? partial(group) : null, thread, counters, sum => _order!.Open(sum), () => _order!.StartReady()))];
        _order = new ReductionOrder(_reductions, isBeside: thread is not null);
        foreach (var reduction in _reductions.Where(_order.Listening.Contains))
        {
            reduction.Listen();
        }
    }

    /// <inheritdoc cref="ReductionOrder.BeginMicroBatch"/>
    public void BeginMicroBatch(bool isLast, int chunk) => _order.BeginMicroBatch(isLast, chunk);

    /// <inheritdoc cref="ReductionOrder.Finish"/>
    public void Finish() => _order.Finish();

    public void Dispose()
    {
        foreach (var reduction in _reductions)
        {
            reduction.Ignore();
            // What was given up may still be written to.
            if (_thread?.HasGivenUp != true)
            {
                reduction.DisposeViews();
            }
        }
    }
}
