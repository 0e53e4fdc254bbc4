using KvShiftScale.Core.Configuration;
using KvShiftScale.Models.Configuration;
using static KvShiftScale.Core.Configuration.NumberBound;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>
/// The bounds of every number that a configuration or an option takes. Upper bounds lie far above what anybody trains, and so low that products of numbers that keep
/// them have a place in 64 bits; where products could still be absurd, <see cref="RunConfigRules"/> has a rule.
/// </summary>
internal static class NumberBounds
{
    /// <summary>Ranks of a launch: several times those of the largest runs that have been published.</summary>
    public const int MostRanks = 131_072;

    /// <summary>Threads of one process, on any machine; <see cref="Launch.MachineRules"/> has what this one carries.</summary>
    public const int MostThreads = 1024;

    // A step a second takes thirty years for as many.
    private const int MostSteps = 1_000_000_000;

    private static readonly Dictionary<string, NumberBound> OfRun = new()
    {
        ["run.steps"] = new Whole(1, MostSteps, "set the number of optimizer steps of the whole run"),
        // Every number of 64 bits that is not negative is a seed.
        ["run.seed"] = new Whole(0, long.MaxValue, "use 0 or a positive number"),
        ["run.checkpoint_every"] = new Whole(0, MostSteps, "use a number of steps, or 0 for a checkpoint after the last step only"),
        ["run.failed_saves"] = new Whole(0, MostSteps, "use 0 to end the run at the first save that fails"),
        ["run.visibility_seconds"] = new Real(0, 86_400, "use a little more than the file system's longest cache of attributes, for example 120", IsOpenBelow: true),
        ["run.report_seconds"] = new Real(0, 86_400, "use for example 120, or 0 to write the report at the end only"),
        ["run.keep_checkpoints"] = new Whole(1, MostSteps, "use 1 or more; a run cannot go on without a checkpoint"),
        ["run.keep_every"] = new Whole(0, MostSteps, "use a multiple of run.checkpoint_every, or 0 to keep only the newest checkpoints"),
        ["run.log_every"] = new Whole(1, MostSteps, "use 1 to log every step"),
        ["run.validate_every"] = new Whole(0, MostSteps, "use a number of steps, or 0 to validate before the first step and after the last only"),
        ["run.validation_rows"] = new Whole(0, MostSteps, "use a number of sequences, or 0 for all of the validation data"),
        ["run.probe_every"] = new Whole(0, MostSteps, "use a number of steps, or 0 for no probes"),
        ["run.max_skips"] = new Whole(1, MostSteps, "use 1 to stop at the first step whose numbers are bad"),
        // Two numbers of each step of the window are part of every checkpoint.
        ["run.spike_window"] = new Whole(2, 100_000, "use for example 100; a standard deviation needs 2 at least"),
        ["run.spike_z"] = new Real(0, 1e6, "use for example 6", IsOpenBelow: true),
        ["run.replica_check_every"] = new Whole(0, MostSteps, "use a number of steps, or 0 for no comparisons"),
        ["run.stall_timeout_seconds"] = new Real(0, 604_800, "use for example 600, or 0 to wait for ever"),
    };

    private static readonly Dictionary<string, NumberBound> OfOthers = new()
    {
        ["data.train.weight"] = new Real(0, 1e15, "set the share of this source relative to the others, or remove the item", IsOpenBelow: true),
        ["data.validation.weight"] = new Real(0, 1e15, "set 1, or remove the item", IsOpenBelow: true),
        ["data.context"] = new Whole(1, ModelRules.MostContext, "set the number of tokens in a sequence, for example 1024"),
        ["data.global_batch"] = new Whole(1, 1 << 24, "set the number of sequences in an optimizer step"),
        ["data.micro_batch"] = new Whole(1, 1 << 20, "set the number of sequences that a rank computes at a time"),
        ["data.shuffle_row_groups"] = new Whole(1, 1_000_000, "set the number of row groups to shuffle together, for example 8"),
        ["data.prefetch_batches"] = new Whole(1, 10_000, "set the number of batches to read ahead, for example 4"),
        ["data.reader_threads"] = new Whole(1, MostThreads, "set the number of threads that decode shards, for example 2"),
        // With a pause of half a minute each they last for a year.
        ["data.read_retries"] = new Whole(0, 1_000_000, "use 0 to fail at once"),
        ["parallel.tensor"] = new Whole(1, 8192, "set parallel.tensor: 1"),
        ["parallel.context"] = new Whole(1, 8192, "set parallel.context: 1"),
        ["parallel.pipeline"] = new Whole(1, 8192, "set parallel.pipeline: 1"),
        ["parallel.virtual_stages"] = new Whole(1, 8192, "set parallel.virtual_stages: 1"),
        ["parallel.canonical_leaves"] = new Whole(0, 1 << 24, "use 0 for one leaf for each micro-batch"),
        ["parallel.bucket_mebibytes"] = new Whole(1, 65_536, "set the size of a gradient bucket, for example 32"),
        ["parallel.threads_per_rank"] = new Whole(0, MostThreads, "use 0 to divide the cores among the ranks of the machine"),
        ["optimizer.lr"] = new Real(0, 1e30, "use for example 2e-4", IsOpenBelow: true),
        ["optimizer.warmup_steps"] = new Whole(0, MostSteps, "use 0 to start at the peak learning rate"),
        ["optimizer.decay_steps"] = new Whole(0, MostSteps, "use 0 for a tenth of run.steps"),
        ["optimizer.final_lr_fraction"] = new Real(0, 1, "use for example 0.1"),
        ["optimizer.beta1"] = new Real(0, 1, "use for example 0.9", IsOpenBelow: true, IsOpenAbove: true),
        ["optimizer.beta2"] = new Real(0, 1, "use for example 0.95", IsOpenBelow: true, IsOpenAbove: true),
        ["optimizer.epsilon"] = new Real(0, 1, "use for example 1e-8", IsOpenBelow: true),
        ["optimizer.weight_decay"] = new Real(0, 1e6, "use 0 for no weight decay"),
        // Large ones are written to have norms without clipping.
        ["optimizer.clip_norm"] = new Real(0, 1e30, "use 0 for no clipping"),
        ["telemetry.export_interval_seconds"] = new Real(0.01, 86_400, "use for example 10"),
        ["hardware.peak_tflops"] = new Real(1e-6, 1e6, "set what the maker states for dense products of one device at this precision, for example 989 for an H100 at bf16, or remove the key"),
    };

