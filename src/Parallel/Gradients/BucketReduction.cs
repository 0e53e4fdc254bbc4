using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Parallel.Gradients;

/// <summary>Counts the gradients of one bucket's parameters, to know when backward has no more of them.</summary>
internal sealed class BucketReduction
{
    private readonly ParameterBucket _bucket;
    private readonly SlotArrivals[] _slots;
    private Action? _gradientArrived;
    private int _expectedSlots;
    private int _completeSlots;
    private bool _isClosed;

    public BucketReduction(ParameterBucket bucket, CommunicationTask task)
    {
        _bucket = bucket;
        Task = task;
        _slots = [.. bucket.Slots.Select(slot => new SlotArrivals(this, slot))];
    }

    /// <summary>The bucket's collectives.</summary>
    public CommunicationTask Task { get; }

    /// <summary>Every parameter that gets gradients in a backward has had all of this one's.</summary>
    public bool IsReady => _expectedSlots > 0 && _completeSlots == _expectedSlots;

    /// <summary>Calls <paramref name="gradientArrived"/> whenever the bucket has become ready.</summary>
    public void Listen(Action gradientArrived)
    {
        _gradientArrived = gradientArrived;
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

    public void BeginMicroBatch()
    {
        _completeSlots = 0;
        foreach (var slot in _slots)
        {
            slot.BeginMicroBatch();
        }
    }

    /// <summary>The bucket's gradients belong to its collectives from here on. Parameters without one have zeros.</summary>
    public void Close()
    {
        foreach (var slot in _bucket.Slots)
        {
            slot.ZeroIfAbsent();
        }

        _isClosed = true;
    }

    /// <summary>Ends a step. Whether some parameter is known to get gradients.</summary>
    public bool Learn()
    {
        _isClosed = false;
        BeginMicroBatch();
        _expectedSlots = _slots.Count(slot => slot.Learn());
        return _expectedSlots > 0;
    }

    // The gradients of one parameter in the backward that is under way, and the most that one backward had so far.
    private sealed class SlotArrivals(BucketReduction bucket, ParameterSlot slot) : IGradientListener
    {
        private int _count;
        private int _most;
        private int _expected;

        public ParameterSlot Slot => slot;

        public void GradientComes()
        {
            if (!bucket._isClosed)
            {
                return;
            }

            throw new InvalidOperationException(
                $"parameter {slot.Name} got more gradients in one backward than in any step before, after the reduction of its bucket had begun. "
                + "A model whose graph changes between steps needs parallel.overlap: false.");
        }

        public void GradientCame()
        {
            if (++_count != _expected)
            {
                return;
            }

            bucket._completeSlots++;
            if (bucket.IsReady)
            {
                bucket._gradientArrived!();
            }
        }

        public void BeginMicroBatch()
        {
            _most = Math.Max(_most, _count);
            _count = 0;
        }

        public bool Learn()
        {
            _expected = _most;
            return _expected > 0;
        }
    }
}
