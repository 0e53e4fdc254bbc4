using System.Text.RegularExpressions;
using KvShiftScale.Core;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using static KvShiftScale.Core.Configuration.ConfigFaultList;

namespace KvShiftScale.Trainer.Configuration;

/// <summary>
/// Rules that the values of a configuration keep with each other and with the number of ranks. Checked before any work starts.
/// </summary>
public sealed partial class RunConfigRules
{
    // Counted in 64 bits.
    private const double MostTokens = 9e18;

    private readonly RunConfig _config;
    private readonly int _ranks;
    private readonly ConfigFaultList _faults = new();

    private RunConfigRules(RunConfig config, int ranks)
    {
        _config = config;
        _ranks = ranks;
    }

    /// <summary>Checks every rule.</summary>
    /// <param name="config">The configuration as read.</param>
    /// <param name="ranks">Processes of this launch.</param>
    /// <exception cref="ConfigException">At least one rule is broken; all broken ones are named.</exception>
    public static void Check(RunConfig config, int ranks) => Ask(config, ranks).ThrowIfAny();

    /// <summary>The rules that a launch would be refused for; none where it would begin.</summary>
    /// <param name="config">The configuration as read.</param>
    /// <param name="ranks">Processes of the launch.</param>
    internal static IReadOnlyList<ConfigFault> FaultsOf(RunConfig config, int ranks) => Ask(config, ranks).Faults;

    private static ConfigFaultList Ask(RunConfig config, int ranks)
    {
        var rules = new RunConfigRules(config, ranks);
        rules._faults.CheckNumbers(config, "", NumberBounds.OfKey);
        rules._faults.CheckNumber("--ranks", ranks, NumberBounds.Options["train --ranks"]);
        // What numbers have to do with each other is asked of numbers that keep their bounds.
        if (rules._faults.Faults.Count > 0)
        {
            return rules._faults;
        }

        rules.CheckRun(config.Run);
        ModelRules.Check(config.Model, rules._faults);
        rules.CheckData(config.Data);
        rules.CheckParallel(config.Parallel);
        rules.CheckTensor(config.Model, config.Data, config.Parallel);
        rules.CheckBatch(config.Data, config.Parallel);
        rules.CheckOptimizer(config.Optimizer);
        rules.CheckSizes(config);
        rules.CheckTelemetry(config.Telemetry);
        return rules._faults;
    }

    /// <summary>Checks the bounds of a section's numbers alone.</summary>
    /// <param name="section">The section.</param>
    /// <param name="path">Its path: <c>data</c>.</param>
    /// <exception cref="ConfigException">At least one number is out of its bounds; all such are named.</exception>
    public static void CheckNumbersOf(object section, string path)
    {
        var faults = new ConfigFaultList();
        faults.CheckNumbers(section, path, NumberBounds.OfKey);
        faults.ThrowIfAny();
    }

    private void CheckRun(RunSection run)
    {
        _faults.Require(IsFolderName(run.Name), "run.name", run.Name,
            "must be a folder name of letters, digits, dots, hyphens and underscores that starts with a letter or a digit",
            "write for example run.name: my-run");
        _faults.Require(run.Directory.Length > 0, "run.directory", run.Directory, "must name a directory", "write for example run.directory: runs");
        _faults.Require(run.KeepEvery <= 0 || (run.CheckpointEvery > 0 && run.KeepEvery % run.CheckpointEvery == 0), "run.keep_every", run.KeepEvery,
            Format($"must be a multiple of run.checkpoint_every = {run.CheckpointEvery}, so that there is a checkpoint to keep"),
            run.CheckpointEvery > 0 ? Format($"set {NearestMultiples(run.CheckpointEvery, run.KeepEvery)}") : "set run.checkpoint_every, or run.keep_every: 0");
        _faults.Require(run.ProbeEvery <= 0 || _config.Data.Context >= 4, "run.probe_every", run.ProbeEvery,
            "needs a data.context of at least 4, for two copies of two tokens", "set run.probe_every: 0, or a longer data.context");
        _faults.Require(run.ProbeEvery <= 0 || _config.Model.VocabSize >= 2, "run.probe_every", run.ProbeEvery,
            "needs a model.vocab_size of at least 2", "set run.probe_every: 0");
        _faults.Require(run.StallTimeoutSeconds is 0 or >= 2, "run.stall_timeout_seconds", run.StallTimeoutSeconds,
            "must be 0 or at least 2, since ranks give a sign of life each second", "use for example 600, or 0 to wait for ever");
        _faults.Require(run.ValidateEvery <= 0 || _config.Data.Validation.Count > 0, "run.validate_every", run.ValidateEvery,
            "needs validation data, and data.validation is empty", "set data.validation, or run.validate_every: 0");
    }

