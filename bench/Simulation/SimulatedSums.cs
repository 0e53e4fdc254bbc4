using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Simulation;

/// <summary>
/// Sums of gradients and gathers of parameters of one rank, written down: <see cref="ReductionOrder"/> decides what starts when, as in training, and hears of gradients
/// where backward would write them.
/// </summary>
internal sealed class SimulatedSums
{
    private readonly OperationRecorder _recorder;
    private readonly RankBuckets _buckets;
    private readonly BucketSum[] _sums;
    private readonly ReductionOrder _order;
    private readonly bool _isBeside;
    private readonly int[]? _gathers;
    private readonly HashSet<int> _read = [];

    /// <param name="recorder">Where calls are written.</param>
    /// <param name="buckets">The rank's buckets.</param>
    /// <param name="groups">The launch's groups.</param>
    /// <param name="parallel">How the optimizer is shared, and whether something communicates beside the computation.</param>
    /// <param name="parameterType">Type of parameters.</param>
    /// <param name="gradientType">Type of gradients.</param>
    public SimulatedSums(OperationRecorder recorder, RankBuckets buckets, LaunchGroups groups, ParallelConfig parallel, CollectiveDataType parameterType,
        CollectiveDataType gradientType)
    {
        (_recorder, _buckets) = (recorder, buckets);
        var count = recorder.SizeOf(groups.Replicas);
        var share = parallel.OptimizerSharding == OptimizerSharding.None
            ? OptimizerShare.Whole : new OptimizerShare(recorder.IndexIn(groups.Replicas), count, parallel.OptimizerSharding == OptimizerSharding.Zero2);
        _isBeside = parallel.Overlap && count > 1;
        var replicas = Group(groups.Replicas);
        _sums = [.. buckets.Buckets.Select((bucket, number) =>
        {
            var (traits, padded) = (bucket.Traits, share.Padded(bucket.Length));
            var task = recorder.NewTask(() =>
            {
                if (traits.PartialOver is { } partial)
                {
                    Arrive(Group(partial));
                    recorder.AllReduce(Group(partial), gradientType, padded);
                }

                Arrive(replicas);
                if (share.Count == 1)
                {
                    recorder.AllReduce(replicas, gradientType, padded);
                }
                else
                {
                    recorder.ReduceScatter(replicas, gradientType, padded / share.Count);
                }
            });
            return new BucketSum(this, task, isOfEveryMicroBatch: share.DividesGradients && traits.PartialOver is null, traits.Chunk, buckets.GradientsOf(number));
        })];
        _order = new ReductionOrder(_sums, _isBeside);
        _gathers = share.Count == 1 ? null : [.. buckets.Buckets.Select(bucket => recorder.NewTask(() =>
        {
            Arrive(replicas);
            recorder.AllGather(replicas, parameterType, share.Padded(bucket.Length) / share.Count);
        }))];

        int Group(int group) => _isBeside ? groups.Beside(group) : group;

        void Arrive(int group)
        {
            if (_isBeside)
            {
                recorder.AllReduceNumbers(group, CollectiveDataType.Int32, 1);
            }
        }
    }

    /// <inheritdoc cref="ReductionOrder.BeginMicroBatch"/>
    public void BeginMicroBatch(bool isLast, int chunk) => _order.BeginMicroBatch(isLast, chunk);

    /// <summary>Backward writes the gradient of a parameter.</summary>
    public void GradientOf(string parameter)
    {
        var sum = _sums[_buckets.BucketOf(parameter)];
        if (!_order.Listening.Contains(sum))
        {
            return;
        }

        _order.Open(sum);
        sum.Came++;
        if (sum.IsReady)
        {
            _order.StartReady();
        }
    }

    /// <inheritdoc cref="ReductionOrder.Finish"/>
    public void Finish() => _order.Finish();

    /// <summary>Starts the gathering of all parameters, or does it.</summary>
    public void Gather()
    {
        foreach (var gather in _gathers ?? [])
        {
            if (_isBeside)
            {
                _recorder.Start(gather);
            }
            else
            {
                _recorder.Run(gather);
            }
        }
    }

    /// <summary>A parameter is about to be read. The first who reads one of a bucket waits for it.</summary>
    public void Read(string parameter)
    {
        if (_isBeside && _gathers is not null && _buckets.BucketOf(parameter) is var bucket && _read.Add(bucket))
        {
            _recorder.Wait(_gathers[bucket]);
        }
    }

    private sealed class BucketSum(SimulatedSums owner, int task, bool isOfEveryMicroBatch, int chunk, int gradients) : IBucketSum
    {
        public int Came { get; set; }

        public bool IsOfEveryMicroBatch => isOfEveryMicroBatch;

        public int Chunk => chunk;

        public bool IsReady => Came == gradients;

        public bool IsClosed { get; private set; }

        public void BeginMicroBatch() => (IsClosed, Came) = (false, 0);

        public void Open()
        {
        }

        public void Close() => IsClosed = true;

        public void Start()
        {
            if (owner._isBeside)
            {
                owner._recorder.Start(task);
            }
            else
            {
                owner._recorder.Run(task);
            }
        }

        public void Wait()
        {
            if (owner._isBeside)
            {
                owner._recorder.Wait(task);
            }
        }

        public void End()
        {
        }
    }
}
