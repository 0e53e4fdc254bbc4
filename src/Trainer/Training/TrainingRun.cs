using KvShiftScale.Data;
using KvShiftScale.Models;
using KvShiftScale.Parallel;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Trainer.Configuration;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>Puts a run together: data, model, optimizer, checkpoint, loop. All ranks run it side by side.</summary>
internal sealed class TrainingRun(RunConfig config, ParallelContext ranks, int threadsPerRank, bool demandNew, IRunReporter reporter)
{
    private readonly RunFolder _folder = new(config);

    private bool IsFirstRank => ranks.World.Rank == 0;

    /// <summary>Trains to the end or to a signal.</summary>
    /// <returns>The process's exit code.</returns>
    /// <exception cref="ConfigException">The configuration does not fit the data or the run folder.</exception>
    public int Execute()
    {
        if (demandNew && _folder.Exists)
        {
            throw new ConfigException(new ConfigFault("run.name", config.Run.Name, $"--new wants a folder that does not exist yet, and {_folder.Path} does",
                "choose another run.name, delete the folder, or leave --new out to go on with that run"));
        }
        // Nobody creates the folder before everybody has looked for it.
        ranks.World.Barrier();

        var training = OpenData("data.train", config.Data.Train);
        var validation = config.Data.Validation.Count == 0 ? null : OpenData("data.validation", config.Data.Validation);
        using var model = BuildModel();
        using var optimizer = new AdamW(model.Parameters, config.Optimizer);
        var reducer = new DataParallelReducer(model.Parameters, ranks.Data);
        var state = Restore(model, optimizer, training);
        if (IsFirstRank) Begin(model, training, state);

        using var stop = new StopSignal();
        var loop = new TrainingLoop(config, ranks, _folder, reporter, stop, model, optimizer, reducer, training, validation,
            PeakProbe.MeasureFlopsPerSecond(model.Parameters.DataType, model.Parameters.Device));
        return loop.Run(state);
    }

    private ShardCatalog OpenData(string key, IReadOnlyList<DataSource> sources)
    {
        ShardCatalog catalog;
        try
        {
            catalog = ShardCatalog.Open(sources);
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

    private KvShiftTransformer BuildModel()
    {
        var dtype = config.Precision == Precision.Fp64 ? ScalarType.Float64 : ScalarType.Float32;
        var parameters = new ParameterBuckets(dtype, CPU, (long)config.Parallel.BucketMebibytes << 20);
        return new KvShiftTransformer(config.Model, parameters, config.Data.Context);
    }

    // One rank looks for the checkpoint, since looking reads every byte; all load the same one.
    private TrainingState Restore(KvShiftTransformer model, AdamW optimizer, ShardCatalog training)
    {
        var found = "";
        if (IsFirstRank)
        {
            var search = _folder.Checkpoints.FindNewestGood();
            foreach (var rejected in search.Rejected) reporter.Warn($"checkpoint rejected: {rejected}");
            found = search.Newest?.Directory ?? "";
        }
        found = ranks.BroadcastText(found);

        var loader = new LoaderState(config.Run.Seed, 0, config.Data.Context, config.Data.GlobalBatch, config.Data.ShuffleRowGroups,
            [.. training.Sources.Select(source => source.Fingerprint)]);
        if (found.Length == 0)
        {
            model.Initialize(config.Run.Seed);
            return new TrainingState { Step = 0, Tokens = 0, Loader = loader };
        }
        var state = TrainingCheckpoint.Load(found, model, optimizer);
        state.Loader.RequireSameOrder(loader);
        return state with { ResumedAt = [.. state.ResumedAt, state.Step] };
    }

    private void Begin(KvShiftTransformer model, ShardCatalog training, TrainingState state)
    {
        Directory.CreateDirectory(_folder.Path);
        RunConfigWriter.Save(config, _folder.Configuration);
        var start = state.Step == 0 ? "starting" : $"going on from the checkpoint of step {state.Step}";
        reporter.Say(FormattableString.Invariant(
            $"{config.Run.Name}: {start}; {model.Parameters.ElementCount:N0} parameters, {training.TokenCount:N0} training tokens in {training.DocumentCount:N0} documents, {ranks.World.Size} rank(s) with {threadsPerRank} thread(s) each"));
    }
}
