namespace KvShiftScale.Parallel.Gradients;

/// <summary>
/// In which order a rank sums its buckets over ranks, and when: as backward fills them in a step's last micro-batch, where something communicates beside
/// it, in every one those of which a rank keeps its part only. What backward does not start, <see cref="Finish"/> does. Knows neither tensors nor ranks.
/// </summary>
/// <remarks>
/// Buckets start in reverse order of allocation, which is about the order of backward and the same on every rank: one that is ready waits for those
/// before it. Those of which ranks keep their part come before the others: backward waits for them, and must not wait behind a sum over ranks that are
/// at other layers.
/// </remarks>
internal sealed class ReductionOrder
{
    // Whole gradients that exist beside those that backward writes to, where ranks keep their part only.
    private const int MostUnderWay = 2;

    private readonly bool _isBeside;
    private readonly IBucketSum[] _ofEveryMicroBatch;
    private readonly IBucketSum[] _ofStep;
    // Both, in this order.
    private readonly IBucketSum[] _all;
    private readonly Dictionary<int, (IBucketSum[] All, IBucketSum[] OfEveryMicroBatch)> _ofChunk;
    private readonly Queue<IBucketSum> _underWay = [];
    private readonly HashSet<IBucketSum> _open = [];
    // What the backward that is under way starts, and how much of that it has.
    private IBucketSum[] _order = [];
    private int _started;

    /// <param name="buckets">In order of allocation.</param>
    /// <param name="isBeside">Something communicates beside the caller.</param>
    public ReductionOrder(IEnumerable<IBucketSum> buckets, bool isBeside)
    {
        _isBeside = isBeside;
        var sums = buckets.Reverse().ToLookup(sum => sum.IsOfEveryMicroBatch);
        _ofEveryMicroBatch = [.. sums[true]];
        _ofStep = [.. sums[false]];
        _all = [.. _ofEveryMicroBatch, .. _ofStep];
        _ofChunk = _all.GroupBy(sum => sum.Chunk).ToDictionary(chunk => chunk.Key, chunk => (chunk.ToArray(), chunk.Where(sum => sum.IsOfEveryMicroBatch).ToArray()));
    }

    /// <summary>Those that have to tell of their gradients, by <see cref="Open"/> before the first and <see cref="StartReady"/> after the last.</summary>
    public IReadOnlyList<IBucketSum> Listening => _isBeside ? _all : _ofEveryMicroBatch;

    /// <summary>Begins the backward of a chunk in a micro-batch of a step, and ends what the one before has left.</summary>
    public void BeginMicroBatch(bool isLast, int chunk)
    {
        StartRest(_order);
        var (all, ofEveryMicroBatch) = _ofChunk.GetValueOrDefault(chunk, ([], []));
        Begin(all);
        (_order, _started) = (isLast && _isBeside ? all : ofEveryMicroBatch, 0);
    }

    /// <summary>Starts what backward has not, and returns when all sums are there.</summary>
    public void Finish()
    {
        StartRest(_order);
        StartRest(_all);
        foreach (var sum in _ofStep)
        {
            sum.Wait();
            sum.End();
        }

        while (_underWay.Count > 0)
        {
            EndOldest();
        }

        _order = [];
        Begin(_all);
    }

    /// <summary>The first gradient of a micro-batch is about to be written.</summary>
    public void Open(IBucketSum sum)
    {
        if (!sum.IsOfEveryMicroBatch || _open.Contains(sum))
        {
            return;
        }

        while (_underWay.Count >= MostUnderWay || _underWay.Contains(sum))
        {
            EndOldest();
        }

        sum.Open();
        _open.Add(sum);
    }

    /// <summary>A bucket has become ready.</summary>
    public void StartReady()
    {
        while (_started < _order.Length && _order[_started].IsReady)
        {
            Start(_order[_started++]);
        }
    }

    private static void Begin(IEnumerable<IBucketSum> sums)
    {
        foreach (var sum in sums)
        {
            sum.BeginMicroBatch();
        }
    }

    private void StartRest(IEnumerable<IBucketSum> sums)
    {
        foreach (var sum in sums.Where(sum => !sum.IsClosed))
        {
            Start(sum);
        }
    }

    private void Start(IBucketSum sum)
    {
        Open(sum);
        sum.Close();
        sum.Start();
        if (!_open.Remove(sum))
        {
            return;
        }

        _underWay.Enqueue(sum);
        if (!_isBeside)
        {
            EndOldest();
        }
    }

    private void EndOldest()
    {
        var oldest = _underWay.Dequeue();
        oldest.Wait();
        oldest.End();
    }
}
