using System.Globalization;
using System.Text.RegularExpressions;
using KvShiftScale.Data;
using KvShiftScale.Models;
using KvShiftScale.Parallel;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>
/// Rules that the values of a configuration keep with each other and with the number of ranks. Checked before any work starts.
/// </summary>
public sealed partial class RunConfigRules
{
    private readonly RunConfig _config;
    private readonly int _ranks;
    private readonly List<ConfigFault> _faults = [];

    private RunConfigRules(RunConfig config, int ranks)
    {
        _config = config;
        _ranks = ranks;
    }

    /// <summary>Checks every rule.</summary>
    /// <param name="config">The configuration as read.</param>
    /// <param name="ranks">Processes of this launch.</param>
    /// <exception cref="ConfigException">At least one rule is broken; all broken ones are named.</exception>
    public static void Check(RunConfig config, int ranks)
    {
        var rules = new RunConfigRules(config, ranks);
        rules.CheckRun(config.Run);
        rules.CheckModel(config.Model);
        rules.CheckData(config.Data);
        rules.CheckParallel(config.Parallel);
        rules.CheckTensor(config.Model, config.Data, config.Parallel);
        rules.CheckBatch(config.Data, config.Parallel);
        rules.CheckOptimizer(config.Optimizer);
        rules.CheckTelemetry(config.Telemetry);
        if (rules._faults.Count > 0)
        {
            throw new ConfigException(rules._faults);
        }
    }

    /// <summary>The rules that a model's shape breaks, for shapes that come from a model folder instead of a configuration.</summary>
    public static IReadOnlyList<ConfigFault> FaultsOf(ModelConfig model)
    {
        var rules = new RunConfigRules(new RunConfig { Run = new RunSection { Name = "model", Steps = 1 }, Model = model }, ranks: 1);
        rules.CheckModel(model);
        return rules._faults;
    }

