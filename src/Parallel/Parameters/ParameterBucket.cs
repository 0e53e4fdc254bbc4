using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// Neighbouring parameters in one allocation, and their gradients in another of the same layout: what is reduced by one
/// collective and updated by one call of the optimizer.
/// </summary>
public sealed class ParameterBucket : IDisposable
{
    private readonly Tensor _parameterStorage;
    private readonly Tensor _gradientStorage;
    private readonly List<ParameterSlot> _slots = [];

    internal ParameterBucket(long capacity, bool weightDecay, ScalarType dtype, Device device)
    {
        Capacity = capacity;
        WeightDecay = weightDecay;
        _parameterStorage = empty(capacity, dtype, device).DetachFromDisposeScope();
        _gradientStorage = empty(capacity, dtype, device).DetachFromDisposeScope();
    }

    /// <summary>Elements that fit.</summary>
    public long Capacity { get; }

    /// <summary>Elements in use; the rest of the allocation is never touched.</summary>
    public long Length { get; private set; }

    /// <summary>Whether the optimizer decays these parameters.</summary>
    public bool WeightDecay { get; }

    /// <summary>The parameters in this bucket, in order of their offsets.</summary>
    public IReadOnlyList<ParameterSlot> Slots => _slots;

    /// <summary>All parameters, flat: a view that the caller disposes.</summary>
    public Tensor FlatParameters() => _parameterStorage.narrow(0, 0, Length);

    /// <summary>All gradients, flat: a view that the caller disposes.</summary>
    public Tensor FlatGradients() => _gradientStorage.narrow(0, 0, Length);

    public void Dispose()
    {
        foreach (var slot in _slots) slot.Dispose();
        _parameterStorage.Dispose();
        _gradientStorage.Dispose();
    }

    internal ParameterSlot Add(string name, long[] shape, long length)
    {
        using var scope = NewDisposeScope();
        var parameter = new TorchSharp.Modules.Parameter(_parameterStorage.narrow(0, Length, length).view(shape));
        var gradient = _gradientStorage.narrow(0, Length, length).view(shape);
        parameter.DetachFromDisposeScope();
        gradient.DetachFromDisposeScope();
        var slot = new ParameterSlot(name, shape, parameter, gradient, Length);
        _slots.Add(slot);
        Length += length;
        return slot;
    }

    internal void BeginStep()
    {
        foreach (var slot in _slots) slot.BeginStep();
    }
}
