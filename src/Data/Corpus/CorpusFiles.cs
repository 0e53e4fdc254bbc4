using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Corpus;

/// <summary>The files of text that paths stand for.</summary>
/// <param name="Paths">In the order of the paths given, those of one of them in ordinal order, each file once.</param>
/// <param name="LeftOut">Names that were found and are not read, and why.</param>
public sealed record CorpusFiles(IReadOnlyList<string> Paths, IReadOnlyList<LeftOutName> LeftOut)
{
    /// <summary>What they are read as.</summary>
    public CorpusSelection Selection { get; init; } = new();

    /// <summary>Finds them; see <see cref="DataPath"/> for what a path may be.</summary>
    /// <param name="given">Files, folders and patterns.</param>
    /// <param name="selection">Which files are taken, and as what.</param>
    /// <param name="ownFile">What a file is that this program has written itself, and that is no input; null for others.</param>
    /// <exception cref="FileNotFoundException">A path stands for no file.</exception>
    /// <exception cref="InvalidDataException">A name or a pattern is that of a file of an unknown kind.</exception>
    internal static CorpusFiles Find(IEnumerable<string> given, CorpusSelection selection, Func<string, string?>? ownFile = null)
    {
        var once = new FilesOnce();
        var files = new List<string>();
        var ownNames = new List<LeftOutName>();
        foreach (var path in given)
        {
            var found = DataPath.Find(path, selection.FileKind);
            var others = ownFile is null ? found : found with { Files = [.. found.Files.Where(name => !IsOwn(Path.Combine(found.Folder, name)))] };
            if (others.Files.Count == 0)
            {
                throw new FileNotFoundException(
                    $"'{path}' has no text but what this program has written: {LeftOutName.Describe(ownNames)}. Name the text that is to be read.", path);
            }

            var taken = found.IsNamed ? others : others with { Files = [.. others.Files.Where(selection.Takes)] };
            if (taken.Files.Count == 0)
            {
                throw new FileNotFoundException(FormattableString.Invariant(
                    $"'{path}' has {others.Files.Count} files of text, and --include and --exclude leave none of them, {others.Files[0]} the first. Correct the patterns."), path);
            }

            foreach (var name in once.Add(taken).Files)
            {
                files.Add(Known(Path.Combine(found.Folder, name), path, selection));
            }
        }

        return new CorpusFiles(files, [.. once.LeftOut, .. ownNames]) { Selection = selection };

        bool IsOwn(string path)
        {
            if (ownFile(path) is not { } what)
            {
                return false;
            }

            ownNames.Add(new LeftOutName(path, LeftOutReason.OwnOutput, what));
            return true;
        }
    }

    /// <summary>Looks whether Parquet files have the column of texts. Damaged ones are left to those who read them, who name them together.</summary>
    /// <param name="looking">Told how many have been looked at.</param>
    /// <exception cref="Core.UsageException">One has no such column.</exception>
    internal void RequireTexts(Action<int>? looking)
    {
        var count = 0;
        foreach (var path in Paths.Where(path => Selection.KindOf(path) == CorpusFileKind.Parquet))
        {
            try
            {
                ParquetTexts.Open(path, Selection.TextColumn).Dispose();
            }
            catch (InvalidDataException)
            {
                // Told by those who read it.
            }

            looking?.Invoke(++count);
        }
    }

    private static string Known(string path, string given, CorpusSelection selection)
        => selection.KindOf(path) is not null
            ? path
            : throw new InvalidDataException(
                $"{path}: found by '{given}', but of no known kind; expected {CorpusFileName.Known}. Narrow the pattern to such files, name the "
                + "folder, of which only they are read, or say with --as text, jsonl or parquet what all of them are.");
}
