using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// All parameters of a model that this rank holds, allocated in buckets in the order in which layers ask for them. Parameters that are
/// decayed, reduced or counted differently go to separate buckets.
/// </summary>
public sealed class ParameterBuckets : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly BucketPacking<BucketTraits> _packing;
    private readonly OptimizerShare _share;
    private readonly List<ParameterBucket> _buckets = [];
    private readonly List<ParameterSlot> _slots = [];
    private readonly HashSet<string> _names = [];

    /// <param name="device">Where they live, and what computes with them, in its type.</param>
    /// <param name="bucketBytes">Size of one bucket's gradients; a parameter that is larger gets a bucket of its own.</param>
    /// <param name="share">The part of every bucket that this rank updates; nothing given: everything.</param>
    public ParameterBuckets(ComputeDevice device, long bucketBytes, OptimizerShare? share = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bucketBytes);
        _device = device;
        _share = share ?? OptimizerShare.Whole;
        _packing = new BucketPacking<BucketTraits>(Math.Max(1, bucketBytes / (DataType == ScalarType.Float64 ? 8 : 4)));
    }

    /// <summary>Element type of the parameters, in which layers compute.</summary>
    public ScalarType DataType => Kernels.DataType;

    /// <summary>Element type of gradients and of the optimizer's state: float32, or float64 with float64 parameters.</summary>
    public ScalarType GradientType => ParameterBucket.GradientTypeOf(DataType);

    /// <summary>Whether several ranks share the optimizer's work on each bucket.</summary>
    public bool IsShared => _share.Count > 1;

    /// <summary>Where the parameters live.</summary>
    public Device Device => _device.Memory;

    /// <summary>What computes with them.</summary>
    public IKernels Kernels => _device.Kernels;

    /// <summary>Buckets in order of allocation.</summary>
    public IReadOnlyList<ParameterBucket> Buckets => _buckets;

    /// <summary>Parameters in order of creation.</summary>
    public IReadOnlyList<ParameterSlot> Slots => _slots;

    /// <summary>Elements of all parameters of this stage of the model, of which this rank may hold a part.</summary>
    public long GlobalElementCount { get; private set; }

    /// <summary>Bytes of gradients that live now.</summary>
    public long GradientBytes => _buckets.Sum(bucket => bucket.GradientBytes);

    /// <summary>Allocates a parameter that every rank holds whole, not initialised. A name stands for one parameter only.</summary>
    public ParameterSlot Create(string name, bool weightDecay, params long[] shape) => Create(name, weightDecay, ParameterShard.Whole(shape));

    /// <summary>Allocates this rank's part of a parameter, not initialised. A name stands for one parameter only.</summary>
    /// <param name="name">Full name.</param>
    /// <param name="weightDecay">Whether the optimizer decays it.</param>
    /// <param name="shard">The part.</param>
    /// <param name="uses">Gradients that one backward gives it. Fewer delay the sum over ranks, more are refused once that has begun.</param>
    /// <param name="chunk">The part of the rank's layers with whose backward they come, where each part has a backward of its own.</param>
    public ParameterSlot Create(string name, bool weightDecay, ParameterShard shard, int uses = 1, int chunk = 0)
    {
        if (!_names.Add(name))
        {
            throw new ArgumentException($"parameter {name} is created twice", nameof(name));
        }

        var traits = new BucketTraits(weightDecay, shard.PartialOver, shard.IsPrimary, chunk);
        var number = _packing.Place(traits, shard.ElementCount);
        if (number == _buckets.Count)
        {
            _buckets.Add(new ParameterBucket(_packing.Buckets[number].Capacity, traits, _device, _share));
        }

        var slot = _buckets[number].Add(name, shard, uses);
        _slots.Add(slot);
        GlobalElementCount += shard.GlobalShape.Aggregate(1L, (product, size) => checked(product * size));
        return slot;
    }

    /// <summary>Forgets the gradients of the last step without touching their memory.</summary>
    public void BeginStep()
    {
        foreach (var bucket in _buckets)
        {
            bucket.BeginStep();
        }
    }

    public void Dispose()
    {
        foreach (var bucket in _buckets)
        {
            bucket.Dispose();
        }
    }
}
