using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// What one layer keeps of a sequence while it is decoded: shifted and rotated keys, shifted values, and the last raw rows of what
/// is shifted, which the next tokens' windows reach back to. A sliding layer holds at most two windows of tokens, however long the
/// sequence.
/// </summary>
public sealed class LayerCache : IDisposable
{
    private readonly Tensor _keys;
    private readonly Tensor _values;
    private readonly int _window;
    private readonly int _slots;
    private int _held;

    /// <param name="capacity">Tokens of the longest sequence.</param>
    /// <param name="shape">The layer's attention.</param>
    /// <param name="plan">What is shifted.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="device">Where the tensors live.</param>
    public LayerCache(int capacity, AttentionShape shape, ShiftPlan plan, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        Capacity = capacity;
        _window = shape.Window;
        // One window of keys that the next token sees, and one to write into before the oldest are dropped.
        _slots = _window == 0 ? capacity : (int)Math.Min(capacity, 2L * _window);
        _keys = empty([shape.KvHeads, _slots, shape.HeadSize], dtype, device).DetachFromDisposeScope();
        _values = empty([shape.KvHeads, _slots, shape.HeadSize], dtype, device).DetachFromDisposeScope();
        if (plan.Query)
        {
            QueryShift = new ShiftState(plan.Taps, shape.Heads, shape.HeadSize, dtype, device);
        }

        if (plan.Key)
        {
            KeyShift = new ShiftState(plan.Taps, shape.KvHeads, shape.HeadSize, dtype, device);
        }

        if (plan.Value)
        {
            ValueShift = new ShiftState(plan.Taps, shape.KvHeads, shape.HeadSize, dtype, device);
        }
    }

    /// <summary>Tokens of the longest sequence.</summary>
    public int Capacity { get; }

    /// <summary>Tokens of the sequence so far.</summary>
    public int Length { get; private set; }

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

    /// <summary>[kv_heads, length - position, head_size]: keys from a position of the sequence on.</summary>
    internal Tensor KeysFrom(int position) => _keys.narrow(1, Slot(position), Length - position);

    /// <summary>As <see cref="KeysFrom"/>, the values.</summary>
    internal Tensor ValuesFrom(int position) => _values.narrow(1, Slot(position), Length - position);

    /// <summary>Throws where <paramref name="tokens"/> more do not fit; to be asked before anything is changed.</summary>
    internal void RequireRoom(int tokens)
    {
        if (Length + tokens > Capacity)
        {
            throw new InvalidOperationException($"{Length} tokens and {tokens} more do not fit a cache of {Capacity}");
        }
    }

    /// <summary>Adds tokens, in a sliding layer no more than its window at once.</summary>
    internal void Append(Tensor keys, Tensor values)
    {
        var tokens = (int)keys.size(0);
        RequireRoom(tokens);
        if (_held + tokens > _slots)
        {
            DropAllButAWindow();
        }

        _keys.narrow(1, _held, tokens).copy_(keys.transpose(0, 1));
        _values.narrow(1, _held, tokens).copy_(values.transpose(0, 1));
        Length += tokens;
        _held += tokens;
    }

    // The next token sees itself and window - 1 before it. Once in a window of tokens, so that a token costs two copies at most.
    private void DropAllButAWindow()
    {
        using var scope = NewDisposeScope();
        var kept = Math.Min(_held, _window - 1);
        foreach (var buffer in (ReadOnlySpan<Tensor>)[_keys, _values])
        {
            // Through a copy, since the two ranges may overlap.
            if (kept > 0)
            {
                buffer.narrow(1, 0, kept).copy_(buffer.narrow(1, _held - kept, kept).clone());
            }
        }
        _held = kept;
    }

    private int Slot(int position) => position - (Length - _held);
}
