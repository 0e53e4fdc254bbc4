using System.Globalization;
using System.Text.RegularExpressions;
using KvShiftScale.Checkpoints.Manifests;
using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Files;

namespace KvShiftScale.Checkpoints.Folders;

/// <summary>What a search for a checkpoint to go on from found.</summary>
/// <param name="Newest">The newest good one; null when there is none.</param>
/// <param name="Rejected">Newer ones that are not good, from the newest to the oldest.</param>
public sealed record CheckpointSearch(Checkpoint? Newest, IReadOnlyList<RejectedCheckpoint> Rejected);

/// <summary>A folder that looks like a checkpoint but cannot be gone on from.</summary>
/// <param name="Directory">The folder.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record RejectedCheckpoint(string Directory, string Reason)
{
    /// <summary>Folder and reason as one line of text.</summary>
    public override string ToString() => $"{Directory}: {Reason}";
}

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

    // Steps whose checkpoint is not as it was written, with the reason.
    private readonly Dictionary<long, string> _knownDamaged = [];

    /// <summary>Folder that a checkpoint is written to until it is committed.</summary>
    public string DraftPathOf(long step) => Path.Combine(directory, $".{NameOf(step)}.partial");

    /// <summary>Folder of a finished checkpoint.</summary>
    public string PathOf(long step) => Path.Combine(directory, NameOf(step));

    /// <summary>Starts a checkpoint; what an earlier attempt at the same step left behind is deleted.</summary>
    /// <param name="step">Step of the run.</param>
    /// <param name="warn">Told, from the thread that commits, what was in the way of its name.</param>
    public CheckpointDraft Begin(long step, Action<string>? warn = null) => new(this, step, warn);

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
                MarkDamaged(step, error.Message);
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
    public void MarkGood(long step)
    {
        _knownGood.Add(step);
        _knownDamaged.Remove(step);
    }

    /// <summary>Takes note that a checkpoint is not as it was written: it does not count among those that stay.</summary>
    public void MarkDamaged(long step, string reason)
    {
        _knownGood.Remove(step);
        _knownDamaged[step] = reason;
    }

    /// <summary>
    /// Deletes all but the newest <paramref name="keep"/> good checkpoints, and what unfinished ones left behind. Only those count that this
    /// process has written or that it finds to be as they were written, which it reads the newest of for until there are enough. A damaged one
    /// goes, with a word, when as many good ones are newer. What may be something else stays: folders and files under other names, links,
    /// and a folder that its own manifest gives another step, or that has none.
    /// </summary>
    /// <param name="keep">Newest good ones that stay.</param>
    /// <param name="keepEvery">Checkpoints of steps that are multiples of it stay too, and do not count; 0 for none.</param>
    /// <param name="warn">Told of each folder that could not be looked at or deleted, that is damaged, or that is damaged and was deleted.</param>
    /// <param name="depth">How closely to look at those that this process does not know.</param>
    /// <returns>Folders deleted.</returns>
    /// <exception cref="IOException">The folder cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be listed.</exception>
    public IReadOnlyList<string> Prune(int keep, long keepEvery = 0, Action<string>? warn = null, VerificationDepth depth = VerificationDepth.Everything)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        var found = NewestFirst().Where(found => !IsLink(found.Path)).ToList();
        var kept = 0;
        var superfluous = found.Where(candidate => candidate.IsPartial).ToList();
        foreach (var candidate in found.Where(candidate => !candidate.IsPartial))
        {
            if (kept < keep)
            {
                kept += IsGood(candidate.Path, candidate.Step, depth, warn) ? 1 : 0;
            }
            else if ((keepEvery == 0 || candidate.Step % keepEvery != 0) && IsOwn(candidate.Path, candidate.Step, warn))
            {
                superfluous.Add(candidate);
            }
        }

        // Where fewer are good than are to stay, nothing is superfluous, and what is damaged a person may still save something of.
        var deleted = new List<string>();
        foreach (var (path, step, isPartial) in kept > 0 ? superfluous : [])
        {
            if (!TryDelete(path, warn))
            {
                continue;
            }

            deleted.Add(path);
            if (!isPartial && _knownDamaged.Remove(step, out var reason))
            {
                warn?.Invoke($"{path} was damaged ({reason}) and older than the checkpoints that stay; it is deleted");
            }
        }

        return deleted;
    }

    /// <summary>Gives a finished draft its name and points <c>latest</c> at it.</summary>
    internal Checkpoint Publish(string draftPath, CheckpointManifest manifest, Action<string>? warn)
    {
        var path = PathOf(manifest.Step);
        if (Directory.Exists(path) && !IsLink(path) && IsOwn(path, manifest.Step, warn: null))
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
            if (_knownDamaged.TryGetValue(manifest.Step, out var reason))
            {
                warn?.Invoke($"{path} was damaged ({reason}); the checkpoint that is saved now has taken its place");
            }
        }
        else
        {
            PutAside(path, warn);
            InjectedFaults.Reach("file.rename");
            Directory.Move(draftPath, path);
        }

        DurableFile.FlushDirectory(directory);
        PointLatestAt(manifest.Step, warn);
        MarkGood(manifest.Step);
        return new Checkpoint(path, manifest);
    }

    // What has the name of a checkpoint and is none of this step belongs to somebody.
    private static void PutAside(string path, Action<string>? warn)
    {
        if (!Path.Exists(path) && !IsLink(path))
        {
            return;
        }

        var aside = Enumerable.Range(1, int.MaxValue).Select(number => FormattableString.Invariant($"{path}.aside-{number}"))
            .First(name => !Path.Exists(name) && !IsLink(name));
        InjectedFaults.Reach("file.rename");
        if (Directory.Exists(path))
        {
            Directory.Move(path, aside);
        }
        else
        {
            File.Move(path, aside);
        }

        warn?.Invoke($"{path} was in the way of the checkpoint of that step and may be something else; it is now {aside}, which nothing here deletes");
    }

    // For people and scripts alone: no reader here needs it, so that it keeps no run from going on.
    private void PointLatestAt(long step, Action<string>? warn)
    {
        var path = Path.Combine(directory, LatestFileName);
        if (Directory.Exists(path))
        {
            warn?.Invoke($"{path} is a folder; wanted a file, to write the name of the newest checkpoint to. Move it elsewhere");
            return;
        }

        DurableFile.Replace(path, NameOf(step) + "\n");
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

    private static bool IsLink(string path) => new FileInfo(path).LinkTarget is not null;

    // Whether a folder's manifest can be read and says that it is the checkpoint of this step.
    private static bool HasItsStep(string path, long step)
    {
        try
        {
            return CheckpointManifest.Read(path).Step == step;
        }
        catch (InvalidDataException)
        {
            // A manifest that is damaged is one of ours; a folder without any may be anything.
            return File.Exists(Path.Combine(path, CheckpointManifest.FileName));
        }
    }

    // Whether it is this run's to delete.
    private static bool IsOwn(string path, long step, Action<string>? warn)
    {
        try
        {
            return HasItsStep(path, step);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            warn?.Invoke($"{path} stays: it cannot be read ({error.Message})");
            return false;
        }
    }

    private bool IsGood(string path, long step, VerificationDepth depth, Action<string>? warn)
    {
        try
        {
            // Lengths first, also of those that were good: files can be deleted.
            Verify(path, step, VerificationDepth.Lengths);
            if (!_knownGood.Contains(step))
            {
                if (_knownDamaged.ContainsKey(step))
                {
                    return false;
                }

                Verify(path, step, depth);
                if (depth == VerificationDepth.Everything)
                {
                    MarkGood(step);
                }
            }

            return true;
        }
        catch (InvalidDataException error)
        {
            if (!_knownDamaged.ContainsKey(step))
            {
                warn?.Invoke($"{path} is not a good checkpoint and does not count among those that stay: {error.Message}");
            }

            MarkDamaged(step, error.Message);
            return false;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            warn?.Invoke($"{path} stays: it cannot be read ({error.Message})");
            return false;
        }
    }

    /// <summary>Compares a checkpoint with its manifest.</summary>
    /// <param name="step">Step of the folder's name; null where it has none.</param>
    /// <param name="depth">How much to compare.</param>
    /// <exception cref="InvalidDataException">It is not as it was written; the message does not name the folder.</exception>
    /// <exception cref="IOException">Its manifest cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Its manifest may not be read.</exception>
    public static CheckpointManifest Verify(string path, long? step, VerificationDepth depth)
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