    private void CheckRun(RunSection run)
    {
        Require(FolderName().IsMatch(run.Name), "run.name", run.Name,
            "must be a folder name of letters, digits, dots, hyphens and underscores that starts with a letter or a digit",
            "write for example run.name: my-run");
        Require(run.Directory.Length > 0, "run.directory", run.Directory, "must name a directory", "write for example run.directory: runs");
        Require(run.Steps > 0, "run.steps", run.Steps, "must be at least 1", "set the number of optimizer steps of the whole run");
        Require(run.Seed >= 0, "run.seed", run.Seed, "must not be negative", "use 0 or a positive number");
        Require(run.CheckpointEvery >= 0, "run.checkpoint_every", run.CheckpointEvery, "must not be negative",
            "use a number of steps, or 0 for a checkpoint after the last step only");
        Require(run.FailedSaves >= 0, "run.failed_saves", run.FailedSaves, "must not be negative",
            "use 0 to end the run at the first save that fails");
        Require(run.VisibilitySeconds > 0 && run.VisibilitySeconds <= 86_400, "run.visibility_seconds", run.VisibilitySeconds,
            "must be above 0 and at most a day", "use a little more than the file system's longest cache of attributes, for example 120");
        Require(run.KeepCheckpoints > 0, "run.keep_checkpoints", run.KeepCheckpoints, "must be at least 1",
            "use 1 or more; a run cannot go on without a checkpoint");
        Require(run.KeepEvery >= 0, "run.keep_every", run.KeepEvery, "must not be negative",
            "use a multiple of run.checkpoint_every, or 0 to keep only the newest checkpoints");
        Require(run.KeepEvery <= 0 || (run.CheckpointEvery > 0 && run.KeepEvery % run.CheckpointEvery == 0), "run.keep_every", run.KeepEvery,
            Format($"must be a multiple of run.checkpoint_every = {run.CheckpointEvery}, so that there is a checkpoint to keep"),
            run.CheckpointEvery > 0 ? Format($"set {NearestMultiples(run.CheckpointEvery, run.KeepEvery)}") : "set run.checkpoint_every, or run.keep_every: 0");
        Require(run.LogEvery > 0, "run.log_every", run.LogEvery, "must be at least 1", "use 1 to log every step");
        Require(run.ValidateEvery >= 0, "run.validate_every", run.ValidateEvery, "must not be negative",
            "use a number of steps, or 0 to validate before the first step and after the last only");
        Require(run.ValidationRows >= 0, "run.validation_rows", run.ValidationRows, "must not be negative",
            "use a number of sequences, or 0 for all of the validation data");
        Require(run.ProbeEvery >= 0, "run.probe_every", run.ProbeEvery, "must not be negative", "use a number of steps, or 0 for no probes");
        Require(run.ProbeEvery <= 0 || _config.Data.Context >= 4, "run.probe_every", run.ProbeEvery,
            "needs a data.context of at least 4, for two copies of two tokens", "set run.probe_every: 0, or a longer data.context");
        Require(run.ProbeEvery <= 0 || _config.Model.VocabSize >= 2, "run.probe_every", run.ProbeEvery,
            "needs a model.vocab_size of at least 2", "set run.probe_every: 0");
        Require(run.MaxSkips > 0, "run.max_skips", run.MaxSkips, "must be at least 1", "use 1 to stop at the first step whose numbers are bad");
        Require(run.SpikeWindow > 1, "run.spike_window", run.SpikeWindow, "must be at least 2, for a standard deviation", "use for example 100");
        Require(run.SpikeZ > 0, "run.spike_z", run.SpikeZ, "must be greater than 0", "use for example 6");
        Require(run.ReplicaCheckEvery >= 0, "run.replica_check_every", run.ReplicaCheckEvery, "must not be negative",
            "use a number of steps, or 0 for no comparisons");
        Require(run.StallTimeoutSeconds is 0 or (>= 2 and <= 604_800), "run.stall_timeout_seconds", run.StallTimeoutSeconds,
            "must be 0 or from 2 to 604800, since ranks give a sign of life each second", "use for example 600, or 0 to wait for ever");
        Require(run.ValidateEvery <= 0 || _config.Data.Validation.Count > 0, "run.validate_every", run.ValidateEvery,
            "needs validation data, and data.validation is empty", "set data.validation, or run.validate_every: 0");
    }

    private void CheckModel(ModelConfig model)
    {
        RequirePositive("model.vocab_size", model.VocabSize, "set the number of token ids of the tokenizer");
        RequirePositive("model.hidden_size", model.HiddenSize, "set the width of the residual stream, for example 512");
        RequirePositive("model.layers", model.Layers, "set the number of transformer blocks, for example 8");
        RequirePositive("model.heads", model.Heads, "set the number of query heads, for example 8");
        RequirePositive("model.ffn_size", model.FfnSize, "set the width of the feed-forward layer, for example 8/3 of model.hidden_size");
        Require(model.KvHeads >= 0, "model.kv_heads", model.KvHeads, "must not be negative", "use 0 for as many as query heads");
        Require(model.HeadSize >= 0, "model.head_size", model.HeadSize, "must not be negative",
            "use 0 for model.hidden_size / model.heads");
        Require(model.RopeBase > 1, "model.rope_base", model.RopeBase, "must be greater than 1", "use for example 100000");
        Require(model.NormEpsilon > 0, "model.norm_epsilon", model.NormEpsilon, "must be greater than 0", "use for example 1e-6");
        Require(model.InitStd > 0, "model.init_std", model.InitStd, "must be greater than 0", "use for example 0.02");
        Require(model.KvShift != KvShiftVariant.Gate || model.KvShiftInit != KvShiftInitialization.Identity, "model.kv_shift_init",
            "identity", "cannot start model.kv_shift = gate, whose weight is a sigmoid and never exactly 1",
            "use uniform or softmax, or model.kv_shift: clip, which can start there");
        CheckSliding(model);
        if (model.Heads <= 0 || model.HiddenSize <= 0)
        {
            return;
        }

        if (model.KvHeads > 0)
        {
            Require(model.Heads % model.KvHeads == 0, "model.kv_heads", model.KvHeads,
                Format($"must divide model.heads = {model.Heads}"), Format($"set {NearestDivisors(model.Heads, model.KvHeads)}"));
        }

        if (model.HeadSize == 0 && model.HiddenSize % model.Heads != 0)
        {
            Add("model.hidden_size", model.HiddenSize,
                Format($"must be a multiple of model.heads = {model.Heads} when model.head_size is 0"),
                Format($"set {NearestMultiples(model.Heads, model.HiddenSize)}, or set model.head_size"));
        }
        else if (model.HeadSize >= 0)
        {
            Require(model.ResolvedHeadSize % 2 == 0, "model.head_size", model.ResolvedHeadSize,
                "must be even, because rotary positions turn pairs of components",
                Format($"set model.head_size: {model.ResolvedHeadSize + 1}, or another model.hidden_size"));
        }
    }

