using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using static KvShiftScale.Core.Configuration.ConfigFaultList;
using static KvShiftScale.Core.Configuration.NumberBound;

namespace KvShiftScale.Models.Configuration;

/// <summary>Rules of a model's shape, from a configuration or from a model folder.</summary>
public static class ModelRules
{
    /// <summary>Above the ten million of the longest context that has been published.</summary>
    public const int MostContext = 1 << 24;

    // Hundreds of times the largest that have been published.
    private const double MostParameters = 1e15;

    private const int MostAttentionWidth = 1 << 24;

    /// <summary>The bounds of every number of a shape, by key.</summary>
    public static IReadOnlyDictionary<string, NumberBound> Bounds { get; } = new Dictionary<string, NumberBound>
    {
        ["model.vocab_size"] = new Whole(1, 1 << 24, "set the number of token ids of the tokenizer"),
        ["model.hidden_size"] = new Whole(1, 1 << 20, "set the width of the residual stream, for example 512"),
        ["model.layers"] = new Whole(1, 100_000, "set the number of transformer blocks, for example 8"),
        ["model.heads"] = new Whole(1, 65_536, "set the number of query heads, for example 8"),
        ["model.kv_heads"] = new Whole(0, 65_536, "use 0 for as many as query heads"),
        ["model.head_size"] = new Whole(0, 65_536, "use 0 for model.hidden_size / model.heads"),
        ["model.ffn_size"] = new Whole(1, 1 << 24, "set the width of the feed-forward layer, for example 8/3 of model.hidden_size"),
        ["model.rope_base"] = new Real(1, 1e15, "use for example 100000", IsOpenBelow: true),
        ["model.norm_epsilon"] = new Real(0, 1, "use for example 1e-6", IsOpenBelow: true),
        ["model.sliding_window"] = new Whole(0, MostContext, "set the number of keys that a query of a sliding layer sees, or 0 for no sliding layers"),
        ["model.sliding_heads"] = new Whole(0, 65_536, "use 0 for the value of the other layers"),
        ["model.sliding_kv_heads"] = new Whole(0, 65_536, "use 0 for the value of the other layers"),
        ["model.sliding_head_size"] = new Whole(0, 65_536, "use 0 for the value of the other layers"),
        ["model.init_std"] = new Real(0, 1000, "use for example 0.02", IsOpenBelow: true),
    };

    /// <summary>The rules that a shape breaks, its bounds among them.</summary>
    public static IReadOnlyList<ConfigFault> FaultsOf(ModelConfig model)
    {
        var faults = new ConfigFaultList();
        faults.CheckNumbers(model, "model", Bounds.GetValueOrDefault);
        if (faults.Faults.Count == 0)
        {
            Check(model, faults);
            CheckSize(model, faults);
        }

        return faults.Faults;
    }

    /// <summary>What sizes have to do with one another.</summary>
    public static void Check(ModelConfig model, ConfigFaultList faults)
    {
        faults.Require(model.KvShift != KvShiftVariant.Gate || model.KvShiftInit != KvShiftInitialization.Identity, "model.kv_shift_init",
            "identity", "cannot start model.kv_shift = gate, whose weight is a sigmoid and never exactly 1",
            "use uniform or softmax, or model.kv_shift: clip, which can start there");
        CheckSliding(model, faults);
        if (model.KvHeads > 0)
        {
            faults.Require(model.Heads % model.KvHeads == 0, "model.kv_heads", model.KvHeads,
                Format($"must divide model.heads = {model.Heads}"), Format($"set {NearestDivisors(model.Heads, model.KvHeads)}"));
        }

        if (model.HeadSize == 0 && model.HiddenSize % model.Heads != 0)
        {
            faults.Add("model.hidden_size", model.HiddenSize,
                Format($"must be a multiple of model.heads = {model.Heads} when model.head_size is 0"),
                Format($"set {NearestMultiples(model.Heads, model.HiddenSize)}, or set model.head_size"));
        }
        else
        {
            faults.Require(model.ResolvedHeadSize % 2 == 0, "model.head_size", model.ResolvedHeadSize,
                "must be even, because rotary positions turn pairs of components",
                Format($"set model.head_size: {model.ResolvedHeadSize + 1}, or another model.hidden_size"));
        }
    }

    private static void CheckSliding(ModelConfig model, ConfigFaultList faults)
    {
        ReadOnlySpan<(string Key, int Value)> shape =
        [
            ("model.sliding_heads", model.SlidingHeads),
            ("model.sliding_kv_heads", model.SlidingKvHeads),
            ("model.sliding_head_size", model.SlidingHeadSize),
        ];
        foreach (var (key, value) in shape)
        {
            faults.Require(value == 0 || model.SlidingWindow != 0, key, value, "needs sliding layers, and model.sliding_window is 0",
                Format($"set model.sliding_window, or {key}: 0"));
        }
        if (model.SlidingWindow == 0)
        {
            return;
        }

        // Where these are faulty without a sliding value of their own, the fault is told of the keys that they follow.
        var (heads, kvHeads, headSize, _) = model.Attention(1);
        if (model.SlidingHeads > 0 || model.SlidingKvHeads > 0)
        {
            faults.Require(heads % kvHeads == 0, "model.sliding_kv_heads", kvHeads, Format($"must divide the {heads} heads of a sliding layer"),
                Format($"set {NearestDivisors(heads, kvHeads)}, or another model.sliding_heads"));
        }
        faults.Require(model.SlidingHeadSize <= 0 || headSize % 2 == 0, "model.sliding_head_size", headSize,
            "must be even, because rotary positions turn pairs of components", Format($"set model.sliding_head_size: {headSize + 1}"));
    }

    /// <summary>Sizes that each keep their bounds and are absurd together.</summary>
    public static void CheckSize(ModelConfig model, ConfigFaultList faults)
    {
        foreach (var (key, shape) in model.SlidingWindow > 0 ? [("model.heads", model.Attention(0)), ("model.sliding_heads", model.Attention(1))]
            : new[] { ("model.heads", model.Attention(0)) })
        {
            var width = (long)shape.Heads * shape.HeadSize;
            faults.Require(width <= MostAttentionWidth, key, shape.Heads,
                Format($"makes {width} query components of a token with a head size of {shape.HeadSize}, and there can be at most {MostAttentionWidth}"),
                "set fewer or smaller heads");
        }
        // In floating point, where no product is too large.
        double hidden = model.HiddenSize;
        var parameters = ((model.TieEmbeddings ? 1 : 2) * hidden * model.VocabSize) + (model.Layers * hidden * model.FfnSize * 3.0);
        for (var layer = 0; layer < Math.Min(2, model.Layers); layer++)
        {
            var shape = model.Attention(layer);
            var layers = model.Layers == 1 ? 1 : model.Layers / 2.0;
            parameters += layers * 2 * hidden * ((double)shape.Heads + shape.KvHeads) * shape.HeadSize;
        }
        faults.Require(parameters <= MostParameters, "model", Format($"{parameters:0.#e+0} parameters"),
            Format($"must have at most {MostParameters:0.#e+0} parameters"), "set smaller sizes or fewer layers");
    }
}