    /// <summary>By key of the configuration, without the numbers of list items.</summary>
    public static IReadOnlyDictionary<string, NumberBound> Keys { get; } = new Dictionary<string, NumberBound>([.. OfRun, .. ModelRules.Bounds, .. OfOthers]);

    /// <summary>By verb and option.</summary>
    public static IReadOnlyDictionary<string, NumberBound> Options { get; } = new Dictionary<string, NumberBound>
    {
        ["train --ranks"] = new Whole(1, MostRanks, "start at least one rank"),
        ["plan --nodes"] = new Whole(1, MostRanks, "reckon with at least one machine"),
        ["plan --gpus-per-node"] = new Whole(1, 1024, "use for example 8"),
        ["plan --top"] = new Whole(1, 1_000_000, "use for example 10"),
        ["restart --crash"] = new Whole(1, MostSteps, "launch/train counts them from 1"),
        ["restart --restarts"] = new Whole(0, 999_999, "use the number of restarts that the launch may make"),
        ["restart --exit-code"] = new Whole(0, 255, "use the exit code of the launcher"),
        ["restart --ranks"] = new Whole(1, MostRanks, "use the number of ranks that ran"),
        ["restart --ranks-left"] = new Whole(1, 999_999, "use the number of ranks that are left"),
        ["replay --step"] = new Whole(1, MostSteps, "use a step of the run"),
        ["generate --max-tokens"] = new Whole(1, ModelRules.MostContext, "use for example 128"),
        ["generate --temperature"] = new Real(0, 1e6, "use for example 0.8; 0 is --greedy"),
        ["generate --top-p"] = new Real(0, 1, "use for example 0.95, or 1 for all of it", IsOpenBelow: true),
        // Every number of 64 bits is a seed of draws, negative ones too.
        ["generate --seed"] = new Whole(long.MinValue, long.MaxValue, "use for example 1"),
        ["serve --port"] = new Whole(1, 65_535, "use for example 8080; below 1024 a program has to be root's"),
        ["experiment induction --ranks"] = new Whole(1, MostRanks, "leave it out for as many as there are cores"),
        ["experiment induction --seeds"] = new Whole(1, 10_000, "use for example 5"),
        ["experiment induction --steps"] = new Whole(1, MostSteps, "leave it out for the preset's own"),
        ["experiment compare --ranks"] = new Whole(1, MostRanks, "leave it out for as many as cores and batch allow"),
        ["experiment compare --seeds"] = new Whole(1, 10_000, "use for example 3"),
        ["experiment compare --steps"] = new Whole(1, MostSteps, "use for example 200"),
        ["data prepare --shard-tokens"] = new Whole(1, 1L << 40, "leave it out for 64 Mi"),
        ["data prepare --threads"] = new Whole(0, MostThreads, "use 0 for all cores"),
        ["data inspect --documents"] = new Whole(0, 1_000_000, "use for example 3"),
        ["data inspect --context"] = new Whole(1, ModelRules.MostContext, "use the run's data.context, for example 1024"),
        ["data inspect --global-batch"] = new Whole(1, 1 << 24, "use the run's data.global_batch, for example 8"),
        // 256 bytes and end-of-text are the least; ids above are learnt merges.
        ["tokenizer train --vocab-size"] = new Whole(257, 1 << 24, "use for example 32000; the 256 bytes and end-of-text are always there"),
        ["doctor --visibility-seconds"] = new Real(0, 86_400, "use for example 30"),
        ["data prepare --vocab-size"] = new Whole(257, 1 << 24, "use for example 32000; the 256 bytes and end-of-text are always there"),
        ["tokenizer train --threads"] = new Whole(1, MostThreads, "leave it out for all cores"),
    };

    /// <summary>The bound of a key, list items with their numbers: data.train[0].weight; null where it is no number.</summary>
    public static NumberBound? OfKey(string key)
    {
        for (var open = key.IndexOf('[', StringComparison.Ordinal); open >= 0; open = key.IndexOf('[', StringComparison.Ordinal))
        {
            key = key.Remove(open, key.IndexOf(']', open) + 1 - open);
        }

        return Keys.GetValueOrDefault(key);
    }
}