    private void CheckSliding(ModelConfig model)
    {
        Require(model.SlidingWindow >= 0, "model.sliding_window", model.SlidingWindow, "must not be negative",
            "set the number of keys that a query of a sliding layer sees, or 0 for no sliding layers");
        ReadOnlySpan<(string Key, int Value)> shape =
        [
            ("model.sliding_heads", model.SlidingHeads),
            ("model.sliding_kv_heads", model.SlidingKvHeads),
            ("model.sliding_head_size", model.SlidingHeadSize),
        ];
        foreach (var (key, value) in shape)
        {
            Require(value >= 0, key, value, "must not be negative", "use 0 for the value of the other layers");
            Require(value <= 0 || model.SlidingWindow != 0, key, value, "needs sliding layers, and model.sliding_window is 0",
                Format($"set model.sliding_window, or {key}: 0"));
        }
        if (model.SlidingWindow <= 0 || model.Heads <= 0 || model.HiddenSize <= 0)
        {
            return;
        }

        // Where these are faulty without a sliding value of their own, the fault is told of the keys that they follow.
        var (heads, kvHeads, headSize, _) = model.Attention(1);
        if (heads > 0 && kvHeads > 0 && (model.SlidingHeads > 0 || model.SlidingKvHeads > 0))
        {
            Require(heads % kvHeads == 0, "model.sliding_kv_heads", kvHeads, Format($"must divide the {heads} heads of a sliding layer"),
                Format($"set {NearestDivisors(heads, kvHeads)}, or another model.sliding_heads"));
        }
        Require(model.SlidingHeadSize <= 0 || headSize % 2 == 0, "model.sliding_head_size", headSize,
            "must be even, because rotary positions turn pairs of components", Format($"set model.sliding_head_size: {headSize + 1}"));
    }

    private void CheckData(DataConfig data)
    {
        Require(data.Train.Count > 0, "data.train", "[]", "must name at least one glob of token shards",
            "write for example data.train: [data/train/*.parquet]");
        CheckSources("data.train", data.Train);
        CheckSources("data.validation", data.Validation);
        RequirePositive("data.context", data.Context, "set the number of tokens in a sequence, for example 1024");
        RequirePositive("data.global_batch", data.GlobalBatch, "set the number of sequences in an optimizer step");
        RequirePositive("data.micro_batch", data.MicroBatch, "set the number of sequences that a rank computes at a time");
        RequirePositive("data.shuffle_row_groups", data.ShuffleRowGroups, "set the number of row groups to shuffle together, for example 8");
        RequirePositive("data.prefetch_batches", data.PrefetchBatches, "set the number of batches to read ahead, for example 4");
        RequirePositive("data.reader_threads", data.ReaderThreads, "set the number of threads that decode shards, for example 2");
        Require(data.ReadRetries >= 0, "data.read_retries", data.ReadRetries, "must not be negative", "use 0 to fail at once");
    }

