using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Shards;

/// <summary>The token shards that paths stand for; see <see cref="DataPath"/> for what a path may be.</summary>
/// <param name="Paths">In the order of the paths given, those of one of them in ordinal order, each file once.</param>
/// <param name="LeftOut">Names that were found and are not read, and why.</param>
/// <param name="Folders">The paths given that are folders, of which all shards are wanted.</param>
public sealed record ShardFiles(IReadOnlyList<string> Paths, IReadOnlyList<LeftOutName> LeftOut, IReadOnlyList<string> Folders)
{
    /// <summary>Finds them.</summary>
    /// <param name="given">Files, folders and patterns.</param>
    /// <exception cref="FileNotFoundException">A path stands for no file.</exception>
    public static ShardFiles Find(params IReadOnlyList<string> given)
    {
        var once = new FilesOnce();
        var paths = new List<string>();
        foreach (var path in given)
        {
            var found = once.Add(ShardPath.Find(path));
            paths.AddRange(found.Files.Select(name => Path.Combine(found.Folder, name)));
        }

        return new ShardFiles(paths, once.LeftOut, FoldersOf(given));
    }

    /// <summary>The paths that are folders, in full.</summary>
    internal static IReadOnlyList<string> FoldersOf(IEnumerable<string> given)
        => [.. given.Where(Directory.Exists).Select(Path.GetFullPath).Select(Path.TrimEndingDirectorySeparator)];

    /// <summary>Whether all shards of a folder are wanted.</summary>
    internal bool HasAllOf(string folder)
        => Folders.Any(given => folder == given || given == "/" || folder.StartsWith(given + "/", StringComparison.Ordinal));
}
