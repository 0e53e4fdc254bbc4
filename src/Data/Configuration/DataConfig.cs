using KvShiftScale.Data.Files;

namespace KvShiftScale.Data.Configuration;

/// <summary>One source of token shards: a glob of Parquet files and its share of the training mixture.</summary>
/// <param name="Glob">Files, relative to the directory in which the program runs: <c>data/books/*.parquet</c>.</param>
/// <param name="Weight">Share of the samples that come from this source, relative to the other sources.</param>
public sealed record DataSource(string Glob, double Weight = 1.0)
{
    private DataSource(DataSource source, string set)
        : this(source.Glob, source.Weight) => Set = set;

    /// <summary>Name of the set that it belongs to, where sources stand under names; null where they stand in a list.</summary>
    public string? Set { get; }

    /// <summary>The same as a part of a set with a name.</summary>
    public DataSource In(string set) => new(this, set);
}

/// <summary>The <c>data</c> section of a run's configuration.</summary>
public sealed record DataConfig
{
    /// <summary>The order of rows in a run that is begun without one.</summary>
    public const RowOrder DefaultRowOrder = Configuration.RowOrder.Shuffled;

    /// <summary>Token shards to train on.</summary>
    public IReadOnlyList<DataSource> Train { get; init; } = [];

    /// <summary>Token shards that validation reads from first to last. Sets with names are read, and their losses told, each by itself.</summary>
    public IReadOnlyList<DataSource> Validation { get; init; } = [];

    /// <summary>Tokenizer folder that belongs to the shards; copied into checkpoints so that they can generate text.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Tokens in one sequence.</summary>
    public int Context { get; init; } = 1024;

    /// <summary>Sequences in one optimizer step, over all ranks.</summary>
    public int GlobalBatch { get; init; } = 32;

    /// <summary>Sequences that one rank computes at a time; the rest of its share is accumulated.</summary>
    public int MicroBatch { get; init; } = 4;

    /// <summary>How documents become rows: laid end to end, or each beginning a row that is padded.</summary>
    public Packing Packing { get; init; } = Packing.Concatenate;

    /// <summary>Each document stands alone: attention, KV shift and rotary positions restart at its first token.</summary>
    public bool DocumentMask { get; init; } = true;

    /// <summary>
    /// Order of the rows of a window of row groups. Null: that of the run's checkpoint, and <see cref="DefaultRowOrder"/> in a new run.
    /// </summary>
    public RowOrder? RowOrder { get; init; }

    /// <summary>
    /// Row groups whose documents and rows are shuffled together; more of them mix better and take more memory, 8 bytes a token of each.
    /// </summary>
    public int ShuffleRowGroups { get; init; } = 8;

    /// <summary>Batches made ahead of training.</summary>
    public int PrefetchBatches { get; init; } = 4;

    /// <summary>Threads that decode the row groups of the next window; the order of the samples does not depend on them.</summary>
    public int ReaderThreads { get; init; } = 2;

    /// <summary>Repetitions of a read that failed, after pauses that double from a quarter of a second on; 0 fails at once.</summary>
    public int ReadRetries { get; init; } = ReadAccess.DefaultRetries;
}
