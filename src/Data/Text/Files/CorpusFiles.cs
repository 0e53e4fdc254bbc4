namespace KvShiftScale.Data.Text.Files;

/// <summary>The files that patterns stand for.</summary>
internal static class CorpusFiles
{
    /// <summary>
    /// Files in the order of the patterns, those of one pattern in ordinal order of their paths, a file that several patterns match only once. A
    /// pattern that is a folder stands for the files of known kinds in it and below it.
    /// </summary>
    /// <exception cref="FileNotFoundException">A pattern matches no file.</exception>
    /// <exception cref="InvalidDataException">A pattern other than a folder matches a file of an unknown kind.</exception>
    public static IReadOnlyList<string> Find(IEnumerable<string> globs)
    {
        var files = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var glob in globs)
        {
            foreach (var path in Directory.Exists(glob) ? InFolder(glob) : Matching(glob))
            {
                if (seen.Add(path))
                {
                    files.Add(path);
                }
            }
        }

        return files;
    }

    private static List<string> InFolder(string given)
    {
        var (folder, all) = FileGlob.Expand(given.TrimEnd('/') + "/**/*");
        var known = all.Select(name => Path.Combine(folder, name)).Where(path => CorpusFileName.KindOf(path) is not null).ToList();
        return known.Count > 0
            ? known
            : throw new FileNotFoundException($"'{given}' is a folder of {all.Count} files, none of a known kind; expected {CorpusFileName.Known}.", given);
    }

    private static IEnumerable<string> Matching(string glob)
    {
        var (folder, matches) = FileGlob.Expand(glob);
        if (matches.Count == 0)
        {
            var reason = Directory.Exists(folder) ? $"no such file in {folder}" : $"the folder {folder} does not exist";
            throw new FileNotFoundException($"'{glob}' matches no file: {reason}.", glob);
        }

        foreach (var match in matches)
        {
            var path = Path.Combine(folder, match);
            yield return CorpusFileName.KindOf(path) is not null
                ? path
                : throw new InvalidDataException(
                    $"{path}: found by '{glob}', but of no known kind; expected {CorpusFileName.Known}. Narrow the pattern to such files, or name the "
                    + "folder, of which only they are read.");
        }
    }
}
