using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// What one layer keeps of a sequence while it is decoded: shifted and rotated keys, shifted values, and the raw key and value of
/// the last token, which the next token's shift needs. (The paper's listing stores the shifted ones there, which would make the
/// first decoded token differ from a full forward pass.)
/// </summary>
public sealed class LayerCache : IDisposable
{
    private readonly Tensor _keys;
    private readonly Tensor _values;

    public LayerCache(int capacity, int kvHeads, int headSize, ScalarType dtype, Device device)
    {
        using var scope = NewDisposeScope();
        Capacity = capacity;
        _keys = empty([kvHeads, capacity, headSize], dtype, device).DetachFromDisposeScope();
        _values = empty([kvHeads, capacity, headSize], dtype, device).DetachFromDisposeScope();
        // Zeros: the first token has no previous one.
        LastKey = zeros([1, kvHeads, headSize], dtype, device).DetachFromDisposeScope();
        LastValue = zeros([1, kvHeads, headSize], dtype, device).DetachFromDisposeScope();
    }

    /// <summary>Tokens that fit.</summary>
    public int Capacity { get; }

    /// <summary>Tokens held.</summary>
    public int Length { get; private set; }

    /// <summary>[kv_heads, length, head_size].</summary>
    public Tensor Keys => _keys.narrow(1, 0, Length);

    /// <summary>[kv_heads, length, head_size].</summary>
    public Tensor Values => _values.narrow(1, 0, Length);

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

    internal void Append(Tensor keys, Tensor values, Tensor rawKeys, Tensor rawValues)
    {
        var tokens = (int)keys.size(0);
        if (Length + tokens > Capacity)
            throw new InvalidOperationException($"{Length} tokens and {tokens} more do not fit a cache of {Capacity}");
        _keys.narrow(1, Length, tokens).copy_(keys.transpose(0, 1));
        _values.narrow(1, Length, tokens).copy_(values.transpose(0, 1));
        LastKey.copy_(rawKeys.narrow(0, tokens - 1, 1));
        LastValue.copy_(rawValues.narrow(0, tokens - 1, 1));
        Length += tokens;
    }
}
