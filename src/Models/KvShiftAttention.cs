using KvShiftScale.Models.Operations;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Layers;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// Grouped-query attention over shifted keys and values (arXiv 2411.19574, section 2.2): k and v of a token are mixed with those
/// of the token before it by two learned scalars for each kv head, then queries and mixed keys are rotated.
/// </summary>
public sealed class KvShiftAttention : nn.Module<Tensor, TokenLayout, Tensor>
{
    private readonly AttentionShape _shape;
    private readonly RotaryTable _rotary;
    private readonly TensorRegion _region;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;
    private readonly ParameterSlot? _keyShift;
    private readonly ParameterSlot? _valueShift;

    public KvShiftAttention(ParameterBuckets parameters, string name, ModelConfig config, AttentionShape shape, RotaryTable rotary,
        TensorRegion region) : base(name)
    {
        // Of this rank; neighbours share a head where there are fewer than ranks.
        _shape = shape with { Heads = shape.Heads / region.Size, KvHeads = Math.Max(1, shape.KvHeads / region.Size) };
        _rotary = rotary;
        _region = region;
        var queryWidth = shape.Heads * shape.HeadSize;
        var kvWidth = shape.KvHeads * shape.HeadSize;
        _query = new Linear(parameters, $"{name}.q_proj", region.Divided(axis: 0, queryWidth, config.HiddenSize));
        _key = new Linear(parameters, $"{name}.k_proj", region.DividedByHead(shape.KvHeads, kvWidth, config.HiddenSize));
        _value = new Linear(parameters, $"{name}.v_proj", region.DividedByHead(shape.KvHeads, kvWidth, config.HiddenSize));
        _output = new Linear(parameters, $"{name}.o_proj", region.Divided(axis: 1, config.HiddenSize, queryWidth));
        register_module("q_proj", _query);
        register_module("k_proj", _key);
        register_module("v_proj", _value);
        register_module("o_proj", _output);
        if (config.KvShift == KvShiftVariant.None) return;

        // Scalars get no weight decay: 0 is no natural value of theirs (they start with a sum of 1), and the paper says nothing.
        var shard = region.DividedByHead(shape.KvHeads, shape.KvHeads, 2);
        _keyShift = parameters.Create($"{name}.k_shift", weightDecay: false, shard);
        _valueShift = parameters.Create($"{name}.v_shift", weightDecay: false, shard);
        register_parameter("k_shift", _keyShift.Parameter);
        register_parameter("v_shift", _valueShift.Parameter);
    }

    public override Tensor forward(Tensor x, TokenLayout layout)
    {
        x = _region.Enter(x);
        var query = ShiftRotateOperation.Apply(_query.call(x), _shape.Heads, shift: null, _rotary, layout.Own);
        // Raw keys and values are gathered, so that the shift finds every token's neighbour.
        var key = ShiftRotateOperation.Apply(layout.Gather(_key.call(x)), _shape.KvHeads, _keyShift, _rotary, layout);
        var value = layout.Gather(_value.call(x));
        if (_valueShift is not null)
            value = ShiftRotateOperation.Apply(value, _shape.KvHeads, _valueShift, rotary: null, layout);
        return _region.Leave(_output.call(AttentionOperation.Apply(query, key, value, _shape, layout)));
    }

    /// <summary>Attention for the next tokens of one sequence, which continue what <paramref name="cache"/> holds.</summary>
    /// <param name="x">[tokens, hidden_size].</param>
    /// <param name="cache">This layer's cache; the tokens are added to it.</param>
    public Tensor Decode(Tensor x, LayerCache cache)
    {
        var (heads, kvHeads, headSize, window) = _shape;
        var tokens = (int)x.size(0);
        var positions = arange(cache.Length, cache.Length + tokens, int64, x.device).view(1, tokens);
        var query = ShiftRotateOperation.Rotate(_query.call(x).view(1, tokens, heads, headSize), _rotary, positions);
        var rawKey = _key.call(x).view(tokens, kvHeads, headSize);
        var rawValue = _value.call(x).view(tokens, kvHeads, headSize);
        var key = Mix(rawKey, cache.LastKey, _keyShift);
        var value = Mix(rawValue, cache.LastValue, _valueShift);
        key = ShiftRotateOperation.Rotate(key.view(1, tokens, kvHeads, headSize), _rotary, positions).view(tokens, kvHeads, headSize);
        cache.Append(key, value, rawKey, rawValue);

        // [kv_heads, group * tokens, head_size] against the keys from the first that any of the tokens sees.
        var group = heads / kvHeads;
        var first = window == 0 ? 0 : Math.Max(0, cache.Length - tokens + 1 - window);
        var length = cache.Length - first;
        var q = query.view(tokens, kvHeads, group, headSize).transpose(0, 1).transpose(1, 2).reshape(kvHeads, group * tokens, headSize);
        var scores = q.matmul(cache.KeysFrom(first).transpose(1, 2)) * (1 / Math.Sqrt(headSize));
        if (tokens > 1)
        {
            var (token, keyPosition) = (positions.view(1, tokens, 1), arange(first, cache.Length, int64, x.device).view(1, 1, length));
            scores = scores.view(kvHeads, group, tokens, length).masked_fill(token.lt(keyPosition), double.NegativeInfinity);
            if (window > 0) scores = scores.masked_fill((keyPosition + window).le(token), double.NegativeInfinity);
            scores = scores.view(kvHeads, group * tokens, length);
        }
        var mixed = scores.softmax(-1).matmul(cache.ValuesFrom(first)).view(kvHeads, group, tokens, headSize).transpose(1, 2).transpose(0, 1)
            .reshape(tokens, heads * headSize);
        return _output.call(mixed);
    }

    // The shift of a chunk whose left neighbour is the last raw token of the one before it.
    private static Tensor Mix(Tensor raw, Tensor last, ParameterSlot? shift)
    {
        if (shift is null) return raw;
        var previous = cat([last, raw.narrow(0, 0, raw.size(0) - 1)], 0);
        var scalars = shift.Parameter;
        return raw * scalars.narrow(1, 1, 1).unsqueeze(0) + previous * scalars.narrow(1, 0, 1).unsqueeze(0);
    }
}
