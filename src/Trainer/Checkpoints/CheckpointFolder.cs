using System.Globalization;
using System.Text.RegularExpressions;
using KvShiftScale.Trainer.Faults;

namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>
/// The <c>checkpoints</c> folder of a run: <c>step-00000100</c> and its like, each with a manifest; <c>.step-00000100.partial</c>
/// while one is written; and <c>latest</c>, a text file with the name of the newest one, for people and scripts. Only one process of a
/// launch commits, searches and prunes; the others may write files to <see cref="DraftPathOf"/> before it commits.
/// </summary>
public sealed partial class CheckpointFolder(string directory)
{
    private const string LatestFileName = "latest";

    // Steps whose content this process has hashed, or written; spares Prune from reading them again.
    private readonly HashSet<long> _knownGood = [];

    /// <summary>Folder that a checkpoint is written to until it is committed.</summary>
    public string DraftPathOf(long step) => Path.Combine(directory, $".{NameOf(step)}.partial");

    /// <summary>Folder of a finished checkpoint.</summary>
    public string PathOf(long step) => Path.Combine(directory, NameOf(step));

    /// <summary>Starts a checkpoint; what an earlier attempt at the same step left behind is deleted.</summary>
    public CheckpointDraft Begin(long step) => new(this, step);

    /// <summary>Finished checkpoints and unfinished ones, the newest first, without a look at their files.</summary>
    public IReadOnlyList<(string Path, long Step, bool IsPartial)> List() => [.. NewestFirst()];

    /// <summary>
    /// The newest checkpoint whose manifest and checksums hold. Reads what it compares, of it and of newer ones that fail.
    /// </summary>
    /// <param name="depth">Whoever loads the slices themselves with a look at their hashes leaves them out, and tells <see cref="MarkGood"/>.</param>
    /// <param name="below">Only checkpoints of earlier steps.</param>
    public CheckpointSearch FindNewestGood(VerificationDepth depth = VerificationDepth.Everything, long below = long.MaxValue)
    {
        var rejected = new List<RejectedCheckpoint>();
        foreach (var (path, step, isPartial) in NewestFirst().Where(found => found.Step < below))
        {
            if (isPartial)
            {
                rejected.Add(new RejectedCheckpoint(path, "was never finished"));
                continue;
            }

            try
            {
                var manifest = Verify(path, step, depth);
                if (depth == VerificationDepth.Everything)
                {
                    MarkGood(step);
                }

                return new CheckpointSearch(new Checkpoint(path, manifest), rejected);
            }
            catch (InvalidDataException error)
            {
                rejected.Add(new RejectedCheckpoint(path, error.Message));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                rejected.Add(new RejectedCheckpoint(path, $"cannot be read ({error.Message})"));
            }
        }

        return new CheckpointSearch(null, rejected);
    }

    /// <summary>Takes note that every byte of a checkpoint is known to be as it was written.</summary>
    public void MarkGood(long step) => _knownGood.Add(step);

    /// <summary>
    /// Deletes all but the newest <paramref name="keep"/> checkpoints, and what unfinished ones left behind. A checkpoint that lacks
    /// files does not count towards them, and the only one that a run could go on from always stays. One whose manifest cannot be read
    /// does not count and stays, and one that cannot be deleted keeps no other from it.
    /// </summary>
    /// <param name="keep">Newest ones that stay.</param>
    /// <param name="keepEvery">Checkpoints of steps that are multiples of it stay too, and do not count; 0 for none.</param>
    /// <param name="warn">Told of each folder that could not be looked at or deleted.</param>
    /// <returns>Folders deleted.</returns>
    /// <exception cref="IOException">The folder cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be listed.</exception>
    public IReadOnlyList<string> Prune(int keep, long keepEvery = 0, Action<string>? warn = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        var kept = new List<long>();
        var milestones = new List<long>();
        var candidates = new List<(string Path, long Step)>();
        var partial = new List<string>();
        foreach (var (path, step, isPartial) in NewestFirst())
        {
            if (isPartial)
            {
                partial.Add(path);
            }
            else if (HasItsFiles(path, step, warn) is not { } isWhole)
            {
                continue;
            }
            else if (!isWhole)
            {
                candidates.Add((path, step));
            }
            else if (kept.Count < keep)
            {
                kept.Add(step);
            }
            else if (keepEvery > 0 && step % keepEvery == 0)
            {
                milestones.Add(step);
            }
            else
            {
                candidates.Add((path, step));
            }
        }

        kept.AddRange(milestones);
        if (!kept.Any(_knownGood.Contains) && !kept.Any(step => IsGood(PathOf(step), step)))
        {
            var spared = candidates.FindIndex(candidate => IsGood(candidate.Path, candidate.Step));
            if (spared < 0)
            {
                // Nothing here is good. Leave all of it: a person may still save something.
                return [];
            }

            candidates.RemoveAt(spared);
        }

        return [.. partial.Concat(candidates.Select(candidate => candidate.Path)).Where(path => TryDelete(path, warn))];
    }

