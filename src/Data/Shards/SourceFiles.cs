using System.Globalization;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Shards;

/// <summary>The files of several sources, each once.</summary>
/// <param name="Sources">The sources that have files, in their order.</param>
/// <param name="Notices">What was left out or is in two sources, a line each.</param>
internal sealed record SourceFiles(IReadOnlyList<(DataSource Source, FoundFiles Files)> Sources, IReadOnlyList<string> Notices)
{
    /// <summary>
    /// Finds them. A file that several sources find belongs to the first, unless their weights differ: who says how often a part of the data is to come
    /// wants it in both.
    /// </summary>
    /// <exception cref="FileNotFoundException">A source finds no file.</exception>
    public static SourceFiles Find(IReadOnlyList<DataSource> sources)
    {
        var weights = sources.Select(source => source.Weight).Distinct().ToDictionary(weight => weight, _ => new FilesOnce());
        var taken = new List<(DataSource Source, FoundFiles Files)>();
        foreach (var source in sources)
        {
            var found = weights[source.Weight].Add(ShardPath.Find(source.Glob));
            if (found.Files.Count > 0)
            {
                taken.Add((source, found));
            }
        }

        var notices = new List<string>();
        if (LeftOutName.Describe([.. weights.Values.SelectMany(once => once.LeftOut)]) is { } leftOut)
        {
            notices.Add(leftOut);
        }

        if (weights.Count > 1)
        {
            var all = new FilesOnce();
            var shared = taken.Sum(source => source.Files.Files.Count - all.Add(source.Files with { LeftOut = [] }).Files.Count);
            if (shared > 0)
            {
                notices.Add(string.Create(CultureInfo.InvariantCulture, $"{shared:N0} files are in two sources of different weights, and are read for both"));
            }
        }

        return new SourceFiles(taken, notices);
    }

    /// <summary>The files of all sources, and the sources that are folders.</summary>
    public ShardFiles AllShards() => new(
        [.. Sources.SelectMany(source => source.Files.Files.Select(name => Path.Combine(source.Files.Folder, name)))], [],
        ShardFiles.FoldersOf(Sources.Select(source => source.Source.Glob)));
}
