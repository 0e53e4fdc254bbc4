using System.IO.Enumeration;

namespace KvShiftScale.Data.Finding;

/// <summary>One search for files below a folder, by the segments of a pattern.</summary>
internal sealed class FileSearch
{
    private readonly string _root;
    private readonly string[] _segments;
    private readonly Func<string, bool> _isWanted;

    // A folder is searched once for each part of the pattern.
    private readonly HashSet<(FileIdentity Folder, int Segment)> _visited = [];

    // Folders that hold the one in which the search begins.
    private readonly HashSet<FileIdentity> _above = [];

    // Links to folders wait until all that is reached without them is known, and come in ordinal order.
    private readonly SortedSet<(string Name, int Segment)> _links = new(Comparer<(string Name, int Segment)>.Create((left, right)
        => string.CompareOrdinal(left.Name, right.Name) is var order and not 0 ? order : left.Segment.CompareTo(right.Segment)));

    private readonly Dictionary<FileIdentity, SortedSet<(bool IsLinked, string Name)>> _files = [];
    private readonly List<LeftOutName> _leftOut = [];
    private int _otherFiles;

    private FileSearch(string root, string[] segments, Func<string, bool> isWanted)
    {
        _root = root;
        _segments = segments;
        _isWanted = isWanted;
    }

    /// <summary>Searches.</summary>
    /// <param name="root">An absolute path; where it is no folder nothing is found.</param>
    /// <param name="segments">The pattern below it.</param>
    /// <param name="isWanted">Asked of the names of files that match; others are counted only.</param>
    public static FoundFiles Run(string root, string[] segments, Func<string, bool> isWanted)
        => FileIdentity.Of(root) is { Kind: EntryKind.Folder, Identity: var folder }
            ? new FileSearch(root, segments, isWanted).Run(folder)
            : new FoundFiles(root, []);

    private FoundFiles Run(FileIdentity folder)
    {
        var inner = folder;
        // The system knows the parents of a folder, whatever links its name goes through; the topmost is its own.
        for (var above = Path.Combine(_root, ".."); FileIdentity.Of(above) is { Identity: var outer } && outer != inner; above = Path.Combine(above, ".."))
        {
            _above.Add(outer);
            inner = outer;
        }

        Visit("", folder, 0, isLinked: false);
        while (_links.Count > 0)
        {
            var link = _links.Min;
            _links.Remove(link);
            Follow(link.Name, link.Segment);
        }

        var found = _files.Values.Select(names => (First: names.Min.Name, Others: names.Skip(1))).ToArray();
        foreach (var (first, others) in found)
        {
            _leftOut.AddRange(others.Select(other => new LeftOutName(Path.Combine(_root, other.Name), LeftOutReason.SameFile, Path.Combine(_root, first))));
        }

        return new FoundFiles(_root, [.. found.Select(file => file.First).Order(StringComparer.Ordinal)])
        {
            LeftOut = [.. _leftOut.OrderBy(name => name.Path, StringComparer.Ordinal)],
            OtherFiles = _otherFiles,
        };
    }

    private void Visit(string name, FileIdentity identity, int segment, bool isLinked)
    {
        if (!_visited.Add((identity, segment)))
        {
            return;
        }

        var pattern = _segments[segment];
        var isLast = segment == _segments.Length - 1;
        if (pattern == "**")
        {
            if (isLast)
            {
                AddFiles(name, "*", isLinked);
            }
            else
            {
                Visit(name, identity, segment + 1, isLinked);
            }

            VisitFolders(name, "*", segment, isLinked);
        }
        else if (isLast)
        {
            AddFiles(name, pattern, isLinked);
        }
        else
        {
            VisitFolders(name, pattern, segment + 1, isLinked);
        }
    }

    private void VisitFolders(string name, string pattern, int segment, bool isLinked)
    {
        foreach (var inner in Names(name, pattern, EntryKind.Folder))
        {
            if (FileIdentity.Of(PathOf(inner)) is not { Kind: EntryKind.Folder, Identity: var identity })
            {
                continue;
            }

            if (IsLink(inner))
            {
                _links.Add((inner, segment));
            }
            else
            {
                Visit(inner, identity, segment, isLinked);
            }
        }
    }

    private void Follow(string link, int segment)
    {
        if (FileIdentity.Of(PathOf(link)) is not { Kind: EntryKind.Folder, Identity: var identity })
        {
            return;
        }

        // What holds the folder in which the search began leads back to it, and to much that nobody has asked for.
        if (_above.Contains(identity) || _visited.Contains((identity, segment)))
        {
            _leftOut.Add(new LeftOutName(PathOf(link), LeftOutReason.FolderLoop, TargetOf(link)));
            return;
        }

        Visit(link, identity, segment, isLinked: true);
    }

    private void AddFiles(string name, string pattern, bool isLinked)
    {
        foreach (var file in Names(name, pattern, EntryKind.File))
        {
            if (!_isWanted(file))
            {
                _otherFiles++;
                continue;
            }

            switch (FileIdentity.Of(PathOf(file)))
            {
                case { Kind: EntryKind.File, Identity: var identity }:
                    if (!_files.TryGetValue(identity, out var names))
                    {
                        _files.Add(identity, names = new SortedSet<(bool, string)>(Comparer<(bool IsLinked, string Name)>.Create(Compare)));
                    }

                    names.Add((isLinked || IsLink(file), file));
                    break;
                case { Kind: EntryKind.Special }:
                    _leftOut.Add(new LeftOutName(PathOf(file), LeftOutReason.NoFile, ""));
                    break;
                case null when IsLink(file):
                    throw new FileNotFoundException(
                        $"{PathOf(file)} is a link to {TargetOf(file)}, which is not there; mend the link, or remove it.", PathOf(file));
                default:
                    // Gone since it was listed.
                    break;
            }
        }
    }

    // What a folder has of files, pipes and the like, or of folders; links are what they lead to, and files where they lead to nothing.
    private IEnumerable<string> Names(string folder, string pattern, EntryKind kind)
    {
        if (!FileGlob.HasWildcard(pattern))
        {
            // A name is taken as it is: a hidden one, "." and "..", too.
            var name = Inside(folder, pattern);
            var isThere = FileIdentity.Of(PathOf(name)) is { Kind: var found } ? (found == EntryKind.Folder) == (kind == EntryKind.Folder)
                : kind == EntryKind.File && IsLink(name);
            return isThere ? [name] : [];
        }

        var all = kind == EntryKind.Folder ? Directory.EnumerateDirectories(PathOf(folder)) : Directory.EnumerateFiles(PathOf(folder));
        return all.Select(path => Path.GetFileName(path))
            .Where(name => (name[0] != '.' || pattern[0] == '.') && FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false))
            .Select(name => Inside(folder, name));
    }

    private static int Compare((bool IsLinked, string Name) left, (bool IsLinked, string Name) right)
        => left.IsLinked.CompareTo(right.IsLinked) is var order and not 0 ? order : string.CompareOrdinal(left.Name, right.Name);

    private static string Inside(string folder, string name) => folder.Length == 0 ? name : $"{folder}/{name}";

    private string PathOf(string name) => Path.Combine(_root, name);

    private bool IsLink(string name) => new FileInfo(PathOf(name)).LinkTarget is not null;

    private string TargetOf(string name) => new FileInfo(PathOf(name)).LinkTarget ?? name;
}
