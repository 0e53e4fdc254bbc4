using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Models.Configuration;

/// <summary>What a parameter is a part of, as parameters are counted.</summary>
public enum ParameterPart
{
    Embedding,
    AttentionMatrices,
    ShiftScalars,
    FeedForward,
    Norms,
    Head,
}

/// <summary>Values that a parameter has before the first step.</summary>
public enum InitialValues
{
    /// <summary>Ones.</summary>
    One,

    /// <summary>Rows that are looked up: no inputs are summed.</summary>
    Rows,

    /// <summary>A matrix that is multiplied with activations.</summary>
    Matrix,

    /// <summary>A matrix that writes into the residual stream.</summary>
    ResidualMatrix,

    /// <summary>Scalars of the shift.</summary>
    Shift,
}

/// <summary>Stages of a pipeline that hold a parameter.</summary>
[Flags]
public enum ParameterStages
{
    First = 1,
    OfLayer = 2,
    Last = 4,
}

/// <summary>A parameter before it is allocated.</summary>
/// <param name="Name">Its name in checkpoints.</param>
/// <param name="Shape">Shape of the whole parameter, without padding.</param>
/// <param name="Shard">How it is divided.</param>
/// <param name="Part">What it is counted as.</param>
/// <param name="Initial">Its first values.</param>
/// <param name="Kind">What tables call it together with others of its kind.</param>
public sealed record PlannedParameter(string Name, IReadOnlyList<long> Shape, ShardRule Shard, ParameterPart Part, InitialValues Initial, string Kind)
{
    /// <summary>The layer that it belongs to, counted from 0; null outside of layers.</summary>
    public int? Layer { get; init; }

    /// <summary>Where it lives; a tied embedding on two stages.</summary>
    public ParameterStages Stages { get; init; } = ParameterStages.OfLayer;

    /// <summary>It is the embedding and the output head.</summary>
    public bool IsTied => Stages == (ParameterStages.First | ParameterStages.Last);

    /// <summary>Whether the optimizer lets it decay: matrices and embeddings.</summary>
    public bool WeightDecay => Part is not (ParameterPart.Norms or ParameterPart.ShiftScalars);

    /// <summary>Elements of the whole parameter.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, extent) => checked(product * extent));
}

/// <summary>
/// Every parameter of a model, from its shape alone, in the order in which they are allocated. Construction, counts, initial values, plans of
/// memory, import and export read it.
/// </summary>
public sealed class ParameterPlan
{
    private readonly Dictionary<string, PlannedParameter> _byName;

    private ParameterPlan(IReadOnlyList<PlannedParameter> parameters)
    {
        Parameters = parameters;
        _byName = parameters.ToDictionary(parameter => parameter.Name);
    }

    /// <summary>All of them.</summary>
    public IReadOnlyList<PlannedParameter> Parameters { get; }

    /// <exception cref="KeyNotFoundException">The model has no such parameter.</exception>
    public PlannedParameter this[string name] => _byName[name];

    /// <summary>The parameters of a model.</summary>
    public static ParameterPlan Of(ModelConfig config)
    {
        List<PlannedParameter> all =
        [
            new("model.embed_tokens.weight", [config.VocabSize, config.HiddenSize], new ShardRule.DividedByVocabulary(), ParameterPart.Embedding,
                InitialValues.Rows, "model.embed_tokens") { Stages = config.TieEmbeddings ? ParameterStages.First | ParameterStages.Last : ParameterStages.First },
        ];
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var number = layer;
            all.AddRange(OfLayer(config, $"model.layers.{layer}", config.Attention(layer)).Select(parameter => parameter with { Layer = number }));
        }

        all.Add(Norm("model.norm.weight", config, "model.norm") with { Stages = ParameterStages.Last });
        if (!config.TieEmbeddings)
        {
            all.Add(new("lm_head.weight", [config.VocabSize, config.HiddenSize], new ShardRule.DividedByVocabulary(), ParameterPart.Head,
                InitialValues.Matrix, "lm_head") { Stages = ParameterStages.Last });
        }

        return new ParameterPlan(all);
    }

    private static IEnumerable<PlannedParameter> OfLayer(ModelConfig config, string layer, AttentionShape shape)
    {
        long hidden = config.HiddenSize;
        var (queryWidth, kvWidth) = ((long)shape.Heads * shape.HeadSize, (long)shape.KvHeads * shape.HeadSize);
        var byKvHead = new ShardRule.DividedByHead(shape.KvHeads);
        yield return Norm($"{layer}.input_layernorm.weight", config, "norms");
        yield return Attention("q_proj", [queryWidth, hidden], new ShardRule.Divided(0));
        yield return Attention("k_proj", [kvWidth, hidden], byKvHead, kind: "self_attn.k_proj, v_proj");
        yield return Attention("v_proj", [kvWidth, hidden], byKvHead, kind: "self_attn.k_proj, v_proj");
        yield return Attention("o_proj", [hidden, queryWidth], new ShardRule.Divided(1), InitialValues.ResidualMatrix);
        var plan = ShiftPlan.Of(config.KvShift);
        if (plan.Query)
        {
            yield return Shift("q_shift", shape.Heads, new ShardRule.Divided(0));
        }

        if (plan.Key)
        {
            yield return Shift("k_shift", shape.KvHeads, byKvHead);
        }

        if (plan.Value)
        {
            yield return Shift("v_shift", shape.KvHeads, byKvHead);
        }

        yield return Norm($"{layer}.post_attention_layernorm.weight", config, "norms");
        yield return FeedForward("gate_proj", [config.FfnSize, hidden], 0, InitialValues.Matrix, "mlp.gate_proj, up_proj");
        yield return FeedForward("up_proj", [config.FfnSize, hidden], 0, InitialValues.Matrix, "mlp.gate_proj, up_proj");
        yield return FeedForward("down_proj", [hidden, config.FfnSize], 1, InitialValues.ResidualMatrix, "mlp.down_proj");

        PlannedParameter Attention(string name, IReadOnlyList<long> size, ShardRule shard, InitialValues initial = InitialValues.Matrix, string? kind = null)
            => new($"{layer}.self_attn.{name}.weight", size, shard, ParameterPart.AttentionMatrices, initial, kind ?? $"self_attn.{name}");

        // No weight decay: 0 is no natural value of theirs (the weights start with a sum of 1), and the paper says nothing of it.
        PlannedParameter Shift(string name, int heads, ShardRule shard)
            => new($"{layer}.self_attn.{name}", [heads, plan.ScalarsPerHead], shard, ParameterPart.ShiftScalars, InitialValues.Shift, "self_attn shift scalars");

        PlannedParameter FeedForward(string name, IReadOnlyList<long> size, int divided, InitialValues initial, string kind)
            => new($"{layer}.mlp.{name}.weight", size, new ShardRule.Divided(divided), ParameterPart.FeedForward, initial, kind);
    }

    private static PlannedParameter Norm(string name, ModelConfig config, string kind)
        => new(name, [config.HiddenSize], new ShardRule.Replicated(), ParameterPart.Norms, InitialValues.One, kind);
}