    private void CheckSources(string key, IReadOnlyList<DataSource> sources)
    {
        for (var index = 0; index < sources.Count; index++)
        {
            Require(sources[index].Glob.Length > 0, Format($"{key}[{index}].glob"), "\"\"", "must name files",
                "write for example data/train/*.parquet, or remove the item");
            Require(sources[index].Weight > 0, Format($"{key}[{index}].weight"), sources[index].Weight, "must be greater than 0",
                "set the share of this source relative to the others, or remove the item");
        }
    }

    private void CheckParallel(ParallelConfig parallel)
    {
        RequirePositive("parallel.tensor", parallel.Tensor, "set parallel.tensor: 1");
        RequirePositive("parallel.bucket_mebibytes", parallel.BucketMebibytes, "set the size of a gradient bucket, for example 32");
        Require(parallel.ThreadsPerRank >= 0, "parallel.threads_per_rank", parallel.ThreadsPerRank, "must not be negative",
            "use 0 to divide the cores among the ranks of the machine");
        RequirePositive("parallel.context", parallel.Context, "set parallel.context: 1");
        Require(parallel.CanonicalLeaves >= 0, "parallel.canonical_leaves", parallel.CanonicalLeaves, "must not be negative",
            "use 0 for one leaf for each micro-batch");
        RequirePositive("--ranks", _ranks, "start at least one rank");
        if (parallel.Tensor > 0 && parallel.Context > 0)
        {
            var sharing = parallel.Tensor * parallel.Context;
            Require(_ranks % sharing == 0, "--ranks", _ranks,
                Format($"must be a multiple of parallel.tensor x parallel.context = {sharing}, so that every copy of the model and of a sequence is whole"),
                Format($"start {NearestMultiples(sharing, _ranks)} ranks, or change parallel.tensor or parallel.context"));
        }
    }

    private void CheckTensor(ModelConfig model, DataConfig data, ParallelConfig parallel)
    {
        var tensor = parallel.Tensor;
        var shapes = model.Layers > 0 && model.Heads > 0 && model.HiddenSize > 0 && model.FfnSize > 0
            ? (model.SlidingWindow > 0 ? [model.Attention(0), model.Attention(1)] : new[] { model.Attention(0) })
            : [];
        if (tensor <= 1 || shapes.Length == 0 || shapes.Any(shape => shape.Heads < 1 || shape.KvHeads < 1))
        {
            return;
        }

        var faults = new List<string>();
        foreach (var (heads, kvHeads, _, window) in shapes)
        {
            var kind = window > 0 ? " of sliding layers" : "";
            if (heads % tensor != 0)
            {
                faults.Add(Format($"divide the {heads} heads{kind}"));
            }

            if (kvHeads % tensor != 0 && tensor % kvHeads != 0)
            {
                faults.Add(Format($"divide the {kvHeads} kv heads{kind} or be a multiple of them"));
            }
        }
        if (model.FfnSize % tensor != 0)
        {
            faults.Add(Format($"divide model.ffn_size = {model.FfnSize}"));
        }

        if (faults.Count > 0)
        {
            Add("parallel.tensor", tensor, $"must {string.Join(" and ", faults)}", Format($"set {NearestTensor(model, shapes, tensor)}"));
            return;
        }
        var parts = tensor * (parallel.Context > 1 ? 2 * parallel.Context : 1);
        Require(!parallel.IsSequenceParallel || data.Context < 1 || data.Context % parts == 0, "data.context", data.Context,
            Format($"must be a multiple of {parts}, the parts into which sequence parallelism divides a sequence"),
            Format($"set {NearestMultiples(parts, data.Context)}, or set parallel.sequence: false"));
    }

