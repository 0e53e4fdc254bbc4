namespace KvShiftScale.Data.Finding;

/// <summary>
/// File patterns of configurations and command lines: <c>*</c> and <c>?</c> within a path segment, <c>**</c> for any number of folders.
/// </summary>
/// <remarks>
/// Names that begin with a dot match only a segment that begins with one. Each file is found once, whatever names lead to it: under one that is no
/// link where there is such a name, else under the first in ordinal order. Links to folders are followed, but for those that lead to a folder
/// that is searched anyway, or that holds the one in which the search begins.
/// </remarks>
public static class FileGlob
{
    private static readonly char[] Wildcards = ['*', '?'];

    /// <summary>Whether a path, or a segment of one, is a pattern.</summary>
    public static bool HasWildcard(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.IndexOfAny(Wildcards) >= 0;
    }

    /// <summary>
    /// Files that match, as paths relative to the pattern's folder (the part before the first segment with a wildcard), in ordinal order.
    /// </summary>
    /// <exception cref="FileNotFoundException">A link that matches leads to nothing.</exception>
    public static FoundFiles Expand(string glob)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(glob);
        var segments = glob.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var firstPattern = Array.FindIndex(segments, HasWildcard);
        var folderDepth = Math.Max(0, firstPattern >= 0 ? firstPattern : segments.Length - 1);
        var root = glob[0] == '/' ? "/" : Directory.GetCurrentDirectory();
        var folder = Path.GetFullPath(Path.Combine(root, string.Join('/', segments[..folderDepth])));
        return FileSearch.Run(folder, segments[folderDepth..], _ => true);
    }

    /// <summary>Files in a folder and below it whose names are wanted.</summary>
    /// <exception cref="FileNotFoundException">A link of such a name leads to nothing.</exception>
    internal static FoundFiles AllBelow(string folder, Func<string, bool> isWanted)
        => FileSearch.Run(Path.GetFullPath(folder).TrimEnd('/') is { Length: > 0 } path ? path : "/", ["**", "*"], isWanted);
}
