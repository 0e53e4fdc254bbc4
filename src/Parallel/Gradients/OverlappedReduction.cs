using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>
/// Reduces buckets of gradients from within backward, and gathers buckets of parameters behind the next forward. A bucket's reduction starts
/// when each of its parameters has had as many gradients as it gets in one backward, which the first step teaches; buckets start in reverse
/// order of allocation, which is about the order of backward and the same on every rank.
/// </summary>
internal sealed class OverlappedReduction : IDisposable
{
    private readonly CommunicationThread _thread;
    private readonly Dictionary<ProcessGroup, ProcessGroup> _duplicates = [];
    private readonly List<BucketReduction> _reductions;
    private readonly List<(ParameterBucket Bucket, CommunicationTask Task)> _gathers = [];
    private readonly List<Tensor> _views = [];
    private readonly bool _sharesMemory;
    private int _started;
    private bool _mayStart;
    private bool _hasLearned;

    /// <summary>Forms groups of its own. Collective.</summary>
    /// <param name="parameters">Parameters of this rank.</param>
    /// <param name="replicas">The ranks that hold the same part of the parameters.</param>
    /// <param name="reduction">Where reductions are counted.</param>
    /// <param name="gathering">Where the gathering of parameters is counted.</param>
    /// <param name="shareMemory">Goes through shared memory where the ranks have some; otherwise through MPI.</param>
    public OverlappedReduction(ParameterBuckets parameters, ProcessGroup replicas, OverlapCounters reduction, OverlapCounters gathering, bool shareMemory)
    {
        _sharesMemory = shareMemory;
        var own = Duplicate(replicas);
        SharedGradients.Place(parameters, own);
        if (parameters.IsShared)
        {
            foreach (var bucket in parameters.Buckets)
            {
                _gathers.Add((bucket, new CommunicationTask([(own, Gather(bucket, own))], gathering)));
            }
        }
        // Groups are formed in the order of the buckets, before the order is turned round.
        _reductions = [.. parameters.Buckets.Select(bucket => new BucketReduction(bucket, new CommunicationTask(PartsOf(bucket, own), reduction)))];
        _reductions.Reverse();
        // After what can fail, so that nobody has to end it.
        _thread = new CommunicationThread();
        foreach (var bucket in _reductions)
        {
            bucket.Listen(StartReady);
        }
    }

    /// <summary>Begins a micro-batch of a step; from the backward of the last one buckets are started.</summary>
    public void BeginMicroBatch(bool isLast)
    {
        foreach (var bucket in _reductions)
        {
            bucket.BeginMicroBatch();
        }

        _mayStart = isLast && _hasLearned;
    }

    /// <summary>Starts what backward has not, and returns when all sums are there.</summary>
    public void Finish()
    {
        _mayStart = false;
        while (_started < _reductions.Count)
        {
            Start();
        }

        foreach (var bucket in _reductions)
        {
            _thread.Wait(bucket.Task);
        }

        foreach (var bucket in _reductions)
        {
            _hasLearned |= bucket.Learn();
        }

        _started = 0;
    }

    /// <summary>Starts the gathering of all parameters; whoever reads one first waits for its bucket.</summary>
    public void StartGathering()
    {
        foreach (var (bucket, task) in _gathers)
        {
            _thread.Start(task);
            bucket.ParametersArrive(() => _thread.Wait(task));
        }
    }

    public void Dispose()
    {
        _thread.Dispose();
        foreach (var bucket in _reductions)
        {
            bucket.Ignore();
        }
        // Freeing a group in which a collective is pending would wait for it, and the thread may still be inside one.
        if (_thread.HasGivenUp)
        {
            return;
        }

        foreach (var group in _duplicates.Values)
        {
            group.Dispose();
        }

        foreach (var view in _views)
        {
            view.Dispose();
        }
    }

    private void StartReady()
    {
        while (_mayStart && _started < _reductions.Count && _reductions[_started].IsReady)
        {
            Start();
        }
    }

    private void Start()
    {
        var bucket = _reductions[_started++];
        bucket.Close();
        _thread.Start(bucket.Task);
    }

    private ProcessGroup Duplicate(ProcessGroup group)
    {
        if (!_duplicates.TryGetValue(group, out var own))
        {
            own = group.Duplicate($"{group.Name} beside", _sharesMemory);
            _duplicates.Add(group, own);
        }

        return own;
    }

    private List<(ProcessGroup Group, Action Transfer)> PartsOf(ParameterBucket bucket, ProcessGroup replicas)
    {
        var gradients = Keep(bucket.FlatGradients());
        List<(ProcessGroup, Action)> parts = [];
        if (bucket.Traits.PartialOver is { Size: > 1 } partial)
        {
            var group = Duplicate(partial);
            parts.Add((group, () => group.AllReduce(gradients)));
        }

        if (bucket.OwnedLength == bucket.PaddedLength)
        {
            parts.Add((replicas, () => replicas.AllReduce(gradients)));
            return parts;
        }

        var owned = Keep(bucket.OwnedGradients());
        parts.Add((replicas, () => replicas.Collectives.ReduceScatter(gradients, owned)));
        return parts;
    }

    private Action Gather(ParameterBucket bucket, ProcessGroup replicas)
    {
        var (all, owned) = (Keep(bucket.FlatParameters()), Keep(bucket.OwnedParameters()));
        return () => replicas.Collectives.AllGather(owned, all);
    }

    // Made here, since the thread must not compute with libtorch: every thread that does gets compute threads of its own.
    private Tensor Keep(Tensor view)
    {
        _views.Add(view.DetachFromDisposeScope());
        return view;
    }
}
