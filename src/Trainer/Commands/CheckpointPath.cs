using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Slices;
using KvShiftScale.Core;
using KvShiftScale.Trainer.RunFolders;

namespace KvShiftScale.Trainer.Commands;

/// <summary>What a person may name where checkpoints are wanted: one of them, a run's folder, or the folder of its checkpoints.</summary>
internal static class CheckpointPath
{
    /// <summary>Description of such an argument.</summary>
    public const string Description = "A checkpoint, or a run's folder.";

    /// <summary>The checkpoint itself, or all of a run's, finished or not, the newest first.</summary>
    /// <exception cref="UsageException">There is nothing of the kind.</exception>
    public static IReadOnlyList<(string Path, long? Step, bool IsPartial)> All(string path)
    {
        if (CheckpointTensors.IsCheckpoint(path))
        {
            return [(path, null, false)];
        }

        var found = FolderOf(path).List();
        return found.Count > 0
            ? [.. found.Select(checkpoint => (checkpoint.Path, (long?)checkpoint.Step, checkpoint.IsPartial))]
            : throw new UsageException($"found no checkpoint in {path}; wanted a checkpoint (a folder with {CheckpointManifest.FileName}) or the folder of a run that has one");
    }

    /// <summary>The checkpoint itself, or the newest finished one of a run.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static string Newest(string path) => All(path).FirstOrDefault(checkpoint => !checkpoint.IsPartial).Path
        ?? throw new UsageException($"found no finished checkpoint in {path}; wanted one that is");

    private static CheckpointFolder FolderOf(string path)
    {
        var below = Path.Combine(path, RunFolder.CheckpointsName);
        return new CheckpointFolder(Directory.Exists(below) ? below : path);
    }
}
