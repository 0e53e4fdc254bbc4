using System.Diagnostics;
using KvShiftScale.Data;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.Checkpoints;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.ModelFiles;
using KvShiftScale.Trainer.Reporting;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>Puts a run together: data, model, optimizer, checkpoint, loop. All ranks run it side by side.</summary>
internal sealed class TrainingRun(RunConfig config, ParallelContext ranks, int threadsPerRank, bool acceptChangedData,
    IRunReporter reporter, StopSignal stop)
{
    private readonly RunFolder _folder = new(config);
    private double _restoreSeconds;
    private readonly ReadAccess _access = new() { Retries = config.Data.ReadRetries, Notice = reporter.Warn };

    private bool IsFirstRank => ranks.World.Rank == 0;

    /// <summary>Refuses a run that exists. Nobody creates its folder before all ranks have come past this.</summary>
    /// <exception cref="ConfigException">It does.</exception>
    public static void RequireNew(RunConfig config)
    {
        var folder = new RunFolder(config);
        if (!folder.Exists) return;
        throw new ConfigException(new ConfigFault("run.name", config.Run.Name, $"--new wants a folder that does not exist yet, and {folder.Path} does",
            "choose another run.name, delete the folder, or leave --new out to go on with that run"));
    }

    /// <summary>Trains to the end or to a signal.</summary>
    /// <returns>The process's exit code.</returns>
    /// <exception cref="ConfigException">The configuration does not fit the data or the run folder.</exception>
    public int Execute()
    {
        // Until training begins there is nothing to save. Ranks answer a signal together where they meet, or end all of them where that takes long.
        using var preparing = stop.EndUnanswered(() =>
        {
            Console.Error.WriteLine("kvshift: stopped by a signal before training; the same command begins again");
            ranks.Abort(ExitCode.Stopped);
        });
        if (IsStopped()) return TrainingLoop.StoppedBeforeTraining(reporter);

        var training = OpenData("data.train", config.Data.Train);
        var validation = config.Data.Validation.Count == 0 ? null : OpenData("data.validation", config.Data.Validation);
        CheckTokenizer(training, validation);
        RequireSameDataOnAllRanks(training);
        if (validation is not null) RequireSameDataOnAllRanks(validation);
        // Counting may take long and leaves a file, so it comes after everything that can be refused.
        if (IsStopped()) return TrainingLoop.StoppedBeforeTraining(reporter);
        training = training.Count(Counting(), _access);
        if (IsStopped()) return TrainingLoop.StoppedBeforeTraining(reporter);
        using var model = BuildModel(config, ranks);
        using var optimizer = new AdamW(model.Parameters, config.Optimizer);
        using var reducer = BuildReducer(config, ranks, model);
        if (IsFirstRank && config.Parallel.Overlap && ranks.Replicas.Size > 1 && !ranks.AllowsOverlap)
            reporter.Warn("this MPI library lets only one thread at a time call it, so gradients are reduced after backward; parallel.overlap: false says that this is wanted");
        var checkpoint = new TrainingCheckpoint(model, optimizer, ranks, config);
        var started = Stopwatch.GetTimestamp();
        var state = Restore(model, optimizer, checkpoint, training);
        _restoreSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        using var saver = new CheckpointSaver(_folder.Checkpoints, model, optimizer, ranks, config, reporter);
        saver.Prepare();
        TellMesh(model);
        if (IsFirstRank) Begin(model, training, state, saver);
        var peak = PeakProbe.MeasureFlopsPerSecond(model.Parameters.DataType, model.Parameters.Device);
        if (IsStopped()) return TrainingLoop.StoppedBeforeTraining(reporter);
        preparing.Dispose();

        var loop = new TrainingLoop(config, ranks, _folder, reporter, stop, model, optimizer, reducer, saver, training, validation, _access, state.Guard,
            peak);
        return loop.Run(state);
    }

    private bool IsStopped() => stop.AgreeToStop(ranks.World);

    // What footers do not state is counted by all ranks together, and kept in the run's folder.
    private CountingOptions Counting() => new()
    {
        PaddedContext = config.Data.Packing == Packing.Pad ? config.Data.Context : null,
        File = _folder.RowGroupCounts,
        Share = new DataShare(ranks.World.Rank, ranks.World.Size),
        SumOverShares = SumOverRanks,
        Threads = config.Data.ReaderThreads,
        Notice = reporter.Say,
    };

    private unsafe void SumOverRanks(long[] values)
    {
        fixed (long* address = values) ranks.World.AllReduce((nint)address, values.Length, CollectiveDataType.Int64, ReduceOperation.Sum);
    }

    // Ranks that see different files, on machines of their own or while somebody writes, would train on a mixture of two orders. Weights and
    // globs come from one configuration, so that a difference lies in the files.
    private void RequireSameDataOnAllRanks(ShardCatalog catalog)
    {
        var seen = $"{string.Join("; ", catalog.Sources.Select(source => source.Identity))} on {Environment.MachineName}";
        var first = ranks.BroadcastText(seen);
        var differs = new long[ranks.World.Size];
        differs[ranks.World.Rank] = WithoutMachine(first) == WithoutMachine(seen) ? 0 : 1;
        SumOverRanks(differs);
        var other = Array.IndexOf(differs, 1);
        if (other < 0) return;
        throw new InvalidDataException(
            $"rank {other} sees other files than rank 0. Rank 0: {first}. Rank {other}: {ranks.BroadcastText(seen, other)}. All ranks have to see the same files, "
            + "and nobody may write them during a run.");

        static string WithoutMachine(string text) => text[..text.LastIndexOf(" on ", StringComparison.Ordinal)];
    }

    private ShardCatalog OpenData(string key, IReadOnlyList<DataSource> sources)
    {
        ShardCatalog catalog;
        try
        {
            catalog = ShardCatalog.OpenUncounted(sources, _access);
        }
        catch (FileNotFoundException missing)
        {
            throw new ConfigException(new ConfigFault(key, string.Join(", ", sources.Select(source => source.Glob)), "every glob must match a file",
                missing.Message));
        }
        if (catalog.VocabularySize is { } size && size > config.Model.VocabSize)
        {
            throw new ConfigException(new ConfigFault("model.vocab_size", $"{config.Model.VocabSize}",
                $"must be at least the vocabulary of {key}, which its shards give as {size}",
                $"set model.vocab_size: {size}, or prepare the data with a smaller tokenizer"));
        }
        return catalog;
    }

    /// <summary>What sums the gradients of a model as a configuration says.</summary>
    internal static GradientReducer BuildReducer(RunConfig config, ParallelContext ranks, KvShiftTransformer model)
        => new(model.Parameters, ranks.Replicas, config.Run.Deterministic
            ? new CanonicalReduction(model.Parameters, ranks.Data, ranks.Context, CanonicalLeaves(config))
            : null, config.Parallel.Overlap && ranks.AllowsOverlap);

    private static int CanonicalLeaves(RunConfig config)
        => config.Parallel.CanonicalLeaves > 0 ? config.Parallel.CanonicalLeaves : config.Data.GlobalBatch / config.Data.MicroBatch;

    /// <summary>This rank's part of the model of a configuration, not initialised.</summary>
    internal static KvShiftTransformer BuildModel(RunConfig config, ParallelContext ranks)
    {
        var share = config.Parallel.OptimizerSharding == OptimizerSharding.Zero1
            ? new OptimizerShare(ranks.Replicas.Rank, ranks.Replicas.Size)
            : OptimizerShare.Whole;
        var dtype = config.Precision switch
        {
            Precision.Fp64 => ScalarType.Float64,
            Precision.Bf16 => ScalarType.BFloat16,
            _ => ScalarType.Float32,
        };
        var parameters = new ParameterBuckets(dtype, CPU, (long)config.Parallel.BucketMebibytes << 20, share);
        return new KvShiftTransformer(config.Model, parameters, config.Data.Context, new TensorRegion(ranks.Tensor, config.Parallel.IsSequenceParallel))
        {
            Recompute = config.Parallel.Recompute,
        };
    }

    // One rank looks for the checkpoint; all load the same one, each what it needs. What they read they compare with its hashes while they
    // have it, so that nothing is read twice; only when these differ is all of it read again, to say where.
    private TrainingState Restore(KvShiftTransformer model, AdamW optimizer, TrainingCheckpoint checkpoint, ShardCatalog training)
    {
        var loader = LoaderState.Of(training, config.Data, config.Run.Seed, step: 0);
        RejectedCheckpoint? damaged = null;
        for (var below = long.MaxValue; ; )
        {
            var found = ranks.BroadcastText(IsFirstRank ? FindCheckpoint(below, ref damaged) : "");
            if (found.Length == 0)
            {
                model.Initialize(config.Run.Seed);
                if (config.Run.InitializeFrom is { Length: > 0 } folder) reporter.Say(InitialModel.Load(folder, model));
                optimizer.TakeMasters();
                return new TrainingState { Step = 0, Tokens = 0, Loader = loader };
            }
            RequireSameRun(found, loader);
            try
            {
                var state = checkpoint.Load(found);
                _folder.Checkpoints.MarkGood(state.Step);
                // An imported model has not begun.
                return state.Step == 0 ? state with { Loader = loader } : state with { ResumedAt = [.. state.ResumedAt, state.Step] };
            }
            catch (Exception error) when (error is InvalidDataException or IOException)
            {
                // On all ranks. Where the files are as they were written, it is not for an older checkpoint to mend.
                var fault = ranks.BroadcastText(IsFirstRank && CheckpointVerification.Run(found) is [var first, ..] ? first.ToString() : "");
                if (fault.Length == 0) throw;
                below = TrainingState.Read(found).Step;
                if (IsFirstRank) Reject(new RejectedCheckpoint(found, fault), ref damaged);
            }
        }
    }

    // The newest one of earlier steps that is good so far as its slices do not say otherwise; empty where there never was one.
    private string FindCheckpoint(long below, ref RejectedCheckpoint? damaged)
    {
        var search = _folder.Checkpoints.FindNewestGood(VerificationDepth.AllButSlices, below);
        foreach (var rejected in search.Rejected) Reject(rejected, ref damaged);
        if (search.Newest is { } newest) return newest.Directory;
        // One that was never finished is what a kill leaves, and there may be nothing before it. A finished one that is damaged is
        // somebody's run: beginning again would write over it.
        if (damaged is null) return "";
        throw new InvalidDataException(
            $"{damaged}. No checkpoint of {_folder.Path} is good, so the run cannot go on. Restore one, or begin a new run under another run.name.");
    }

    private void Reject(RejectedCheckpoint rejected, ref RejectedCheckpoint? damaged)
    {
        reporter.Warn($"checkpoint rejected: {rejected}");
        if (!Path.GetFileName(rejected.Directory).StartsWith('.')) damaged ??= rejected;
    }

    private void RequireSameRun(string checkpoint, LoaderState loader)
    {
        const string Remedy = "put back what the run was begun with, or begin a new run under another run.name";
        // One that was made from a model, not by a run, has read no data.
        var before = TrainingState.Read(checkpoint).Loader;
        if (before?.ConfigurationDifferenceFrom(loader) is { } setting)
            throw new ConfigException(new ConfigFault("data", setting, $"must be what it was when {checkpoint} was saved", Remedy));
        if (before?.DataDifferenceFrom(loader) is { } difference)
        {
            if (!acceptChangedData)
            {
                throw new ConfigException(new ConfigFault("data", difference, $"must be what it was when {checkpoint} was saved",
                    Remedy + "; --accept-changed-data goes on at the same step in the order of the new data"));
            }
            if (IsFirstRank) reporter.Warn($"going on with changed data: {difference}");
        }
        // How weights began is over; a model from elsewhere may not even say it.
        var saved = ModelDescription.Read(checkpoint).Model with { InitStd = config.Model.InitStd };
        var wanted = new ModelDescription(config.Model, config.Data.Context);
        if (new ModelDescription(saved, config.Data.Context).ToJson() != wanted.ToJson())
        {
            throw new ConfigException(new ConfigFault("model", $"{wanted.Model}", $"must be the shape of {checkpoint}, which is {saved}", Remedy));
        }
    }

    // The sample and the checkpoints need the tokenizer; that it is missing or another one is better known before training than after.
    private void CheckTokenizer(params ShardCatalog?[] catalogs)
    {
        if (config.Data.Tokenizer is not { } path) return;
        TokenizerModel tokenizer;
        try
        {
            tokenizer = TokenizerModel.Load(path);
        }
        catch (IOException missing)
        {
            throw new ConfigException(new ConfigFault("data.tokenizer", path, "must be a tokenizer folder or a tokenizer.json", missing.Message));
        }
        if (tokenizer.VocabularySize > config.Model.VocabSize)
        {
            throw new ConfigException(new ConfigFault("model.vocab_size", $"{config.Model.VocabSize}",
                $"must be at least the tokenizer's vocabulary of {tokenizer.VocabularySize}", $"set model.vocab_size: {tokenizer.VocabularySize}"));
        }
        foreach (var catalog in catalogs)
        {
            if (catalog?.TokenizerHash is { } hash && hash != tokenizer.Hash)
            {
                throw new ConfigException(new ConfigFault("data.tokenizer", $"{path} ({tokenizer.Hash})",
                    $"must be the tokenizer that made the shards, {hash}", "prepare the shards again, or name the tokenizer that made them"));
            }
        }
    }

    private void TellMesh(KvShiftTransformer model)
    {
        var hosts = ranks.World.AllGatherTexts(Environment.MachineName);
        if (!IsFirstRank || hosts.Length == 1) return;
        foreach (var line in MeshTable.Lines(ranks.Layout, hosts, model.Parameters.Device.ToString())) reporter.Say(line);
    }

    private void Begin(KvShiftTransformer model, ShardCatalog training, TrainingState state, CheckpointSaver saver)
    {
        Directory.CreateDirectory(_folder.Path);
        RunConfigWriter.Save(config, _folder.Configuration);
        var start = state.Step == 0 ? "starting" : FormattableString.Invariant($"going on from the checkpoint of step {state.Step}, verified and loaded in {_restoreSeconds:0.00} s");
        reporter.Say(FormattableString.Invariant(
            $"{config.Run.Name}: {start}; {model.Parameters.GlobalElementCount:N0} parameters, {training.TokenCount:N0} training tokens in {training.DocumentCount:N0} documents, {ranks.World.Size} rank(s) with {threadsPerRank} thread(s) each, {DenseKernels.InstructionSet} kernels"));
        if (saver.StagingBytes > 0) reporter.Say($"checkpoints are written beside training, from a copy of {Quantity.Bytes(saver.StagingBytes)} on each rank");
    }
}
