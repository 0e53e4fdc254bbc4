using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Checkpoints.Slices;
using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.RunFolders;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Commands;

/// <summary>What a person names where a run, its checkpoints or a model are wanted: one rule for all verbs.</summary>
internal static class RunPath
{
    /// <summary>Description of an argument that is about checkpoints.</summary>
    public const string Description = "A run's name or folder, or a checkpoint.";

    /// <summary>The checkpoint of a run that had the lowest validation loss.</summary>
    public const string Best = "best";

    /// <summary>
    /// The folder that a path or the name of a run below <c>runs/</c> means; the run where a folder of its name, perhaps with its text, is neither a
    /// run nor a model.
    /// </summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static string FolderOf(string named)
    {
        var runs = new RunSection { Name = named, Steps = 1 };
        if (Directory.Exists(named) && (IsOfARun(named) || !Directory.Exists(runs.Folder)))
        {
            return named;
        }

        return named.Length > 0 && Directory.Exists(runs.Folder) ? runs.Folder : throw new UsageException(
            $"found no folder {named} and no run {runs.Folder}; wanted a run's name or folder, a checkpoint or a model folder{Known(runs.Directory)}");
    }

    /// <summary>The checkpoint itself, or all of a run's, finished or not, the newest first.</summary>
    /// <exception cref="UsageException">There is nothing of the kind.</exception>
    public static IReadOnlyList<(string Path, long? Step, bool IsPartial)> Checkpoints(string named)
    {
        var folder = FolderOf(named);
        if (CheckpointTensors.IsCheckpoint(folder))
        {
            return [(folder, null, false)];
        }

        var found = CheckpointsBelow(folder).List();
        return found.Count > 0
            ? [.. found.Select(checkpoint => (checkpoint.Path, (long?)checkpoint.Step, checkpoint.IsPartial))]
            : throw new UsageException(
                $"found no checkpoint in {folder}; wanted a checkpoint (a folder with {CheckpointManifest.FileName}) or the folder of a run that has one");
    }

    /// <summary>A model: the folder itself where it holds one, else a checkpoint of the run that it is.</summary>
    /// <param name="named">What the person named.</param>
    /// <param name="step">Which checkpoint: a step, or <see cref="Best"/>; null for the newest good one.</param>
    /// <param name="warn">Told of newer checkpoints that are not good.</param>
    /// <exception cref="UsageException">There is none.</exception>
    public static string Model(string named, string? step, Action<string> warn)
    {
        var folder = FolderOf(named);
        if (!CheckpointTensors.IsCheckpoint(folder) && !File.Exists(Path.Combine(folder, ModelDescription.FileName)))
        {
            return Checkpoint(named, step, warn);
        }

        return step is null ? folder : throw OfNoRun(folder, step);
    }

    /// <summary>A checkpoint: the folder itself where it is one, else one of the run's.</summary>
    /// <param name="named">What the person named.</param>
    /// <param name="step">Which one of a run: a step, or <see cref="Best"/>; null for the newest good one.</param>
    /// <param name="warn">Told of newer checkpoints that are not good.</param>
    /// <exception cref="UsageException">There is none.</exception>
    public static string Checkpoint(string named, string? step, Action<string> warn)
    {
        var folder = FolderOf(named);
        if (CheckpointTensors.IsCheckpoint(folder))
        {
            return step is null ? folder : throw OfNoRun(folder, step);
        }

        var finished = Checkpoints(named).Where(checkpoint => !checkpoint.IsPartial).ToDictionary(checkpoint => checkpoint.Step!.Value, checkpoint => checkpoint.Path);
        if (step is null)
        {
            return NewestGood(folder, warn);
        }

        if (step == Best)
        {
            return finished[BestStep(folder, finished.Keys)];
        }

        return long.TryParse(step, out var number) && finished.TryGetValue(number, out var path) ? path : throw new UsageException(
            $"found --step {step}; wanted {Best} or a step that {folder} has a checkpoint of: {string.Join(", ", finished.Keys.Order())}");
    }

    /// <summary>What a model is called: by its run where it is a checkpoint of one, else by its folder.</summary>
    public static string NameOf(string model)
    {
        var folder = new DirectoryInfo(model);
        return folder.Parent is { Name: RunFolder.CheckpointsName, Parent: { } run } ? run.Name : folder.Name;
    }

    private static string NewestGood(string folder, Action<string> warn)
    {
        // Whoever loads the tensors compares their checksums.
        var search = CheckpointsBelow(folder).FindNewestGood(VerificationDepth.Lengths);
        foreach (var rejected in search.Rejected)
        {
            warn(rejected.ToString());
        }

        return search.Newest?.Directory ?? throw new UsageException($"found no finished checkpoint in {folder}; wanted one that is");
    }

    private static long BestStep(string folder, IReadOnlyCollection<long> steps)
    {
        var losses = ValidationLosses(folder).Where(measured => steps.Contains(measured.Key)).ToList();
        return losses.Count > 0 ? losses.MinBy(measured => measured.Value).Key : throw new UsageException(
            $"found --step {Best}, and no validation loss of the checkpoints of {folder} in its metrics.jsonl; wanted a run that validates at the steps it saves, or --step N");
    }

    /// <summary>Validation losses by step of the run that a folder, or the checkpoints in it, belong to; none where it measured none.</summary>
    public static IReadOnlyDictionary<long, double> ValidationLosses(string folder)
    {
        var run = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)) == RunFolder.CheckpointsName ? Path.Combine(folder, "..") : folder;
        var metrics = Path.Combine(run, RunFolder.MetricsName);
        return File.Exists(metrics)
            ? MetricsLog.Read(metrics).Where(record => record.ValidationLoss is { } loss && double.IsFinite(loss)).ToDictionary(record => record.Step, record => record.ValidationLoss!.Value)
            : new Dictionary<long, double>();
    }

    private static bool IsOfARun(string folder) => CheckpointTensors.IsCheckpoint(folder) || File.Exists(Path.Combine(folder, ModelDescription.FileName))
        || Directory.Exists(Path.Combine(folder, RunFolder.CheckpointsName)) || File.Exists(Path.Combine(folder, RunFolder.ConfigurationName))
        || new CheckpointFolder(folder).List().Count > 0;

    private static CheckpointFolder CheckpointsBelow(string folder)
    {
        var below = Path.Combine(folder, RunFolder.CheckpointsName);
        return new CheckpointFolder(Directory.Exists(below) ? below : folder);
    }

    private static UsageException OfNoRun(string folder, string step)
        => new($"found --step {step} beside {folder}, which is no run; wanted a run's name or folder, or no --step");

    private static string Known(string directory)
    {
        var runs = Directory.Exists(directory) ? Directory.EnumerateDirectories(directory).Select(Path.GetFileName).Order(StringComparer.Ordinal).ToList() : [];
        return runs.Count > 0 ? $"; runs in {directory}/: {string.Join(", ", runs)}" : "";
    }
}
