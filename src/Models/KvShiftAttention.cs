using KvShiftScale.Models.Operations;
using KvShiftScale.Parallel.Layers;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// Grouped-query attention over shifted keys and values (arXiv 2411.19574, section 2.2): k and v of a token are mixed with those
/// of the token before it by two learned scalars for each kv head, then queries and mixed keys are rotated. The paper's other
/// variants (<see cref="KvShiftVariant"/>) differ in what is mixed, over how many tokens, and how scalars become weights.
/// </summary>
public sealed class KvShiftAttention : nn.Module<Tensor, TokenLayout, Tensor>
{
    private readonly ModelConfig _config;
    private readonly RotaryTable _rotary;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;
    private readonly ShiftScalars? _queryShift;
    private readonly ShiftScalars? _keyShift;
    private readonly ShiftScalars? _valueShift;

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
        var plan = ShiftPlan.Of(config.KvShift);
        _queryShift = plan.Query ? Scalars("q_shift", config.Heads) : null;
        _keyShift = plan.Key ? Scalars("k_shift", config.ResolvedKvHeads) : null;
        _valueShift = plan.Value ? Scalars("v_shift", config.ResolvedKvHeads) : null;

        ShiftScalars Scalars(string shift, int heads)
        {
            var scalars = new ShiftScalars(parameters, $"{name}.{shift}", config.KvShift, heads);
            register_parameter(shift, scalars.Parameter);
            return scalars;
        }
    }

    public override Tensor forward(Tensor x, TokenLayout layout)
    {
        var query = ShiftRotateOperation.Apply(_query.call(x), _config.Heads, _queryShift?.Weights(), _rotary, layout);
        var key = ShiftRotateOperation.Apply(_key.call(x), _config.ResolvedKvHeads, _keyShift?.Weights(), _rotary, layout);
        var value = _value.call(x);
        if (_valueShift is not null)
            value = ShiftRotateOperation.Apply(value, _config.ResolvedKvHeads, _valueShift.Weights(), rotary: null, layout);
        return _output.call(AttentionOperation.Apply(query, key, value, _config.Heads, _config.ResolvedKvHeads, layout));
    }

    /// <summary>Attention for the next tokens of one sequence, which continue what <paramref name="cache"/> holds.</summary>
    /// <param name="x">[tokens, hidden_size].</param>
    /// <param name="cache">This layer's cache; the tokens are added to it.</param>
    public Tensor Decode(Tensor x, LayerCache cache)
    {
        var (kvHeads, headSize) = (_config.ResolvedKvHeads, _config.ResolvedHeadSize);
        var tokens = (int)x.size(0);
        cache.RequireRoom(tokens);
        var positions = arange(cache.Length, cache.Length + tokens, int64, x.device).view(1, tokens);
        var query = Mix(_query.call(x).view(tokens, _config.Heads, headSize), cache.QueryShift, _queryShift);
        var key = Mix(_key.call(x).view(tokens, kvHeads, headSize), cache.KeyShift, _keyShift);
        var value = Mix(_value.call(x).view(tokens, kvHeads, headSize), cache.ValueShift, _valueShift);
        query = ShiftRotateOperation.Rotate(query.view(1, tokens, _config.Heads, headSize), _rotary, positions);
        key = ShiftRotateOperation.Rotate(key.view(1, tokens, kvHeads, headSize), _rotary, positions).view(tokens, kvHeads, headSize);
        cache.Append(key, value);

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

    private static Tensor Mix(Tensor raw, ShiftState? state, ShiftScalars? shift)
        => shift is null ? raw : state!.Mix(raw, shift.Weights());
}