    private void CheckData(DataConfig data)
    {
        _faults.Require(data.Train.Count > 0, "data.train", "[]", "must name at least one glob of token shards",
            "write for example data.train: [data/train/*.parquet]");
        CheckSources("data.train", data.Train);
        _faults.Require(data.Train.All(source => source.Set is null), "data.train", "(names)", "must be a list; names are for data.validation",
            "write the sources as a list, with weights where they are to be mixed");
        CheckSources("data.validation", data.Validation);
    }

    private void CheckSources(string key, IReadOnlyList<DataSource> sources)
    {
        for (var index = 0; index < sources.Count; index++)
        {
            _faults.Require(sources[index].Glob.Length > 0, Format($"{key}[{index}].glob"), "\"\"", "must name files",
                "write for example data/train/*.parquet, or remove the item");
        }
    }

    private void CheckParallel(ParallelConfig parallel)
    {
        var sharing = parallel.RanksPerSample;
        _faults.Require(_ranks % sharing == 0, "--ranks", _ranks,
            Format($"must be a multiple of {KeysOfSharing(parallel)} = {sharing}, so that every copy of the model and of a sequence is whole"),
            Format($"start {NearestMultiples(sharing, _ranks)} ranks, or change {KeysOfSharing(parallel).Replace(" x ", " or ", StringComparison.Ordinal)}"));
        _faults.Require(parallel.VirtualStages == 1 || parallel.Pipeline > 1, "parallel.virtual_stages", parallel.VirtualStages,
            "divides the layers of a pipeline's stage into chunks, and parallel.pipeline is 1", "set parallel.virtual_stages: 1, or parallel.pipeline");
        if (parallel.Pipeline == 1)
        {
            return;
        }

        _faults.Require(parallel.Pipeline <= _config.Model.Layers, "parallel.pipeline", parallel.Pipeline,
            Format($"must be at most model.layers = {_config.Model.Layers}, so that every stage has a layer"), Format($"set at most {_config.Model.Layers}"));
        var most = _config.Model.Layers / parallel.Pipeline;
        _faults.Require(parallel.VirtualStages == 1 || parallel.VirtualStages <= most, "parallel.virtual_stages", parallel.VirtualStages,
            Format($"must be at most model.layers / parallel.pipeline = {_config.Model.Layers} / {parallel.Pipeline}, so that every chunk of a stage has a layer"),
            Format($"set at most {Math.Max(1, most)}"));
        _faults.Require(parallel.VirtualStages == 1 || !_config.Run.Deterministic, "parallel.virtual_stages", parallel.VirtualStages,
            "has chunks of a stage at micro-batches of several leaves at a time, and run.deterministic sums the gradients of one leaf after the other",
            "set parallel.virtual_stages: 1, or run.deterministic: false");
    }

    private static string KeysOfSharing(ParallelConfig parallel) => $"parallel.tensor x parallel.context{(parallel.Pipeline > 1 ? " x parallel.pipeline" : "")}";

    private void CheckTensor(ModelConfig model, DataConfig data, ParallelConfig parallel)
    {
        var tensor = parallel.Tensor;
        AttentionShape[] shapes = model.SlidingWindow > 0 ? [model.Attention(0), model.Attention(1)] : [model.Attention(0)];
        if (tensor == 1)
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
            _faults.Add("parallel.tensor", tensor, $"must {string.Join(" and ", faults)}", Format($"set {NearestTensor(model, shapes, tensor)}"));
            return;
        }
        var parts = tensor * (parallel.Context > 1 ? 2 * parallel.Context : 1);
        _faults.Require(!parallel.IsSequenceParallel || data.Context % parts == 0, "data.context", data.Context,
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
        var sharing = parallel.RanksPerSample;
        if (_ranks % sharing != 0)
        {
            return;
        }

        if (parallel.Context > 1)
        {
            _faults.Require(data.Context % (2 * parallel.Context) == 0, "data.context", data.Context,
                Format($"must be a multiple of 2 x parallel.context = {2 * parallel.Context}, the parts into which ranks divide a sequence"),
                Format($"set {NearestMultiples(2 * parallel.Context, data.Context)}"));
        }

        var dataRanks = (int)(_ranks / sharing);
        if (data.GlobalBatch % dataRanks != 0)
        {
            _faults.Add("data.global_batch", data.GlobalBatch,
                Format($"must be a multiple of the {dataRanks} data-parallel ranks ({_ranks} ranks / {KeysOfSharing(parallel)} = {sharing})"),
                Format($"set {NearestMultiples(dataRanks, data.GlobalBatch)}, or start another number of ranks"));
            return;
        }

        var share = data.GlobalBatch / dataRanks;
        _faults.Require(share % data.MicroBatch == 0, "data.micro_batch", data.MicroBatch,
            Format($"must divide the {share} sequences that each rank has of data.global_batch = {data.GlobalBatch}"),
            Format($"set {NearestDivisors(share, data.MicroBatch)}"));
        if (parallel.VirtualStages > 1 && share % data.MicroBatch == 0)
        {
            CheckRounds(data, parallel, dataRanks);
        }

        if (_config.Run.Deterministic && data.GlobalBatch % data.MicroBatch == 0)
        {
            CheckLeaves(data, parallel, dataRanks);
        }
    }

