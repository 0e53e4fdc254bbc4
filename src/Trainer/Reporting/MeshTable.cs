using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>Which rank is where, as lines of text: one for each rank, or one for each machine where there are many.</summary>
internal static class MeshTable
{
    private const int MostRankLines = 16;

    /// <summary>The lines.</summary>
    /// <param name="layout">Places of the ranks.</param>
    /// <param name="hosts">Machine of each rank.</param>
    /// <param name="device">Where ranks compute.</param>
    public static IReadOnlyList<string> Lines(MeshLayout layout, IReadOnlyList<string> hosts, string device)
    {
        var ranks = Enumerable.Range(0, layout.WorldSize).Select(rank => (Rank: rank, Place: layout.CoordinatesOf(rank), Host: hosts[rank])).ToList();
        if (layout.WorldSize > MostRankLines)
        {
            return
            [
                $"{layout}",
                .. ranks.GroupBy(rank => rank.Host).Select(host => $"  {host.Key}: ranks {Ranges(host.Select(rank => rank.Rank))}; "
                    + $"{string.Join(", ", layout.Axes.Select((axis, i) => $"{axis.Name} {Ranges(host.Select(rank => rank.Place[i]))}"))}; {host.Count()} x {device}"),
            ];
        }
        var width = Math.Max("host".Length, hosts.Max(host => host.Length));
        return
        [
            $"{layout}",
            $"  rank  {string.Join("  ", layout.Axes.Select(axis => axis.Name))}  {"host".PadRight(width)}  device",
            .. ranks.Select(rank => $"  {rank.Rank,4}  {string.Join("  ", layout.Axes.Select((axis, i) => $"{rank.Place[i]}".PadLeft(axis.Name.Length)))}  "
                + $"{rank.Host.PadRight(width)}  {device}"),
        ];
    }

    /// <summary>0-3, 8, 10-11.</summary>
    private static string Ranges(IEnumerable<int> numbers)
    {
        var sorted = numbers.Distinct().Order().ToList();
        var parts = new List<string>();
        for (var begin = 0; begin < sorted.Count;)
        {
            var end = begin;
            while (end + 1 < sorted.Count && sorted[end + 1] == sorted[end] + 1)
            {
                end++;
            }

            parts.Add(begin == end ? $"{sorted[begin]}" : $"{sorted[begin]}-{sorted[end]}");
            begin = end + 1;
        }
        return string.Join(", ", parts);
    }
}
