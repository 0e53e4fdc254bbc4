using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>
/// Sums buckets of gradients over ranks as backward fills them: in the backward of a step's last micro-batch, where a thread communicates beside it; in
/// every one those of which a rank keeps its part only. What backward does not start, <see cref="Finish"/> does.
/// </summary>
/// <remarks>
/// Buckets start in reverse order of allocation, which is about the order of backward and the same on every rank: one that is ready waits for those
/// before it. Those of which ranks keep their part come before the others: backward waits for them, and must not wait behind a sum over ranks that are
/// at other layers.
/// </remarks>
internal sealed class BackwardReduction : IDisposable
{
    // Whole gradients that exist beside those that backward writes to, where ranks keep their part only.
    private const int MostUnderWay = 2;

    private readonly CommunicationThread? _thread;
    private readonly BucketReduction[] _ofEveryMicroBatch;
    private readonly BucketReduction[] _ofStep;
    // Both, in this order.
    private readonly BucketReduction[] _all;
    private readonly Queue<BucketReduction> _underWay = [];
    private readonly HashSet<BucketReduction> _open = [];
    // What the backward that is under way starts, and how much of that it has.
    private BucketReduction[] _order = [];
    private int _started;

    /// <param name="parameters">Parameters of this rank.</param>
    /// <param name="replicas">The ranks that hold the same part of the parameters.</param>
    /// <param name="partial">The group that a bucket's own is exchanged for.</param>
    /// <param name="thread">Communicates beside backward; null: the caller does.</param>
    /// <param name="counters">Where its time is counted.</param>
    public BackwardReduction(ParameterBuckets parameters, ProcessGroup replicas, Func<ProcessGroup, ProcessGroup> partial, CommunicationThread? thread,
        OverlapCounters counters)
    {
        _thread = thread;
        var reductions = parameters.Buckets.Reverse().Select(bucket => new BucketReduction(bucket, replicas,
            bucket.Traits.PartialOver is { Size: > 1 } group ? partial(group) : null, counters, Open, StartReady)).ToLookup(reduction => reduction.Bucket.KeepsOwnedGradientsOnly);
        _ofEveryMicroBatch = [.. reductions[true]];
        _ofStep = [.. reductions[false]];
        _all = [.. _ofEveryMicroBatch, .. _ofStep];
        foreach (var reduction in _thread is null ? _ofEveryMicroBatch : _all)
        {
            reduction.Listen();
        }
    }

    /// <summary>Begins the backward of a chunk in a micro-batch of a step, and ends what the one before has left.</summary>
    public void BeginMicroBatch(bool isLast, int chunk)
    {
        StartRest(_order);
        foreach (var reduction in OfChunk(_all))
        {
            reduction.BeginMicroBatch();
        }

        (_order, _started) = ([.. OfChunk(isLast && _thread is not null ? _all : _ofEveryMicroBatch)], 0);

        IEnumerable<BucketReduction> OfChunk(BucketReduction[] reductions) => reductions.Where(reduction => reduction.Bucket.Traits.Chunk == chunk);
    }

    /// <summary>Starts what backward has not, and returns when all sums are there.</summary>
    public void Finish()
    {
        StartRest(_order);
        StartRest(_all);
        foreach (var reduction in _ofStep)
        {
            _thread?.Wait(reduction.Task);
            reduction.End();
        }

        while (_underWay.Count > 0)
        {
            EndOldest();
        }

        _order = [];
        foreach (var reduction in _all)
        {
            reduction.BeginMicroBatch();
        }
    }

    public void Dispose()
    {
        foreach (var reduction in _all)
        {
            reduction.Ignore();
            // What was given up may still be written to.
            if (_thread?.HasGivenUp != true)
            {
                reduction.DisposeViews();
            }
        }
    }

    private void StartReady()
    {
        while (_started < _order.Length && _order[_started].IsReady)
        {
            Start(_order[_started++]);
        }
    }

    private void StartRest(IEnumerable<BucketReduction> reductions)
    {
        foreach (var reduction in reductions.Where(reduction => !reduction.IsClosed))
        {
            Start(reduction);
        }
    }

    private void Open(BucketReduction reduction)
    {
        if (!reduction.Bucket.KeepsOwnedGradientsOnly || _open.Contains(reduction))
        {
            return;
        }

        while (_underWay.Count >= MostUnderWay || _underWay.Contains(reduction))
        {
            EndOldest();
        }

        reduction.Bucket.OpenGradients();
        _open.Add(reduction);
    }

    private void Start(BucketReduction reduction)
    {
        Open(reduction);
        reduction.Close();
        if (_thread is null)
        {
            reduction.Task.RunHere();
        }
        else
        {
            _thread.Start(reduction.Task);
        }

        if (!_open.Remove(reduction))
        {
            return;
        }

        _underWay.Enqueue(reduction);
        if (_thread is null)
        {
            EndOldest();
        }
    }

    private void EndOldest()
    {
        var oldest = _underWay.Dequeue();
        _thread?.Wait(oldest.Task);
        oldest.End();
    }
}