    // Chunks take as many micro-batches one after the other as there are stages.
    private void CheckRounds(DataConfig data, ParallelConfig parallel, int dataRanks)
    {
        var microBatches = data.GlobalBatch / dataRanks / data.MicroBatch;
        _faults.Require(microBatches % parallel.Pipeline == 0, "data.global_batch", data.GlobalBatch,
            Format($"makes {microBatches} micro-batches of a step, and parallel.virtual_stages needs a multiple of parallel.pipeline = {parallel.Pipeline}"),
            Format($"set {NearestMultiples((long)dataRanks * data.MicroBatch * parallel.Pipeline, data.GlobalBatch)}, another data.micro_batch, or parallel.virtual_stages: 1"));
    }

    private void CheckLeaves(DataConfig data, ParallelConfig parallel, int dataRanks)
    {
        var microBatches = data.GlobalBatch / data.MicroBatch;
        var leaves = parallel.CanonicalLeaves > 0 ? parallel.CanonicalLeaves : microBatches;
        _faults.Require(parallel.OptimizerSharding != OptimizerSharding.Zero2, "parallel.optimizer_sharding", "zero2",
            "keeps a rank's part of the gradients only, and run.deterministic sums whole ones of every leaf", "set parallel.optimizer_sharding to zero1, or run.deterministic to false");
        var key = parallel.CanonicalLeaves > 0 ? "parallel.canonical_leaves" : "data.micro_batch";
        object value = parallel.CanonicalLeaves > 0 ? leaves : data.MicroBatch;
        _faults.Require((leaves & (leaves - 1)) == 0 && microBatches % leaves == 0, key, value,
            Format($"run.deterministic divides the {microBatches} micro-batches of a step into {leaves} leaves, whose number has to be a power of two that divides them"),
            "set parallel.canonical_leaves to such a power of two, or change data.global_batch or data.micro_batch");
        _faults.Require((dataRanks & (dataRanks - 1)) == 0 && leaves % dataRanks == 0, "--ranks", _ranks,
            Format($"run.deterministic needs a number of data-parallel ranks that is a power of two and divides the {leaves} leaves; there are {dataRanks}"),
            "start another number of ranks");
    }

    // Sizes that each keep their bounds and whose product is absurd, or has no place in 32 or 64 bits where that is needed.
    private void CheckSizes(RunConfig config)
    {
        var data = config.Data;
        var pass = (long)data.MicroBatch * data.Context;
        _faults.Require(pass <= int.MaxValue, "data.micro_batch", data.MicroBatch,
            Format($"makes {pass} tokens of one pass with data.context = {data.Context}, and at most {int.MaxValue} can be told apart"),
            Format($"set at most {int.MaxValue / data.Context}, or a shorter data.context"));
        var tokens = (double)data.GlobalBatch * data.Context * config.Run.Steps;
        _faults.Require(tokens <= MostTokens, "run.steps", config.Run.Steps,
            Format($"makes {tokens:0.#e+0} tokens with data.global_batch = {data.GlobalBatch} and data.context = {data.Context}, and at most {MostTokens:0.#e+0} can be counted"),
            "set fewer steps, or smaller batches");
        ModelRules.CheckSize(config.Model, _faults);
    }

    private void CheckOptimizer(OptimizerConfig optimizer)
    {
        _faults.Require(optimizer.DecaySteps <= 0 || optimizer.Decay == LearningRateDecay.Wsd, "optimizer.decay_steps", optimizer.DecaySteps,
            Format($"belongs to optimizer.decay = wsd, and that is {ConfigKeys.NameOf(optimizer.Decay.ToString())}, which falls from warm-up to the last step"),
            "set optimizer.decay: wsd, or optimizer.decay_steps: 0");
        _faults.Require(optimizer.DecaySteps <= 0 || optimizer.Decay != LearningRateDecay.Wsd || (long)optimizer.WarmupSteps + optimizer.DecaySteps <= _config.Run.Steps, "optimizer.decay_steps",
            optimizer.DecaySteps, Format($"must fit behind optimizer.warmup_steps = {optimizer.WarmupSteps} into run.steps = {_config.Run.Steps}"),
            "use fewer steps of warm-up or decay, or more run.steps");
    }

    private void CheckTelemetry(TelemetrySection telemetry)
    {
        var isAddress = telemetry.OtlpEndpoint is not { } endpoint
            || (Uri.TryCreate(endpoint, UriKind.Absolute, out var address) && address.Scheme is "http" or "https");
        _faults.Require(isAddress, "telemetry.otlp_endpoint", telemetry.OtlpEndpoint ?? "", "must be an http or https address",
            "write for example http://localhost:4318, or remove the key to export nothing");
    }

    /// <summary>Whether a run may have this name.</summary>
    internal static bool IsFolderName(string name) => FolderName().IsMatch(name);

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    private static partial Regex FolderName();
}
