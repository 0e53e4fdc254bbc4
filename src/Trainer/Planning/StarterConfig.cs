using KvShiftScale.Core.Text;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Trainer.Planning;

/// <summary>What a first configuration is made for: the shards, and what is known of them.</summary>
/// <param name="Train">Path of the shards to train on.</param>
/// <param name="Validation">Path of those to validate on; null: there are none.</param>
/// <param name="Tokenizer">The tokenizer that made them; null: it was not found.</param>
/// <param name="VocabSize">Their vocabulary.</param>
/// <param name="Tokens">How many to train on; repeated where the shards have fewer.</param>
internal sealed record StarterData(string Train, string? Validation, string? Tokenizer, int VocabSize, long Tokens);

/// <summary>
/// A first configuration for given data: a shape from a ladder of sizes, with the batch, the learning rate and the schedule that go with it.
/// </summary>
/// <param name="Shape">Shape of the model.</param>
/// <param name="Context">Tokens in a sequence.</param>
/// <param name="BatchTokens">Tokens in a step; larger models gain from larger batches, and so from smaller steps.</param>
/// <param name="LearningRate">Peak. Falls with the width, about as its inverse.</param>
internal sealed record StarterConfig(ModelConfig Shape, int Context, int BatchTokens, double LearningRate)
{
    // Tokens a parameter that a model should see (Hoffmann et al. 2022, table 3: about 20).
    private const double TokensPerParameter = 20;

    private const int CommentColumn = 32;

    // Computed at a time by one rank: enough for large matrix products, little enough for a small machine.
    private const int TokensAtOnce = 2048;

    // Multi-query enough to save memory, head size 64; widths of feed-forward layers are 8/3 of the hidden size, rounded up to a multiple of 32.
    private static readonly StarterConfig[] Ladder =
    [
        Rung(hidden: 128, layers: 2, heads: 2, kvHeads: 1, context: 256, batchTokens: 4096, 3e-3),
        Rung(hidden: 256, layers: 4, heads: 4, kvHeads: 2, context: 256, batchTokens: 4096, 2e-3),
        Rung(hidden: 384, layers: 6, heads: 6, kvHeads: 2, context: 512, batchTokens: 16_384, 1.5e-3),
        Rung(hidden: 512, layers: 8, heads: 8, kvHeads: 4, context: 512, batchTokens: 32_768, 1e-3),
        Rung(hidden: 768, layers: 12, heads: 12, kvHeads: 4, context: 1024, batchTokens: 131_072, 6e-4),
        Rung(hidden: 1024, layers: 24, heads: 16, kvHeads: 8, context: 2048, batchTokens: 262_144, 4e-4),
        Rung(hidden: 2048, layers: 24, heads: 32, kvHeads: 8, context: 2048, batchTokens: 524_288, 2e-4),
    ];

    /// <summary>Parameters without embedding and head.</summary>
    public long Parameters { get; } = ParameterCounts.Of(Shape).NonEmbedding;

    /// <summary>The shape whose number of parameters is nearest to a wish, by ratio.</summary>
    public static StarterConfig Nearest(long parameters) => Ladder.MinBy(rung => Math.Abs(Math.Log((double)rung.Parameters / parameters)))!;

    /// <summary>The largest shape that has enough tokens, of those below a bound; the smallest where none has.</summary>
    /// <param name="tokens">Tokens to train on.</param>
    /// <param name="mostParameters">What the machine can do in a sensible time.</param>
    public static StarterConfig For(long tokens, long mostParameters)
        => Ladder.LastOrDefault(rung => rung.Parameters * TokensPerParameter <= tokens && rung.Parameters <= mostParameters) ?? Ladder[0];

    /// <summary>Sequences in a step.</summary>
    public int GlobalBatch => BatchTokens / Context;

    /// <summary>Sequences that a rank computes at a time.</summary>
    public int MicroBatch => Math.Max(1, TokensAtOnce / Context);

    /// <summary>Steps that see so many tokens.</summary>
    public int Steps(long tokens) => (int)Math.Clamp((tokens + BatchTokens - 1) / BatchTokens, 20, int.MaxValue);

    /// <summary>The configuration as a commented YAML file.</summary>
    /// <param name="name">Name of the run.</param>
    /// <param name="data">What it trains on.</param>
    public string Yaml(string name, StarterData data)
    {
        var steps = Steps(data.Tokens);
        var rhythm = Math.Max(1, steps / 10);
        var counts = ParameterCounts.Of(Shape with { VocabSize = data.VocabSize });
        var perParameter = data.Tokens / (double)Parameters;
        return Aligned(Quantity.Format($"""
            # {name}: {Quantity.Short(counts.Total)} parameters, {Quantity.Short(counts.NonEmbedding)} of them without embedding and head, on {Quantity.Short(data.Tokens)} tokens, {perParameter:0.#} a parameter.
            # "kvshift config" prints every key with its default and meaning.
            run:
              name: "{name}"
              steps: {steps} # of {BatchTokens} tokens each
              log_every: {Math.Max(1, Math.Min(10, steps / 50))}
              validate_every: {(data.Validation is null ? 0 : rhythm)}
              checkpoint_every: {rhythm} # the newest three stay, and what keep_every: N names
              probe_every: {rhythm} # does the model repeat what it has seen? docs/probes.md

            model:
              vocab_size: {data.VocabSize} # of the shards' tokenizer
              hidden_size: {Shape.HiddenSize}
              layers: {Shape.Layers}
              heads: {Shape.Heads}
              kv_heads: {Shape.KvHeads} # fewer than heads: grouped queries
              ffn_size: {Shape.FfnSize}
              kv_shift: kv # none: the vanilla transformer

            data:
              train: [{Quoted(data.Train)}]
              validation: [{(data.Validation is null ? "" : Quoted(data.Validation))}]
              tokenizer: {(data.Tokenizer is null ? "null" : Quoted(data.Tokenizer))}
              context: {Context}
              global_batch: {GlobalBatch} # sequences a step, whatever the number of ranks
              micro_batch: {MicroBatch} # sequences that a rank computes at a time; less takes less memory

            optimizer:
              lr: {Quantity.LearningRate(LearningRate)}
              warmup_steps: {Math.Max(1, Math.Min(2000, steps / 20))}
              decay: cosine
              final_lr_fraction: 0.1
              weight_decay: 0.1
              clip_norm: 1.0

            """));
    }

    // Comments of lines below each other.
    private static string Aligned(string yaml) => string.Join('\n', yaml.Split('\n').Select(line
        => !line.Contains('\'', StringComparison.Ordinal) && line.IndexOf(" # ", StringComparison.Ordinal) is > 0 and var at ? $"{line[..at].TrimEnd().PadRight(CommentColumn)}{line[at..]}" : line));

    private static string Quoted(string path) => $"'{path.Replace("'", "''", StringComparison.Ordinal)}'";

    private static StarterConfig Rung(int hidden, int layers, int heads, int kvHeads, int context, int batchTokens, double learningRate) => new(new ModelConfig
    {
        HiddenSize = hidden,
        Layers = layers,
        Heads = heads,
        KvHeads = kvHeads,
        FfnSize = ((hidden * 8 / 3) + 31) / 32 * 32,
    }, context, batchTokens, learningRate);
}
