using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Models.Operations;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Layers;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// Grouped-query attention over shifted keys and values (arXiv 2411.19574, section 2.2): k and v of a token are mixed with those
/// of the token before it by two learned scalars for each kv head, then queries and mixed keys are rotated. The paper's other
/// variants (<see cref="KvShiftVariant"/>) differ in what is mixed, over how many tokens, and how scalars become weights.
/// </summary>
public sealed class KvShiftAttention : nn.Module<Activation, TokenLayout, Tensor>
{
    private readonly IKernels _kernels;
    private readonly AttentionShape _shape;
    private readonly RotaryTable _rotary;
    private readonly int _kvHeads;
    private readonly TensorRegion _region;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;
    private readonly ShiftScalars? _queryShift;
    private readonly ShiftScalars? _keyShift;
    private readonly ShiftScalars? _valueShift;

    internal KvShiftAttention(ModelParameters parameters, string name, KvShiftVariant variant, AttentionShape shape, RotaryTable rotary) : base(name)
    {
        _kernels = parameters.Kernels;
        _region = parameters.Region;
        // Of this rank; neighbours share a head where there are fewer than ranks.
        _shape = shape with { Heads = shape.Heads / _region.Size, KvHeads = Math.Max(1, shape.KvHeads / _region.Size) };
        _kvHeads = shape.KvHeads;
        _rotary = rotary;
        _query = Projection("q_proj");
        _key = Projection("k_proj");
        _value = Projection("v_proj");
        _output = Projection("o_proj");
        var plan = ShiftPlan.Of(variant);
        _queryShift = plan.Query ? Scalars("q_shift") : null;
        _keyShift = plan.Key ? Scalars("k_shift") : null;
        _valueShift = plan.Value ? Scalars("v_shift") : null;

        Linear Projection(string projection)
        {
            var linear = new Linear($"{name}.{projection}", parameters.Create($"{name}.{projection}.weight"));
            register_module(projection, linear);
            return linear;
        }

        ShiftScalars Scalars(string shift)
        {
            var scalars = new ShiftScalars(variant, parameters.Create($"{name}.{shift}"));
            register_parameter(shift, scalars.Parameter);
            return scalars;
        }
    }

    /// <summary>Whether queries, keys and values that are shifted are made again in backward, from the raw ones, instead of being kept.</summary>
    public bool ShiftedIsRemade { get; set; }

    public override Tensor forward(Activation x, TokenLayout layout)
    {
        x = _region.Enter(x);
        // Only a shift needs neighbours; queries are rotated where they are.
        var query = _queryShift is null
            ? ShiftRotateOperation.Apply(_kernels, _query.call(x), _shape.Heads, weights: null, _rotary, layout.Own)
            : ShiftRotateOperation.Apply(_kernels, layout.Gather(_query.call(x)), _shape.Heads, _queryShift.Weights(), _rotary, layout, ShiftedIsRemade)
                .Then(layout.TakeOwn);
        // Keys and values are gathered raw, so that the shift finds the neighbour of every token.
        var key = ShiftRotateOperation.Apply(_kernels, layout.Gather(_key.call(x)), _shape.KvHeads, _keyShift?.Weights(), _rotary, layout, ShiftedIsRemade);
        Activation value = layout.Gather(_value.call(x));
        if (_valueShift is not null)
        {
            value = ShiftRotateOperation.Apply(_kernels, value.Value, _shape.KvHeads, _valueShift.Weights(), rotary: null, layout, ShiftedIsRemade);
        }

        return _region.Leave(_output.call(AttentionOperation.Apply(_kernels, query, key, value, _shape, layout)));
    }

    /// <summary>What this rank's heads see, to look at: projects anew, so that the forward pass pays nothing for it. Collective.</summary>
    /// <param name="layout">Of tokens that are all this rank's own.</param>
    internal AttentionView View(Activation x, TokenLayout layout)
    {
        x = _region.Enter(x);
        var ranksPerKvHead = Math.Max(1, _region.Size / _kvHeads);
        return new AttentionView
        {
            Query = Split(ShiftRotateOperation.Apply(_kernels, _query.call(x), _shape.Heads, _queryShift?.Weights(), _rotary, layout).Value, _shape.Heads),
            Key = Split(ShiftRotateOperation.Apply(_kernels, _key.call(x), _shape.KvHeads, _keyShift?.Weights(), _rotary, layout).Value, _shape.KvHeads),
            Value = Split(_value.call(x), _shape.KvHeads),
            Output = _output.Weight.Parameter,
            Layout = layout,
            Window = _shape.Window,
            KeyShift = _keyShift?.Weights(),
            ValueShift = _valueShift?.Weights(),
            AllHeads = _shape.Heads * _region.Size,
            AllKvHeads = _kvHeads,
            FirstHead = _shape.Heads * _region.Group.Rank,
            FirstKvHead = _region.Group.Rank / ranksPerKvHead * _shape.KvHeads,
            IsFirstOfKvHead = _region.Group.Rank % ranksPerKvHead == 0,
        };

        Tensor Split(Tensor flat, int count) => flat.view(layout.Batch, layout.Tokens, count, _shape.HeadSize);
    }

    /// <summary>Attention for the next tokens of one sequence, which continue what <paramref name="cache"/> holds.</summary>
    /// <param name="x">[tokens, hidden_size].</param>
    /// <param name="layout">One row of these tokens, whose positions go on from the sequence's.</param>
    /// <param name="cache">This layer's cache; the tokens are added to it.</param>
    internal Tensor Decode(Tensor x, TokenLayout layout, LayerCache cache)
    {
        var (heads, kvHeads, headSize, window) = _shape;
        var tokens = (int)x.size(0);
        cache.RequireRoom(tokens);
        var positions = layout.Positions.to(int64, x.device).view(1, tokens);
        var query = Mix(_query.call(x).view(tokens, heads, headSize), cache.QueryShift, _queryShift);
        var key = Mix(_key.call(x).view(tokens, kvHeads, headSize), cache.KeyShift, _keyShift);
        var value = Mix(_value.call(x).view(tokens, kvHeads, headSize), cache.ValueShift, _valueShift);
        query = _rotary.Rotate(query.view(1, tokens, heads, headSize), positions);
        key = _rotary.Rotate(key.view(1, tokens, kvHeads, headSize), positions).view(tokens, kvHeads, headSize);
        cache.Append(key, value);

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
            if (window > 0)
            {
                scores = scores.masked_fill((keyPosition + window).le(token), double.NegativeInfinity);
            }

            scores = scores.view(kvHeads, group * tokens, length);
        }
        var mixed = scores.softmax(-1).matmul(cache.ValuesFrom(first)).view(kvHeads, group, tokens, headSize).transpose(1, 2).transpose(0, 1)
            .reshape(tokens, heads * headSize);
        return _output.call(mixed);
    }

    private static Tensor Mix(Tensor raw, ShiftState? state, ShiftScalars? shift)
        => shift is null ? raw : state!.Mix(raw, shift.Weights());
}