    private static string NearestTensor(ModelConfig model, AttentionShape[] shapes, int wanted)
    {
        bool Fits(int tensor) => model.FfnSize % tensor == 0
            && shapes.All(shape => shape.Heads % tensor == 0 && (shape.KvHeads % tensor == 0 || tensor % shape.KvHeads == 0));
        var below = Enumerable.Range(1, wanted - 1).Last(Fits);
        var above = Enumerable.Range(wanted, Math.Max(0, shapes.Min(shape => shape.Heads) - wanted + 1)).FirstOrDefault(Fits);
        return above == 0 ? Format($"{below}") : Format($"{below} or {above}");
    }

    private void CheckBatch(DataConfig data, ParallelConfig parallel)
    {
        var sharing = parallel.Tensor * parallel.Context;
        if (data.GlobalBatch <= 0 || data.MicroBatch <= 0 || parallel.Tensor <= 0 || parallel.Context <= 0 || _ranks <= 0 || _ranks % sharing != 0)
        {
            return;
        }

        if (parallel.Context > 1)
        {
            Require(data.Context % (2 * parallel.Context) == 0, "data.context", data.Context,
                Format($"must be a multiple of 2 x parallel.context = {2 * parallel.Context}, the parts into which ranks divide a sequence"),
                Format($"set {NearestMultiples(2 * parallel.Context, data.Context)}"));
        }

        var dataRanks = _ranks / sharing;
        if (data.GlobalBatch % dataRanks != 0)
        {
            Add("data.global_batch", data.GlobalBatch,
                Format($"must be a multiple of the {dataRanks} data-parallel ranks ({_ranks} ranks / parallel.tensor x parallel.context = {sharing})"),
                Format($"set {NearestMultiples(dataRanks, data.GlobalBatch)}, or start another number of ranks"));
            return;
        }

        var share = data.GlobalBatch / dataRanks;
        Require(share % data.MicroBatch == 0, "data.micro_batch", data.MicroBatch,
            Format($"must divide the {share} sequences that each rank has of data.global_batch = {data.GlobalBatch}"),
            Format($"set {NearestDivisors(share, data.MicroBatch)}"));
        if (_config.Run.Deterministic && data.GlobalBatch % data.MicroBatch == 0)
        {
            CheckLeaves(data, parallel, dataRanks);
        }
    }

    private void CheckLeaves(DataConfig data, ParallelConfig parallel, int dataRanks)
    {
        var microBatches = data.GlobalBatch / data.MicroBatch;
        var leaves = parallel.CanonicalLeaves > 0 ? parallel.CanonicalLeaves : microBatches;
        var key = parallel.CanonicalLeaves > 0 ? "parallel.canonical_leaves" : "data.micro_batch";
        object value = parallel.CanonicalLeaves > 0 ? leaves : data.MicroBatch;
        Require((leaves & (leaves - 1)) == 0 && microBatches % leaves == 0, key, value,
            Format($"run.deterministic divides the {microBatches} micro-batches of a step into {leaves} leaves, whose number has to be a power of two that divides them"),
            "set parallel.canonical_leaves to such a power of two, or change data.global_batch or data.micro_batch");
        Require((dataRanks & (dataRanks - 1)) == 0 && leaves % dataRanks == 0, "--ranks", _ranks,
            Format($"run.deterministic needs a number of data-parallel ranks that is a power of two and divides the {leaves} leaves; there are {dataRanks}"),
            "start another number of ranks");
    }

