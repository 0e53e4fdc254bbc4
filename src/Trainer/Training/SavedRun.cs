using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.RunFolders;

namespace KvShiftScale.Trainer.Training;

/// <summary>A run as its checkpoints have it: how they are saved, and what they hold beside tensors.</summary>
internal static class SavedRun
{
    /// <summary>How a configuration wants saves.</summary>
    public static SaveSettings SettingsOf(RunConfig config) => new()
    {
        Every = config.Run.CheckpointEvery,
        LastStep = config.Run.Steps,
        IsBeside = config.Run.AsyncSave,
        Keep = config.Run.KeepCheckpoints,
        KeepEvery = config.Run.KeepEvery,
        AllowedFailures = config.Run.FailedSaves,
        Patience = TimeSpan.FromSeconds(config.Run.VisibilitySeconds),
        Tokenizer = config.Data.Tokenizer,
        Precision = config.Precision,
        OptimizerSharding = config.Parallel.OptimizerSharding,
    };

    /// <summary>A state as a file.</summary>
    public static CheckpointDocument DocumentOf(TrainingState state) => new(TrainingState.FileName, path => File.WriteAllBytes(path, state.ToJson()));

    /// <summary>State and configuration as files.</summary>
    public static IReadOnlyList<CheckpointDocument> DocumentsOf(TrainingState state, RunConfig config)
        => [DocumentOf(state), new CheckpointDocument(RunFolder.ConfigurationName, path => RunConfigWriter.Save(config, path))];
}
