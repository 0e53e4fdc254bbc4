using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// What one layer keeps of a sequence while it is decoded: shifted and rotated keys, shifted values, and the last raw rows of what
/// is shifted, which the next tokens' windows reach back to.
/// </summary>
public sealed class LayerCache : IDisposable
{
    private readonly Tensor _keys;
    private readonly Tensor _values;

    public LayerCache(int capacity, AttentionShape shape, ShiftPlan plan, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        Capacity = capacity;
        _keys = empty([shape.KvHeads, capacity, shape.HeadSize], dtype, device).DetachFromDisposeScope();
        _values = empty([shape.KvHeads, capacity, shape.HeadSize], dtype, device).DetachFromDisposeScope();
        if (plan.Query) QueryShift = new ShiftState(plan.Taps, shape.Heads, shape.HeadSize, dtype, device);
        if (plan.Key) KeyShift = new ShiftState(plan.Taps, shape.KvHeads, shape.HeadSize, dtype, device);
        if (plan.Value) ValueShift = new ShiftState(plan.Taps, shape.KvHeads, shape.HeadSize, dtype, device);
    }

    /// <summary>Tokens that fit.</summary>
    public int Capacity { get; }

    /// <summary>Tokens held.</summary>
    public int Length { get; private set; }

    /// <summary>[kv_heads, length, head_size].</summary>
    public Tensor Keys => _keys.narrow(1, 0, Length);

    /// <summary>[kv_heads, length, head_size].</summary>
    public Tensor Values => _values.narrow(1, 0, Length);

    /// <summary>Last raw queries; null where queries are not shifted.</summary>
    public ShiftState? QueryShift { get; }

    /// <summary>Last raw keys; null where keys are not shifted.</summary>
    public ShiftState? KeyShift { get; }

    /// <summary>Last raw values; null where values are not shifted.</summary>
    public ShiftState? ValueShift { get; }

    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
        QueryShift?.Dispose();
        KeyShift?.Dispose();
        ValueShift?.Dispose();
    }

    /// <summary>Throws where <paramref name="tokens"/> more do not fit; to be asked before anything is changed.</summary>
    internal void RequireRoom(int tokens)
    {
        if (Length + tokens > Capacity)
            throw new InvalidOperationException($"{Length} tokens and {tokens} more do not fit a cache of {Capacity}");
    }

    internal void Append(Tensor keys, Tensor values)
    {
        var tokens = (int)keys.size(0);
        RequireRoom(tokens);
        _keys.narrow(1, Length, tokens).copy_(keys.transpose(0, 1));
        _values.narrow(1, Length, tokens).copy_(values.transpose(0, 1));
        Length += tokens;
    }
}