    private void CheckOptimizer(OptimizerConfig optimizer)
    {
        Require(optimizer.Lr > 0, "optimizer.lr", optimizer.Lr, "must be greater than 0", "use for example 2e-4");
        Require(optimizer.WarmupSteps >= 0, "optimizer.warmup_steps", optimizer.WarmupSteps, "must not be negative",
            "use 0 to start at the peak learning rate");
        Require(optimizer.FinalLrFraction is >= 0 and <= 1, "optimizer.final_lr_fraction", optimizer.FinalLrFraction,
            "must be from 0 to 1", "use for example 0.1");
        Require(optimizer.DecaySteps >= 0, "optimizer.decay_steps", optimizer.DecaySteps, "must not be negative",
            "use 0 for a tenth of run.steps");
        Require(optimizer.DecaySteps <= 0 || optimizer.Decay == LearningRateDecay.Wsd, "optimizer.decay_steps", optimizer.DecaySteps,
            Format($"belongs to optimizer.decay = wsd, and that is {ConfigKeys.NameOf(optimizer.Decay.ToString())}, which falls from warm-up to the last step"),
            "set optimizer.decay: wsd, or optimizer.decay_steps: 0");
        Require(optimizer.DecaySteps <= 0 || (long)optimizer.WarmupSteps + optimizer.DecaySteps <= _config.Run.Steps, "optimizer.decay_steps",
            optimizer.DecaySteps, Format($"must fit behind optimizer.warmup_steps = {optimizer.WarmupSteps} into run.steps = {_config.Run.Steps}"),
            "use fewer steps of warm-up or decay, or more run.steps");
        Require(optimizer.Beta1 is > 0 and < 1, "optimizer.beta1", optimizer.Beta1, "must lie between 0 and 1", "use for example 0.9");
        Require(optimizer.Beta2 is > 0 and < 1, "optimizer.beta2", optimizer.Beta2, "must lie between 0 and 1", "use for example 0.95");
        Require(optimizer.Epsilon > 0, "optimizer.epsilon", optimizer.Epsilon, "must be greater than 0", "use for example 1e-8");
        Require(optimizer.WeightDecay >= 0, "optimizer.weight_decay", optimizer.WeightDecay, "must not be negative",
            "use 0 for no weight decay");
        Require(optimizer.ClipNorm >= 0, "optimizer.clip_norm", optimizer.ClipNorm, "must not be negative", "use 0 for no clipping");
    }

    private void CheckTelemetry(TelemetrySection telemetry)
    {
        var isAddress = telemetry.OtlpEndpoint is not { } endpoint
            || (Uri.TryCreate(endpoint, UriKind.Absolute, out var address) && address.Scheme is "http" or "https");
        Require(isAddress, "telemetry.otlp_endpoint", telemetry.OtlpEndpoint ?? "", "must be an http or https address",
            "write for example http://localhost:4318, or remove the key to export nothing");
        Require(telemetry.ExportIntervalSeconds is >= 0.01 and <= 86_400, "telemetry.export_interval_seconds",
            telemetry.ExportIntervalSeconds, "must be from 0.01 to 86400", "use for example 10");
    }

    private void RequirePositive(string key, int value, string remedy) => Require(value > 0, key, value, "must be at least 1", remedy);

    private void Require(bool holds, string key, object value, string rule, string remedy)
    {
        if (!holds)
        {
            Add(key, value, rule, remedy);
        }
    }

    private void Add(string key, object value, string rule, string remedy) =>
        _faults.Add(new ConfigFault(key, Format($"{value}"), rule, remedy));

    private static string NearestMultiples(int of, int value)
    {
        var below = value / of * of;
        return below > 0 ? Format($"{below} or {below + of}") : Format($"{of}");
    }

    private static string NearestDivisors(int of, int value)
    {
        var below = 0;
        var above = 0;
        for (var small = 1; (long)small * small <= of; small++)
        {
            foreach (var divisor in of % small == 0 ? [small, of / small] : Array.Empty<int>())
            {
                below = divisor < value ? Math.Max(below, divisor) : below;
                above = divisor > value && (above == 0 || divisor < above) ? divisor : above;
            }
        }

        return above == 0 ? Format($"{below}") : below == 0 ? Format($"{above}") : Format($"{below} or {above}");
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    private static partial Regex FolderName();
}
