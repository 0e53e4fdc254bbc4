using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>What a run would be, from its configuration alone: no data, no ranks, no weights.</summary>
/// <param name="config">A configuration that keeps the rules.</param>
/// <param name="ranks">Processes of the launch.</param>
internal sealed class RunPlan(RunConfig config, int ranks)
{
    /// <summary>The configuration.</summary>
    public RunConfig Config => config;

    /// <summary>Processes of the launch.</summary>
    public int Ranks => ranks;

    /// <summary>Shares of the samples.</summary>
    public int DataRanks => Replicas / config.Parallel.Context;

    /// <summary>Copies of the model.</summary>
    public int Replicas => ranks / config.Parallel.Tensor;

    /// <summary>Parameters by part.</summary>
    public ParameterCounts Parameters { get; } = ParameterCounts.Of(config.Model);

    /// <summary>Tokens of one optimizer step.</summary>
    public long TokensPerStep => (long)config.Data.GlobalBatch * config.Data.Context;

    /// <summary>Tokens of the whole run.</summary>
    public double Tokens => (double)TokensPerStep * config.Run.Steps;

    /// <summary>Operations of a token, forward and backward, where a document fills its row.</summary>
    public double FlopsPerToken { get; } = ModelCost.TrainingFlopsPerToken(config.Model, config.Data.Context, causal: true);

    /// <summary>Forward and backward passes of one rank in a step.</summary>
    public int MicroSteps => config.Data.GlobalBatch / DataRanks / config.Data.MicroBatch;

    /// <summary>What a rank holds of parameters, gradients and AdamW's state.</summary>
    public MemoryEstimate MemoryOfRank(Precision precision)
    {
        // Norm weights are whole on every rank of a tensor-parallel group, all else is divided among them.
        var held = Parameters.Norms + (double)(Parameters.Total - Parameters.Norms) / config.Parallel.Tensor;
        var updated = config.Parallel.OptimizerSharding == OptimizerSharding.None ? held : held / Replicas;
        // Each of the replicas saves its part: a parameter and two moments, in float32 at least.
        var saved = config.Run is { AsyncSave: true, CheckpointEvery: > 0 } ? held / Replicas : 0;
        // AdamW keeps two moments, and beside bfloat16 parameters a copy in float32. Gradients are summed in float32 at least.
        return precision switch
        {
            Precision.Bf16 => new(2 * held, 4 * held, 12 * updated, 12 * saved),
            Precision.Fp64 => new(8 * held, 8 * held, 16 * updated, 24 * saved),
            _ => new(4 * held, 4 * held, 8 * updated, 12 * saved),
        };
    }

    /// <summary>The model's tensors. Layers of one shape stand together.</summary>
    public IReadOnlyList<TensorGroup> Tensors()
    {
        var model = config.Model;
        long hidden = model.HiddenSize;
        List<TensorGroup> groups = [new("model.embed_tokens", "", 1, model.VocabSize, hidden)];
        foreach (var layers in Enumerable.Range(0, model.Layers).GroupBy(model.Attention))
        {
            var (shape, count) = (layers.Key, layers.Count());
            var kind = count == model.Layers ? "all" : shape.Window == 0 ? "global" : "sliding";
            var (queryWidth, kvWidth) = ((long)shape.Heads * shape.HeadSize, (long)shape.KvHeads * shape.HeadSize);
            groups.Add(new("self_attn.q_proj", kind, count, queryWidth, hidden));
            groups.Add(new("self_attn.k_proj, v_proj", kind, 2 * count, kvWidth, hidden));
            groups.Add(new("self_attn.o_proj", kind, count, hidden, queryWidth));
            var scalars = ParameterCounts.ShiftScalarsOf(model, shape);
            if (scalars > 0)
            {
                groups.Add(new("self_attn shift scalars", kind, count, scalars));
            }
        }
        groups.Add(new("mlp.gate_proj, up_proj", "all", 2 * model.Layers, model.FfnSize, hidden));
        groups.Add(new("mlp.down_proj", "all", model.Layers, hidden, model.FfnSize));
        groups.Add(new("norms", "all", 2 * model.Layers, hidden));
        groups.Add(new("model.norm", "", 1, hidden));
        if (!model.TieEmbeddings)
        {
            groups.Add(new("lm_head", "", 1, model.VocabSize, hidden));
        }

        return groups;
    }
}
