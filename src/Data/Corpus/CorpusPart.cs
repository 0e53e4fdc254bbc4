using System.Globalization;
using System.Text.RegularExpressions;
using KvShiftScale.Core;

namespace KvShiftScale.Data.Corpus;

/// <summary>One of several parts of a corpus, each of which one process prepares. Files are dealt to parts in turn.</summary>
/// <param name="Number">Which one, from 1.</param>
/// <param name="Count">How many there are.</param>
public sealed partial record CorpusPart(int Number, int Count)
{
    /// <summary>Pattern of the folders' names.</summary>
    internal const string FolderPattern = "part-*-of-*";

    /// <summary>Name of the folder of its shards; names are in the order of the parts.</summary>
    internal string FolderName
    {
        get
        {
            var count = Count.ToString(CultureInfo.InvariantCulture);
            return $"part-{Number.ToString(CultureInfo.InvariantCulture).PadLeft(count.Length, '0')}-of-{count}";
        }
    }

    /// <summary>Reads <c>i/n</c>.</summary>
    /// <exception cref="UsageException">It is something else.</exception>
    public static CorpusPart Parse(string text)
    {
        var parts = text.Split('/');
        return parts.Length == 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) && number >= 1 && number <= count
            ? new CorpusPart(number, count)
            : throw new UsageException($"found --shard {text}; wanted i/n, part i of n, counted from 1: 3/16");
    }

    /// <summary>The part of whose shards this is the name of the folder; null where it is another name.</summary>
    internal static CorpusPart? OfFolder(string name)
        => NameOfFolder().Match(name) is { Success: true } match
            && int.TryParse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture, out var number)
            && int.TryParse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture, out var count) ? new CorpusPart(number, count) : null;

    /// <summary>The files of this part.</summary>
    /// <exception cref="UsageException">There are fewer files than parts.</exception>
    internal CorpusFiles Of(CorpusFiles all)
        => all.Paths.Count >= Count
            ? all with { Paths = [.. all.Paths.Where((_, index) => index % Count == Number - 1)] }
            : throw new UsageException(FormattableString.Invariant(
                $"found {all.Paths.Count} files of text for {Count} parts; wanted a file for each. Ask for {all.Paths.Count} parts at most, or divide the files"));

    [GeneratedRegex("^part-([0-9]+)-of-([0-9]+)$")]
    private static partial Regex NameOfFolder();
}
