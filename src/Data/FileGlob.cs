using System.IO.Enumeration;

namespace KvShiftScale.Data;

/// <summary>
/// File patterns of configurations and command lines: <c>*</c> and <c>?</c> within a path segment, <c>**</c> for any number of folders.
/// </summary>
public static class FileGlob
{
    private static readonly char[] Wildcards = ['*', '?'];

    /// <summary>
    /// Files that match, as paths relative to the pattern's folder, in ordinal order. Names that begin with a dot match only a segment
    /// that begins with one.
    /// </summary>
    /// <returns>The pattern's folder (the part before the first segment with a wildcard) and the matches below it.</returns>
    public static (string Folder, IReadOnlyList<string> Files) Expand(string glob)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(glob);
        var segments = glob.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var firstPattern = Array.FindIndex(segments, segment => segment.IndexOfAny(Wildcards) >= 0);
        var folderDepth = firstPattern >= 0 ? firstPattern : segments.Length - 1;
        var root = glob[0] == '/' ? "/" : Directory.GetCurrentDirectory();
        var folder = Path.GetFullPath(Path.Combine(root, string.Join('/', segments[..Math.Max(folderDepth, 0)])));

        var files = new SortedSet<string>(StringComparer.Ordinal);
        if (Directory.Exists(folder))
        {
            Collect(folder, "", segments.AsSpan(Math.Max(folderDepth, 0)), files);
        }

        return (folder, [.. files]);
    }

    private static void Collect(string folder, string relative, ReadOnlySpan<string> segments, SortedSet<string> files)
    {
        if (segments.IsEmpty)
        {
            return;
        }

        var rest = segments[1..];
        if (segments[0] == "**")
        {
            Collect(folder, relative, rest.IsEmpty ? ["*"] : rest, files);
            foreach (var name in Names(Directory.EnumerateDirectories(folder), "*"))
            {
                Collect(Path.Combine(folder, name), relative + name + "/", segments, files);
            }
        }
        else if (rest.IsEmpty)
        {
            foreach (var name in Names(Directory.EnumerateFiles(folder), segments[0]))
            {
                files.Add(relative + name);
            }
        }
        else
        {
            foreach (var name in Names(Directory.EnumerateDirectories(folder), segments[0]))
            {
                Collect(Path.Combine(folder, name), relative + name + "/", rest, files);
            }
        }
    }

    private static IEnumerable<string> Names(IEnumerable<string> paths, string pattern)
        => paths.Select(path => Path.GetFileName(path))
            .Where(name => (name[0] != '.' || pattern[0] == '.')
                && FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));
}
