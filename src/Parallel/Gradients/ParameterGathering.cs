using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>Gives every rank the parameters that the others have updated: beside the next forward where a thread communicates.</summary>
internal sealed class ParameterGathering : IDisposable
{
    private readonly CommunicationThread? _thread;
    private readonly List<(ParameterBucket Bucket, CommunicationTask Task)> _gathers = [];
    private readonly List<Tensor> _views = [];

    /// <param name="parameters">Parameters of this rank, of which it updates a part.</param>
    /// <param name="replicas">The ranks that update the others.</param>
    /// <param name="thread">Communicates beside the computation; null: the caller does.</param>
    /// <param name="counters">Where its time is counted.</param>
    public ParameterGathering(ParameterBuckets parameters, ProcessGroup replicas, CommunicationThread? thread, OverlapCounters counters)
    {
        _thread = thread;
        foreach (var bucket in parameters.Buckets)
        {
            // Made here, since the thread must not compute with libtorch: every thread that does gets compute threads of its own.
            var (all, owned) = (Keep(bucket.FlatParameters()), Keep(bucket.OwnedParameters()));
            _gathers.Add((bucket, new CommunicationTask([(replicas, () => replicas.Collectives.AllGather(owned, all))], counters)));
        }
    }

    /// <summary>Starts the gathering of all parameters; whoever reads one first waits for its bucket.</summary>
    public void Start()
    {
        foreach (var (bucket, task) in _gathers)
        {
            if (_thread is null)
            {
                task.RunHere();
                continue;
            }

            _thread.Start(task);
            bucket.ParametersArrive(() => _thread.Wait(task));
        }
    }

    public void Dispose()
    {
        foreach (var view in _views)
        {
            view.Dispose();
        }
    }

    private Tensor Keep(Tensor view)
    {
        _views.Add(view.DetachFromDisposeScope());
        return view;
    }
}
