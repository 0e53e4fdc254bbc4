using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// All parameters of a model, allocated in buckets in the order in which layers ask for them. Matrices and the parameters without weight decay go to separate buckets.
/// </summary>
public sealed class ParameterBuckets : IDisposable
{
    private readonly long _bucketCapacity;
    private readonly List<ParameterBucket> _buckets = [];
    private readonly List<ParameterSlot> _slots = [];
    private readonly HashSet<string> _names = [];

    /// <param name="dtype">Element type of parameters and gradients.</param>
    /// <param name="device">Where they live.</param>
    /// <param name="bucketBytes">Size of one bucket; a parameter that is larger gets a bucket of its own.</param>
    public ParameterBuckets(ScalarType dtype, Device device, long bucketBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bucketBytes);
        DataType = dtype;
        Device = device;
        _bucketCapacity = Math.Max(1, bucketBytes / (dtype == ScalarType.Float64 ? 8 : 4));
    }

    /// <summary>Element type of parameters and gradients.</summary>
    public ScalarType DataType { get; }

    /// <summary>Where the parameters live.</summary>
    public Device Device { get; }

    /// <summary>Buckets in order of allocation.</summary>
    public IReadOnlyList<ParameterBucket> Buckets => _buckets;

    /// <summary>Parameters in order of creation.</summary>
    public IReadOnlyList<ParameterSlot> Slots => _slots;

    /// <summary>Elements of all parameters.</summary>
    public long ElementCount { get; private set; }

    /// <summary>Allocates a parameter, not initialised. A name stands for one parameter only.</summary>
    public ParameterSlot Create(string name, bool weightDecay, params long[] shape)
    {
        if (!_names.Add(name)) throw new ArgumentException($"parameter {name} is created twice", nameof(name));
        var length = 1L;
        foreach (var extent in shape) length = checked(length * extent);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);

        var bucket = _buckets.FindLast(candidate => candidate.WeightDecay == weightDecay);
        if (bucket is null || bucket.Capacity - bucket.Length < length)
        {
            bucket = new ParameterBucket(Math.Max(_bucketCapacity, length), weightDecay, DataType, Device);
            _buckets.Add(bucket);
        }
        var slot = bucket.Add(name, shape, length);
        _slots.Add(slot);
        ElementCount += length;
        return slot;
    }

    /// <summary>Forgets the gradients of the last step without touching their memory.</summary>
    public void BeginStep()
    {
        foreach (var bucket in _buckets) bucket.BeginStep();
    }

    public void Dispose()
    {
        foreach (var bucket in _buckets) bucket.Dispose();
    }
}
