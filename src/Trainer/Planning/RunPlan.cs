using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>What a run would be, from its configuration alone: no data, no ranks, no weights.</summary>
/// <param name="config">A configuration that keeps the rules.</param>
/// <param name="ranks">Processes of the launch.</param>
/// <param name="held">What ranks hold of the model's parameters, where several plans are of one model.</param>
internal sealed class RunPlan(RunConfig config, int ranks, HeldParameters? held = null)
{
    private readonly HeldParameters _held = held ?? new HeldParameters(config.Model);

    /// <summary>The configuration.</summary>
    public RunConfig Config => config;

    /// <summary>Processes of the launch.</summary>
    public int Ranks => ranks;

    /// <summary>Shares of the samples.</summary>
    public int DataRanks => Replicas / config.Parallel.Context;

    /// <summary>Copies of the model.</summary>
    public int Replicas => ranks / config.Parallel.Pipeline / config.Parallel.Tensor;

    /// <summary>Parameters by part.</summary>
    public ParameterCounts Parameters => field ??= ParameterCounts.Of(_held.Plan);

    /// <summary>Tokens of one optimizer step.</summary>
    public long TokensPerStep => (long)config.Data.GlobalBatch * config.Data.Context;

    /// <summary>Tokens of the whole run.</summary>
    public double Tokens => (double)TokensPerStep * config.Run.Steps;

    /// <summary>Operations of a token, forward and backward, where a document fills its row.</summary>
    public double FlopsPerToken => ModelCost.TrainingFlopsPerToken(config.Model, config.Data.Context, causal: true);

    /// <summary>Forward and backward passes of one rank in a step.</summary>
    public int MicroSteps => config.Data.GlobalBatch / DataRanks / config.Data.MicroBatch;

    /// <summary>
    /// The share of a step's time that a stage of the pipeline waits where all passes take the same, while the pipeline fills and empties:
    /// (stages - 1) / (chunks of a stage x micro-batches + stages - 1).
    /// </summary>
    public double BubbleShare => (config.Parallel.Pipeline - 1.0) / ((double)config.Parallel.VirtualStages * MicroSteps + config.Parallel.Pipeline - 1);

    /// <summary>The pipeline in words: <c>4 stages of 2 chunks</c>.</summary>
    public string Stages => FormattableString.Invariant(
        $"{config.Parallel.Pipeline} stages{(config.Parallel.VirtualStages > 1 ? FormattableString.Invariant($" of {config.Parallel.VirtualStages} chunks") : "")}");

    /// <summary>What a rank holds of parameters, gradients and AdamW's state, on the stage that holds most.</summary>
    public MemoryEstimate MemoryOfRank(Precision precision)
        => Enumerable.Range(0, config.Parallel.Pipeline).Select(stage => MemoryOfStage(precision, stage)).MaxBy(memory => memory.Total)!;

    /// <summary>Elements of all parameters that a rank of one stage holds.</summary>
    public double ElementsOfStage(int stage) => _held.Elements(config.Parallel, stage);

    /// <summary>The same on one stage.</summary>
    public MemoryEstimate MemoryOfStage(Precision precision, int stage)
    {
        var held = ElementsOfStage(stage);
        var updated = config.Parallel.OptimizerSharding == OptimizerSharding.None ? held : held / Replicas;
        var summed = config.Parallel.OptimizerSharding == OptimizerSharding.Zero2 ? held / Replicas : held;
        // Each of the replicas saves its part: a parameter and two moments, in float32 at least.
        var saved = config.Run is { AsyncSave: true, CheckpointEvery: > 0 } ? held / Replicas : 0;
        // AdamW keeps two moments, and beside bfloat16 parameters a copy in float32. Gradients are summed in float32 at least.
        return precision switch
        {
            Precision.Bf16 => new(2 * held, 4 * summed, 12 * updated, 12 * saved),
            Precision.Fp64 => new(8 * held, 8 * summed, 16 * updated, 24 * saved),
            _ => new(4 * held, 4 * summed, 8 * updated, 12 * saved),
        };
    }

    /// <summary>The model's tensors. Layers of one shape stand together.</summary>
    public IReadOnlyList<TensorGroup> Tensors()
    {
        var shapes = Enumerable.Range(0, config.Model.Layers).Select(config.Model.Attention).Distinct().ToArray();
        var inLayers = _held.Plan.Parameters.ToLookup(parameter => parameter.Layer is not null);
        return
        [
            .. inLayers[false].Take(1).Select(Alone),
            .. shapes.SelectMany(shape => Together(inLayers[true].Where(parameter => IsOfAttention(parameter) && config.Model.Attention(parameter.Layer!.Value) == shape),
                shapes.Length == 1 ? "all" : shape.Window == 0 ? "global" : "sliding")),
            // Norms at the end.
            .. Together(inLayers[true].Where(parameter => !IsOfAttention(parameter)).OrderBy(parameter => parameter.Part), "all"),
            .. inLayers[false].Skip(1).Select(Alone),
        ];

        static bool IsOfAttention(PlannedParameter parameter) => parameter.Part is ParameterPart.AttentionMatrices or ParameterPart.ShiftScalars;

        static TensorGroup Alone(PlannedParameter parameter) => new(parameter.Kind, "", 1, [.. parameter.Shape]);

        static IEnumerable<TensorGroup> Together(IEnumerable<PlannedParameter> parameters, string layers)
            => parameters.GroupBy(parameter => parameter.Kind).Select(kind => kind.First().Part == ParameterPart.ShiftScalars
                // Few of each, of several shapes.
                ? new TensorGroup(kind.Key, layers, kind.Select(parameter => parameter.Layer).Distinct().Count(),
                    kind.Where(parameter => parameter.Layer == kind.First().Layer).Sum(parameter => parameter.ElementCount))
                : new TensorGroup(kind.Key, layers, kind.Count(), [.. kind.First().Shape]));
    }
}
