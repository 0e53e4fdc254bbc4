using KvShiftScale.Checkpoints.Folders;
using KvShiftScale.Core;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Liveness;

namespace KvShiftScale.Trainer.RunFolders;

/// <summary>Paths of a run's folder.</summary>
internal sealed class RunFolder(RunConfig config)
{
    /// <summary>Name of the resolved configuration, here and in checkpoints.</summary>
    public const string ConfigurationName = "config.yaml";

    /// <summary>Name of the file of steps whose numbers were bad.</summary>
    public const string SkippedName = "skipped.jsonl";

    /// <summary>Name of the file of logged steps.</summary>
    public const string MetricsName = "metrics.jsonl";

    /// <summary>Name of the folder of checkpoints.</summary>
    public const string CheckpointsName = "checkpoints";

    /// <summary>The folder.</summary>
    public string Path { get; } = config.Run.Folder;

    /// <summary>The resolved configuration.</summary>
    public string Configuration => System.IO.Path.Combine(Path, ConfigurationName);

    /// <summary>One line a logged step.</summary>
    public string Metrics => System.IO.Path.Combine(Path, MetricsName);

    /// <summary>One line for each step whose numbers were bad; there when there was one.</summary>
    public string Skipped => System.IO.Path.Combine(Path, SkippedName);

    /// <summary>What the first rank has said, with the time.</summary>
    public string Log => System.IO.Path.Combine(Path, "log.txt");

    /// <summary>The report, written while a launch goes on and at its end.</summary>
    public string Report => System.IO.Path.Combine(Path, "report.html");

    /// <summary>The loss curve of the report as a picture of its own.</summary>
    public string LossCurve => System.IO.Path.Combine(Path, "loss.svg");

    /// <summary>The induction curve of the report, where the run was probed.</summary>
    public string InductionCurve => System.IO.Path.Combine(Path, "induction.svg");

    /// <summary>What came out, for scripts.</summary>
    public string Summary => System.IO.Path.Combine(Path, "summary.json");

    /// <summary>Crashes that a launch went on after, or gave up.</summary>
    public string Restarts => System.IO.Path.Combine(Path, "restarts.jsonl");

    /// <summary>Tokens of row groups whose footers do not state them; there when some had to be counted.</summary>
    public string RowGroupCounts => System.IO.Path.Combine(Path, "row-group-counts.json");

    /// <summary>The run's checkpoints.</summary>
    public CheckpointFolder Checkpoints { get; } = new(System.IO.Path.Combine(config.Run.Folder, CheckpointsName));

    /// <summary>
    /// The order of rows that the run has, by its configuration as it was resolved; null where there is none. One that was written before
    /// there was a choice does not have the key.
    /// </summary>
    /// <exception cref="ConfigException">It cannot be read.</exception>
    public RowOrder? ReadRowOrder()
        => File.Exists(Configuration) ? RunConfigReader.Read(Configuration, []).Data.RowOrder ?? RowOrder.Sequential : null;

    /// <summary>Some launch has begun here. What one that never came so far has left of its end does not count.</summary>
    public bool Exists => Directory.Exists(Path) && Directory.EnumerateFileSystemEntries(Path).Select(System.IO.Path.GetFileName)
        .Any(name => name is not (LivenessFolder.Name or LivenessFolder.StacksName or LivenessFolder.ReportName or LastWords.FileName
            or RunLock.FileName or StopMark.FileName or RunId.FileName));
}
