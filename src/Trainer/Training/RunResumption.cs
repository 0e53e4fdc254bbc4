using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Trainer.Checkpoints;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.ModelFiles;

namespace KvShiftScale.Trainer.Training;

/// <summary>Where a launch takes a run up: its newest good checkpoint, or the beginning where there never was one.</summary>
internal sealed class RunResumption(LaunchedRun run, TrainableModel trained, bool acceptChangedData)
{
    private readonly TrainingCheckpoint _checkpoint = new(trained.Model, trained.Optimizer, run.Ranks, run.Config);
    private RejectedCheckpoint? _damaged;

    /// <summary>
    /// Fills model and optimizer. One rank looks for the checkpoint; all load the same one, each what it needs. What they read they compare
    /// with its hashes while they have it, so that nothing is read twice; only when these differ is all of it read again, to say where. Collective.
    /// </summary>
    /// <exception cref="ConfigException">The checkpoint is of another model or of other data.</exception>
    /// <exception cref="InvalidDataException">The run has checkpoints, and none of them is good.</exception>
    public TrainingState Restore(ShardCatalog training)
    {
        var loader = LoaderState.Of(training, run.Config.Data, run.Config.Run.Seed, step: 0);
        for (var below = long.MaxValue; ;)
        {
            var checkpoint = run.IsFirstRank ? FindCheckpoint(below) : null;
            var found = run.Ranks.BroadcastText(checkpoint?.Directory ?? "");
            if (found.Length == 0)
            {
                return Begin(loader);
            }

            try
            {
                RequireSameRun(found, loader);
                var state = _checkpoint.Load(found);
                run.Folder.Checkpoints.MarkGood(state.Step);
                // An imported model has not begun.
                return state.Step == 0 ? state with { Loader = loader } : state with { ResumedAt = [.. state.ResumedAt, state.Step] };
            }
            catch (Exception error) when (error is InvalidDataException or IOException)
            {
                // On all ranks. Where the files are as they were written, it is not for an older checkpoint to mend.
                var fault = run.Ranks.BroadcastText(run.IsFirstRank && CheckpointVerification.Run(found) is [var first, ..] ? first.ToString() : "");
                if (fault.Length == 0)
                {
                    throw;
                }

                if (checkpoint is null)
                {
                    continue;
                }

                below = checkpoint.Step;
                Reject(new RejectedCheckpoint(found, fault));
            }
        }
    }

    private TrainingState Begin(LoaderState loader)
    {
        trained.Model.Initialize(run.Config.Run.Seed);
        if (run.Config.Run.InitializeFrom is { Length: > 0 } folder)
        {
            run.Reporter.Say(InitialModel.Load(folder, trained.Model));
        }

        trained.Optimizer.TakeMasters();
        return new TrainingState { Step = 0, Tokens = 0, Loader = loader };
    }

    // The newest one of earlier steps that is good so far as its slices do not say otherwise; null where there never was one.
    private Checkpoint? FindCheckpoint(long below)
    {
        var search = run.Folder.Checkpoints.FindNewestGood(VerificationDepth.AllButSlices, below);
        foreach (var rejected in search.Rejected)
        {
            Reject(rejected);
        }

        if (search.Newest is { } newest)
        {
            return newest;
        }
        // One that was never finished is what a kill leaves, and there may be nothing before it. A finished one that is damaged is
        // somebody's run: beginning again would write over it.
        if (_damaged is null)
        {
            return null;
        }

        throw new InvalidDataException(
            $"{_damaged}. No checkpoint of {run.Folder.Path} is good, so the run cannot go on. Restore one, or begin a new run under another run.name.");
    }

    private void Reject(RejectedCheckpoint rejected)
    {
        run.Reporter.Warn($"checkpoint rejected: {rejected}");
        if (!Path.GetFileName(rejected.Directory).StartsWith('.'))
        {
            _damaged ??= rejected;
        }
    }

    private void RequireSameRun(string checkpoint, LoaderState loader)
    {
        const string Remedy = "put back what the run was begun with, or begin a new run under another run.name";
        TrainingState? state = null;
        ModelDescription? description = null;
        // On a network file system one rank may not see yet what the first has found.
        RankAgreement.Together(run.Ranks.World, () =>
        {
            state = TrainingState.Read(checkpoint);
            description = ModelDescription.Read(checkpoint);
        });
        // One that was made from a model, not by a run, has read no data.
        var before = state!.Loader;
        if (run.Config.Data.RowOrder is null && before is not null)
        {
            loader = loader with { RowOrder = before.RowOrder };
        }

        if (before?.ConfigurationDifferenceFrom(loader) is { } setting)
        {
            throw new ConfigException(new ConfigFault("data", setting, $"must be what it was when {checkpoint} was saved", Remedy));
        }

        if (before?.DataDifferenceFrom(loader) is { } difference)
        {
            if (!acceptChangedData)
            {
                throw new ConfigException(new ConfigFault("data", difference, $"must be what it was when {checkpoint} was saved",
                    Remedy + "; --accept-changed-data goes on at the same step in the order of the new data"));
            }
            if (run.IsFirstRank)
            {
                run.Reporter.Warn($"going on with changed data: {difference}");
            }
        }
        // How weights began is over; a model from elsewhere may not even say it.
        var (model, context) = (run.Config.Model, run.Config.Data.Context);
        var saved = description!.Model with { InitStd = model.InitStd };
        if (new ModelDescription(saved, context).ToJson() != new ModelDescription(model, context).ToJson())
        {
            throw new ConfigException(new ConfigFault("model", $"{model}", $"must be the shape of {checkpoint}, which is {saved}", Remedy));
        }
    }
}
