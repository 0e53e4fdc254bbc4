using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// Neighbouring parameters in one allocation, and their gradients in another of the same layout: what is reduced by one
/// collective and updated by one call of the optimizer. All parameters of a bucket are treated alike.
/// </summary>
public sealed class ParameterBucket : IDisposable
{
    // Parts of a shared bucket begin at whole cache lines.
    private const long PartAlignment = 16;

    private readonly Tensor _parameterStorage;
    private Tensor _gradientStorage;
    private readonly List<ParameterSlot> _slots = [];
    private readonly OptimizerShare _share;
    private bool _sealed;
    private Action? _awaitParameters;

    internal ParameterBucket(long capacity, BucketTraits traits, ComputeDevice device, OptimizerShare share)
    {
        Capacity = capacity;
        Traits = traits;
        Kernels = device.Kernels;
        _share = share;
        var allocated = Padded(capacity);
        _parameterStorage = empty(allocated, Kernels.DataType, device.Memory).DetachFromDisposeScope();
        _gradientStorage = empty(allocated, GradientTypeOf(Kernels.DataType), device.Memory).DetachFromDisposeScope();
    }

    /// <summary>Elements that fit.</summary>
    public long Capacity { get; }

    /// <summary>Elements in use.</summary>
    public long Length { get; private set; }

    /// <summary>What all parameters of the bucket have in common.</summary>
    public BucketTraits Traits { get; }

    /// <summary>What computes with the parameters.</summary>
    public IKernels Kernels { get; }

    /// <summary>Elements in use and padding up to as many equal parts as ranks share the bucket.</summary>
    public long PaddedLength => Padded(Length);

    /// <summary>First element of the part that this rank updates.</summary>
    public long OwnedStart => PaddedLength / _share.Count * _share.Index;

    /// <summary>Elements of the part that this rank updates: all that are in use where nobody shares the bucket.</summary>
    public long OwnedLength => PaddedLength / _share.Count;

    /// <summary>The parameters in this bucket, in order of their offsets.</summary>
    public IReadOnlyList<ParameterSlot> Slots => _slots;

    /// <summary>All parameters, flat, with padding: a view that the caller disposes. Waits where updates are still on their way.</summary>
    public Tensor FlatParameters()
    {
        AwaitParameters();
        return _parameterStorage.narrow(0, 0, PaddedLength);
    }

    /// <summary>All gradients, flat, with padding: a view that the caller disposes.</summary>
    public Tensor FlatGradients() => _gradientStorage.narrow(0, 0, PaddedLength);

    /// <summary>The parameters that this rank updates: a view that the caller disposes. Waits where they are still read for other ranks.</summary>
    public Tensor OwnedParameters()
    {
        AwaitParameters();
        return _parameterStorage.narrow(0, OwnedStart, OwnedLength);
    }

    /// <summary>The gradients of what this rank updates: a view that the caller disposes.</summary>
    public Tensor OwnedGradients() => _gradientStorage.narrow(0, OwnedStart, OwnedLength);

    public void Dispose()
    {
        foreach (var slot in _slots)
        {
            slot.Dispose();
        }

        _parameterStorage.Dispose();
        _gradientStorage.Dispose();
    }

    /// <summary>Gradients are summed in float32 at least.</summary>
    internal static ScalarType GradientTypeOf(ScalarType dtype) => dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    internal ParameterSlot Add(string name, ParameterShard shard)
    {
        if (_sealed)
        {
            throw new InvalidOperationException($"parameter {name} comes after the first step or its reducer");
        }

        using var scope = NewDisposeScope();
        long[] shape = [.. shard.Shape];
        var parameter = new TorchSharp.Modules.Parameter(_parameterStorage.narrow(0, Length, shard.ElementCount).view(shape));
        var gradient = GradientAt(Length, shard);
        parameter.DetachFromDisposeScope();
        var slot = new ParameterSlot(name, shard, this, parameter, gradient, Length);
        _slots.Add(slot);
        Length += shard.ElementCount;
        return slot;
    }

    /// <summary>Parameters are on their way: whoever asks for one calls <paramref name="arrived"/> first, once.</summary>
    internal void ParametersArrive(Action arrived) => Volatile.Write(ref _awaitParameters, arrived);

    internal void AwaitParameters()
    {
        if (Volatile.Read(ref _awaitParameters) is not { } arrived)
        {
            return;
        }

        arrived();
        Interlocked.CompareExchange(ref _awaitParameters, null, arrived);
    }

    internal void BeginStep()
    {
        if (!_sealed)
        {
            Seal();
        }

        foreach (var slot in _slots)
        {
            slot.BeginStep();
        }
    }

    /// <summary>
    /// Gradients lie in <paramref name="storage"/> from here on, <see cref="PaddedLength"/> zeros that the bucket owns. Nobody may be using a view of
    /// those before.
    /// </summary>
    internal void MoveGradients(Tensor storage)
    {
        if (!_sealed)
        {
            Seal();
        }

        using var scope = NewDisposeScope();
        using var mode = no_grad();
        if (_slots.Exists(slot => slot.HasGradient))
        {
            storage.copy_(FlatGradients());
        }

        _gradientStorage.Dispose();
        _gradientStorage = storage.DetachFromDisposeScope();
        foreach (var slot in _slots)
        {
            slot.MoveGradient(GradientAt(slot.Offset, slot.Shard));
        }
    }

    private Tensor GradientAt(long offset, ParameterShard shard)
        => _gradientStorage.narrow(0, offset, shard.ElementCount).view([.. shard.Shape]).DetachFromDisposeScope();

    // Padding takes part in collectives and updates; zero gradients keep it what it is.
    private void Seal()
    {
        _sealed = true;
        if (PaddedLength == Length)
        {
            return;
        }

        using var scope = NewDisposeScope();
        using var mode = no_grad();
        _parameterStorage.narrow(0, Length, PaddedLength - Length).zero_();
        _gradientStorage.narrow(0, Length, PaddedLength - Length).zero_();
    }

    private long Padded(long length)
    {
        if (_share.Count == 1)
        {
            return length;
        }

        var unit = PartAlignment * _share.Count;
        return (length + unit - 1) / unit * unit;
    }
}
