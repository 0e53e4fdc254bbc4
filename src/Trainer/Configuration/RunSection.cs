using KvShiftScale.Parallel.Kernels;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>The <c>run</c> section of a run's configuration: how long, where to, and how often what is written.</summary>
public sealed record RunSection
{
    /// <summary>Name of the run and of its folder below <see cref="Directory"/>; where a file gives none, its own.</summary>
    public required string Name { get; init; }

    /// <summary>Optimizer steps of the whole run, earlier launches included.</summary>
    public required int Steps { get; init; }

    /// <summary>Seed of the initial weights and of the data order.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>
    /// Model folder whose weights a new run begins with, in any form that <c>model convert</c> reads; going on with a run does not look
    /// at it.
    /// </summary>
    public string? InitializeFrom { get; init; }

    /// <summary>Canonical reduction order: the same bits on any number of data-parallel ranks.</summary>
    public bool Deterministic { get; init; }

    /// <summary>What computes: the device's own kernels, or libtorch's operations, to tell where a number comes from.</summary>
    public KernelChoice Kernels { get; init; } = KernelChoice.Auto;

    /// <summary>Steps between checkpoints; 0 writes one after the last step only.</summary>
    public int CheckpointEvery { get; init; } = 500;

    /// <summary>
    /// Write checkpoints beside training, from a copy that each rank keeps of what it saves; otherwise training waits for the disk.
    /// </summary>
    public bool AsyncSave { get; init; } = true;

    /// <summary>
    /// Saves in a row that may fail while training goes on with a warning; one more ends the run, as does the last save. 0 ends it at the
    /// first.
    /// </summary>
    public int FailedSaves { get; init; } = 2;

    /// <summary>Seconds that a file which another rank has written may take to become visible to the first, on a network file system.</summary>
    public double VisibilitySeconds { get; init; } = 120;

    /// <summary>Checkpoints that stay on disk; older ones are deleted.</summary>
    public int KeepCheckpoints { get; init; } = 3;

    /// <summary>Checkpoints of steps that are multiples of it stay on disk for ever; 0 for none.</summary>
    public int KeepEvery { get; init; }

    /// <summary>Steps between lines of <c>metrics.jsonl</c> and of the progress display.</summary>
    public int LogEvery { get; init; } = 10;

    /// <summary>Seconds after which report.html is written anew while the run goes on, which it also is after saves; 0 writes it at the end only.</summary>
    public double ReportSeconds { get; init; } = 120;

    /// <summary>Steps between validations. Validation data, where there is some, is also read before the first step and after the last; 0 for these alone.</summary>
    public int ValidateEvery { get; init; }

    /// <summary>Sequences that one validation reads; 0 reads all.</summary>
    public int ValidationRows { get; init; }

    /// <summary>Steps between probes of induction and of the heads, the last step included; 0 for none.</summary>
    public int ProbeEvery { get; init; }

    /// <summary>Skipped steps in a row after which the run stops with exit code 1.</summary>
    public int MaxSkips { get; init; } = 5;

    /// <summary>Which steps are spikes. Steps whose loss or gradient is not finite are skipped whatever the rule.</summary>
    public SpikeRule SpikeRule { get; init; } = SpikeRule.None;

    /// <summary>What is done with a spike.</summary>
    public SpikeAction SpikeAction { get; init; } = SpikeAction.Skip;

    /// <summary>Steps that a spike is compared with; before so many are done there are no spikes.</summary>
    public int SpikeWindow { get; init; } = 100;

    /// <summary>Standard deviations above the mean of the window from which on the rule z_score sees a spike.</summary>
    public double SpikeZ { get; init; } = 6;

    /// <summary>
    /// Steps between comparisons of all copies of parameters and moments; while it is not 0, each checkpoint has one before it, too.
    /// </summary>
    public int ReplicaCheckEvery { get; init; } = 1000;

    /// <summary>
    /// Ranks compare, before each collective, what they are about to do, and end the run with the names of those that differ. Costs a small
    /// exchange for each.
    /// </summary>
    public bool CheckCollectives { get; init; }

    /// <summary>
    /// Seconds without progress on a rank, or without a sign of life from it, after which the run ends with a report of who is late; 0 for
    /// never.
    /// </summary>
    public double StallTimeoutSeconds { get; init; } = 600;

    /// <summary>What the model is given to go on with for the sample in the report; empty for no sample.</summary>
    public string SamplePrompt { get; init; } = "The";

    /// <summary>Directory that holds the folders of runs.</summary>
    public string Directory { get; init; } = "runs";

    /// <summary>Folder of this run.</summary>
    public string Folder => Path.Combine(Directory, Name);
}
