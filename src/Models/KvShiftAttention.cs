using KvShiftScale.Models.Operations;
using KvShiftScale.Models.Probing;
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
    private readonly ModelConfig _config;
    private readonly RotaryTable _rotary;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;
    private readonly ParameterSlot? _keyShift;
    private readonly ParameterSlot? _valueShift;

    public KvShiftAttention(ParameterBuckets parameters, string name, ModelConfig config, RotaryTable rotary) : base(name)
    {
        _config = config;
        _rotary = rotary;
        var queryWidth = config.Heads * config.ResolvedHeadSize;
        var kvWidth = config.ResolvedKvHeads * config.ResolvedHeadSize;
        _query = new Linear(parameters, $"{name}.q_proj", config.HiddenSize, queryWidth);
        _key = new Linear(parameters, $"{name}.k_proj", config.HiddenSize, kvWidth);
        _value = new Linear(parameters, $"{name}.v_proj", config.HiddenSize, kvWidth);
        _output = new Linear(parameters, $"{name}.o_proj", queryWidth, config.HiddenSize);
        register_module("q_proj", _query);
        register_module("k_proj", _key);
        register_module("v_proj", _value);
        register_module("o_proj", _output);
        if (config.KvShift == KvShiftVariant.None) return;

        // Scalars get no weight decay: 0 is no natural value of theirs (they start with a sum of 1), and the paper says nothing.
        _keyShift = parameters.Create($"{name}.k_shift", weightDecay: false, config.ResolvedKvHeads, 2);
        _valueShift = parameters.Create($"{name}.v_shift", weightDecay: false, config.ResolvedKvHeads, 2);
        register_parameter("k_shift", _keyShift.Parameter);
        register_parameter("v_shift", _valueShift.Parameter);
    }

    public override Tensor forward(Tensor x, TokenLayout layout)
    {
        var query = ShiftRotateOperation.Apply(_query.call(x), _config.Heads, shift: null, _rotary, layout);
        var key = ShiftRotateOperation.Apply(_key.call(x), _config.ResolvedKvHeads, _keyShift, _rotary, layout);
        var value = _value.call(x);
        if (_valueShift is not null)
            value = ShiftRotateOperation.Apply(value, _config.ResolvedKvHeads, _valueShift, rotary: null, layout);
        return _output.call(AttentionOperation.Apply(query, key, value, _config.Heads, _config.ResolvedKvHeads, layout));
    }

    /// <summary>What the heads see, to look at: projects anew, so that the forward pass pays nothing for it.</summary>
    internal AttentionView View(Tensor x, TokenLayout layout)
    {
        var (heads, kvHeads) = (_config.Heads, _config.ResolvedKvHeads);
        return new AttentionView
        {
            Query = Split(ShiftRotateOperation.Apply(_query.call(x), heads, shift: null, _rotary, layout), heads),
            Key = Split(ShiftRotateOperation.Apply(_key.call(x), kvHeads, _keyShift, _rotary, layout), kvHeads),
            Value = Split(_value.call(x), kvHeads),
            Output = _output.Weight.Parameter,
            Layout = layout,
            Window = 0,
            KeyShift = _keyShift?.Parameter,
            ValueShift = _valueShift?.Parameter,
        };

        Tensor Split(Tensor flat, int count) => flat.view(layout.Batch, layout.Tokens, count, _config.ResolvedHeadSize);
    }

    /// <summary>Attention for the next tokens of one sequence, which continue what <paramref name="cache"/> holds.</summary>
    /// <param name="x">[tokens, hidden_size].</param>
    /// <param name="cache">This layer's cache; the tokens are added to it.</param>
    public Tensor Decode(Tensor x, LayerCache cache)
    {
        var (kvHeads, headSize) = (_config.ResolvedKvHeads, _config.ResolvedHeadSize);
        var tokens = (int)x.size(0);
        var positions = arange(cache.Length, cache.Length + tokens, int64, x.device).view(1, tokens);
        var query = ShiftRotateOperation.Rotate(_query.call(x).view(1, tokens, _config.Heads, headSize), _rotary, positions);
        var rawKey = _key.call(x).view(tokens, kvHeads, headSize);
        var rawValue = _value.call(x).view(tokens, kvHeads, headSize);
        var key = Mix(rawKey, cache.LastKey, _keyShift);
        var value = Mix(rawValue, cache.LastValue, _valueShift);
        key = ShiftRotateOperation.Rotate(key.view(1, tokens, kvHeads, headSize), _rotary, positions).view(tokens, kvHeads, headSize);
        cache.Append(key, value, rawKey, rawValue);

        // [kv_heads, group * tokens, head_size] against all keys so far; chunk token i sees everything up to itself.
        var group = _config.Heads / kvHeads;
        var length = cache.Length;
        var q = query.view(tokens, kvHeads, group, headSize).transpose(0, 1).transpose(1, 2).reshape(kvHeads, group * tokens, headSize);
        var scores = q.matmul(cache.Keys.transpose(1, 2)) * (1 / Math.Sqrt(headSize));
        if (tokens > 1)
        {
            var hidden = positions.view(1, tokens, 1).lt(arange(length, int64, x.device).view(1, 1, length));
            scores = scores.view(kvHeads, group, tokens, length).masked_fill(hidden, double.NegativeInfinity).view(kvHeads, group * tokens, length);
        }
        var mixed = scores.softmax(-1).matmul(cache.Values).view(kvHeads, group, tokens, headSize).transpose(1, 2).transpose(0, 1)
            .reshape(tokens, _config.Heads * headSize);
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
