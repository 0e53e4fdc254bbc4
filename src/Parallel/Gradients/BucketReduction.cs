using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>The sum of one bucket's gradients over ranks, and the count of its parameters' gradients, to know when backward has no more of them.</summary>
internal sealed class BucketReduction : IBucketSum
{
    private readonly SlotArrivals[] _slots;
    private readonly CommunicationThread? _thread;
    private readonly CommunicationTask _task;
    private readonly Action<IBucketSum> _gradientComes;
    private readonly Action _isReady;
    private int _completeSlots;
    // Views, made by the thread that computes: every thread that does gets compute threads of its own in libtorch.
    private Tensor? _whole;
    private Tensor? _owned;

    /// <param name="bucket">Gets no more parameters.</param>
    /// <param name="replicas">The ranks that hold the same part of the parameters.</param>
    /// <param name="partialOver">Ranks over which gradients are summed before; null: none.</param>
    /// <param name="thread">Communicates beside backward; null: the caller does.</param>
    /// <param name="counters">Where its time is counted.</param>
    /// <param name="gradientComes">Called before each gradient is written.</param>
    /// <param name="isReady">Called when it <see cref="IsReady"/>.</param>
    public BucketReduction(ParameterBucket bucket, ProcessGroup replicas, ProcessGroup? partialOver, CommunicationThread? thread, OverlapCounters counters,
        Action<IBucketSum> gradientComes, Action isReady)
    {
        bucket.Seal();
        Bucket = bucket;
        _thread = thread;
        (_gradientComes, _isReady) = (gradientComes, isReady);
        _slots = [.. bucket.Slots.Where(slot => slot.Uses > 0).Select(slot => new SlotArrivals(this, slot))];
        List<(ProcessGroup, Action)> parts = [];
        if (partialOver is not null)
        {
            parts.Add((partialOver, () => partialOver.AllReduce(_whole!)));
        }

        parts.Add((replicas, bucket.OwnedLength == bucket.PaddedLength
            ? () => replicas.AllReduce(_whole!)
            : () => replicas.Collectives.ReduceScatter(_whole!, _owned!)));
        _task = new CommunicationTask(parts, counters);
    }

    /// <summary>Whose gradients these are.</summary>
    public ParameterBucket Bucket { get; }

    /// <inheritdoc/>
    public bool IsOfEveryMicroBatch => Bucket.KeepsOwnedGradientsOnly;

    /// <inheritdoc/>
    public int Chunk => Bucket.Traits.Chunk;

    /// <inheritdoc/>
    public bool IsReady => _completeSlots == _slots.Length;

    /// <inheritdoc/>
    public bool IsClosed { get; private set; }

    /// <summary>Takes notice of gradients from here on.</summary>
    public void Listen()
    {
        foreach (var slot in _slots)
        {
            slot.Slot.Listener = slot;
        }
    }

    /// <summary>Takes no more notice of gradients. Who has come to listen since goes on.</summary>
    public void Ignore()
    {
        foreach (var slot in _slots)
        {
            if (ReferenceEquals(slot.Slot.Listener, slot))
            {
                slot.Slot.Listener = null;
            }
        }
    }

    /// <inheritdoc/>
    public void BeginMicroBatch()
    {
        IsClosed = false;
        _completeSlots = 0;
        foreach (var slot in _slots)
        {
            slot.Count = 0;
        }
    }

    /// <inheritdoc/>
    public void Open() => Bucket.OpenGradients();

    /// <inheritdoc/>
    public void Close()
    {
        foreach (var slot in Bucket.Slots)
        {
            slot.ZeroIfAbsent();
        }

        IsClosed = true;
        _whole = Bucket.FlatGradients().DetachFromDisposeScope();
        _owned = _whole.narrow(0, Bucket.OwnedStart, Bucket.OwnedLength).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Start()
    {
        if (_thread is null)
        {
            _task.RunHere();
        }
        else
        {
            _thread.Start(_task);
        }
    }

    /// <inheritdoc/>
    public void Wait() => _thread?.Wait(_task);

    /// <inheritdoc/>
    public void End()
    {
        DisposeViews();
        if (Bucket.KeepsOwnedGradientsOnly)
        {
            Bucket.CloseGradients();
        }
    }

    /// <summary>Lets go of the gradients that the collectives had, whatever became of them.</summary>
    public void DisposeViews()
    {
        _whole?.Dispose();
        _owned?.Dispose();
    }

    // The gradients of one parameter in the backward that is under way.
    private sealed class SlotArrivals(BucketReduction reduction, ParameterSlot slot) : IGradientListener
    {
        public ParameterSlot Slot => slot;

        public int Count { get; set; }

        public void GradientComes()
        {
            if (reduction.IsClosed)
            {
                throw new InvalidOperationException(
                    $"parameter {slot.Name} got gradient {Count + 1} of a backward after the reduction of its bucket had begun; it was created for {slot.Uses}");
            }

            reduction._gradientComes(reduction);
        }

        public void GradientCame()
        {
            Count++;
            if (Count != slot.Uses)
            {
                return;
            }

            reduction._completeSlots++;
            if (reduction.IsReady)
            {
                reduction._isReady();
            }
        }
    }
}