    /// <summary>Gives a finished draft its name and points <c>latest</c> at it.</summary>
    internal Checkpoint Publish(string draftPath, CheckpointManifest manifest)
    {
        var path = PathOf(manifest.Step);
        if (Directory.Exists(path))
        {
            // Renaming over a folder needs it empty. An old one of this step is there only if it was rejected, or its run set back.
            var replaced = $"{draftPath}.replaced.partial";
            DeleteIfPresent(replaced);
            InjectedFaults.Reach("file.rename");
            Directory.Move(path, replaced);
            InjectedFaults.Reach("file.rename");
            Directory.Move(draftPath, path);
            // The checkpoint is there. Prune tries again, and says so.
            TryDelete(replaced, null);
        }
        else
        {
            InjectedFaults.Reach("file.rename");
            Directory.Move(draftPath, path);
        }

        DurableFile.FlushDirectory(directory);
        DurableFile.Replace(Path.Combine(directory, LatestFileName), NameOf(manifest.Step) + "\n");
        _knownGood.Add(manifest.Step);
        return new Checkpoint(path, manifest);
    }

    internal static void DeleteIfPresent(string path)
    {
        if (Directory.Exists(path))
        {
            InjectedFaults.Reach("file.delete");
            Directory.Delete(path, recursive: true);
        }
    }

    private static bool TryDelete(string path, Action<string>? warn)
    {
        try
        {
            DeleteIfPresent(path);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            warn?.Invoke($"{path} could not be deleted and stays, or what is left of it: {error.Message}");
            return false;
        }
    }

    private static string NameOf(long step) => string.Create(CultureInfo.InvariantCulture, $"step-{step:D8}");

    // Null where that cannot be told now: it may be good.
    private static bool? HasItsFiles(string path, long step, Action<string>? warn)
    {
        try
        {
            Verify(path, step, VerificationDepth.Lengths);
            return true;
        }
        catch (InvalidDataException)
        {
            return false;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            warn?.Invoke($"{path} stays: it cannot be read ({error.Message})");
            return null;
        }
    }

    private static bool IsGood(string path, long step)
    {
        try
        {
            Verify(path, step, VerificationDepth.Everything);
            return true;
        }
        catch (Exception error) when (error is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Compares a checkpoint with its manifest.</summary>
    /// <param name="step">Step of the folder's name; null where it has none.</param>
    /// <param name="depth">How much to compare.</param>
    /// <exception cref="InvalidDataException">It is not as it was written; the message does not name the folder.</exception>
    /// <exception cref="IOException">Its manifest cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Its manifest may not be read.</exception>
    internal static CheckpointManifest Verify(string path, long? step, VerificationDepth depth)
    {
        var manifest = CheckpointManifest.Read(path);
        if (step is not null && manifest.Step != step)
        {
            throw new InvalidDataException($"{CheckpointManifest.FileName} says step {manifest.Step}, the folder's name says {step}");
        }

        foreach (var file in manifest.Files)
        {
            if (CheckpointVerification.CheckFile(path, file, depth) is { } fault)
            {
                throw new InvalidDataException($"{file.Name} {fault}");
            }
        }

        if (depth > VerificationDepth.Lengths && !ManifestJson.HasItsChecksum(File.ReadAllBytes(Path.Combine(path, CheckpointManifest.FileName))))
        {
            throw new InvalidDataException($"{CheckpointManifest.FileName} has another SHA-256 checksum than it says; it is damaged");
        }

        return manifest;
    }

    private IEnumerable<(string Path, long Step, bool IsPartial)> NewestFirst()
    {
        InjectedFaults.Reach("folder.list");
        if (!Directory.Exists(directory))
        {
            return [];
        }

        return Directory.EnumerateDirectories(directory)
            .Select(path => (Path: path, Match: FolderName().Match(Path.GetFileName(path))))
            .Where(found => found.Match.Success)
            .Select(found => (
                found.Path,
                Step: long.Parse(found.Match.Groups["step"].ValueSpan, CultureInfo.InvariantCulture),
                IsPartial: found.Match.Groups["partial"].Success))
            .Where(found => found.IsPartial || Path.GetFileName(found.Path) == NameOf(found.Step))
            .OrderByDescending(found => found.Step)
            .ThenByDescending(found => found.IsPartial)
            .ToArray();
    }

    [GeneratedRegex(@"^(step-(?<step>[0-9]{8,18})|\.step-(?<step>[0-9]{8,18})(?<partial>\.partial)(\.replaced\.partial)?)$")]
    private static partial Regex FolderName();
}
