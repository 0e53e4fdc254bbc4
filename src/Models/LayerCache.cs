using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// What one layer keeps of a sequence while it is decoded: shifted and rotated keys, shifted values, and the raw key and value of
/// the last token, which the next token's shift needs. (The paper's listing stores the shifted ones there, which would make the
/// first decoded token differ from a full forward pass.) A sliding layer holds at most two windows of tokens, however long the sequence.
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
    /// <param name="dtype">Element type.</param>
    /// <param name="device">Where the tensors live.</param>
    public LayerCache(int capacity, AttentionShape shape, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        Capacity = capacity;
        _window = shape.Window;
        // One window of keys that the next token sees, and one to write into before the oldest are dropped.
        _slots = _window == 0 ? capacity : (int)Math.Min(capacity, 2L * _window);
        _keys = empty([shape.KvHeads, _slots, shape.HeadSize], dtype, device).DetachFromDisposeScope();
        _values = empty([shape.KvHeads, _slots, shape.HeadSize], dtype, device).DetachFromDisposeScope();
        // Zeros: the first token has no previous one.
        LastKey = zeros([1, shape.KvHeads, shape.HeadSize], dtype, device).DetachFromDisposeScope();
        LastValue = zeros([1, shape.KvHeads, shape.HeadSize], dtype, device).DetachFromDisposeScope();
    }

    /// <summary>Tokens of the longest sequence.</summary>
    public int Capacity { get; }

    /// <summary>Tokens of the sequence so far.</summary>
    public int Length { get; private set; }

    /// <summary>Raw key of the last token, [1, kv_heads, head_size].</summary>
    public Tensor LastKey { get; }

    /// <summary>Raw value of the last token, [1, kv_heads, head_size].</summary>
    public Tensor LastValue { get; }

    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
        LastKey.Dispose();
        LastValue.Dispose();
    }

    /// <summary>[kv_heads, length - position, head_size]: keys from a position of the sequence on.</summary>
    internal Tensor KeysFrom(int position) => _keys.narrow(1, Slot(position), Length - position);

    /// <summary>As <see cref="KeysFrom"/>, the values.</summary>
    internal Tensor ValuesFrom(int position) => _values.narrow(1, Slot(position), Length - position);

    /// <summary>Adds tokens, in a sliding layer no more than its window at once.</summary>
    internal void Append(Tensor keys, Tensor values, Tensor rawKeys, Tensor rawValues)
    {
        var tokens = (int)keys.size(0);
        if (Length + tokens > Capacity)
            throw new InvalidOperationException($"{Length} tokens and {tokens} more do not fit a cache of {Capacity}");
        if (_held + tokens > _slots) DropAllButAWindow();
        _keys.narrow(1, _held, tokens).copy_(keys.transpose(0, 1));
        _values.narrow(1, _held, tokens).copy_(values.transpose(0, 1));
        LastKey.copy_(rawKeys.narrow(0, tokens - 1, 1));
        LastValue.copy_(rawValues.narrow(0, tokens - 1, 1));
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
            if (kept > 0) buffer.narrow(1, 0, kept).copy_(buffer.narrow(1, _held - kept, kept).clone());
        }
        _held = kept;
    }

    private int Slot(int position) => position - (Length - _held);
}
