using System.Globalization;
using System.Text;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Simulation;

/// <summary>Ranks that wait for each other, and in what.</summary>
/// <param name="groups">The groups of the launch.</param>
/// <param name="computing">The thread of each rank that computes.</param>
/// <param name="beside">That which communicates beside it.</param>
internal sealed class Standstill(LaunchGroups groups, IReadOnlyList<RankWorker> computing, IReadOnlyList<RankWorker> beside)
{
    private const int ShownRanks = 16;

    /// <summary>Who waits for whom: ranks of a circle first, where there is one.</summary>
    public string Describe()
    {
        RankWorker[] waiting = [.. computing.Where(worker => !worker.HasEnded)];
        var circle = Circle(waiting[0].Rank);
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"the launch of {groups.Layout} stands still: {waiting.Length} ranks wait for others"));
        if (circle.Count > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $", these for each other: rank {string.Join(" for ", circle.Append(circle[0]))}");
        }

        int[] shown = [.. circle.Union(waiting.Select(worker => worker.Rank)).Take(ShownRanks)];
        foreach (var rank in shown)
        {
            text.Append('\n').Append(Line(computing[rank]));
            if (beside[rank].WaitsIn is not null)
            {
                text.Append('\n').Append(Line(beside[rank]));
            }
        }

        return waiting.Length > shown.Length ? text.Append(CultureInfo.InvariantCulture, $"\nand {waiting.Length - shown.Length} ranks more").ToString() : text.ToString();
    }

    private string Line(RankWorker worker)
    {
        var coordinates = groups.Layout.Axes.Zip(groups.Layout.CoordinatesOf(worker.Rank)).Select(along => string.Create(CultureInfo.InvariantCulture, $"{along.First.Name} {along.Second}"));
        var who = string.Create(CultureInfo.InvariantCulture, $"rank {worker.Rank} ({string.Join(", ", coordinates)}){(worker.IsBeside ? " beside its computation" : "")}");
        return worker.WaitsIn is { } operation
            ? string.Create(CultureInfo.InvariantCulture, $"{who} waits in {Entry(worker, operation)} for rank {string.Join(", ", Missing(worker))}")
            : $"{who} waits for {(worker.WaitsFor is null ? "nobody: it has ended" : "its own collectives beside it")}";
    }

    private CollectiveEntry Entry(RankWorker worker, in Operation operation)
        => new(worker.Call.Number, groups.CalledIn(operation, worker.Rank), worker.Call.Sequence, operation.Call, CollectiveState.Running, 0, 0);

    // Ranks that have not come to where the worker is, or its own that communicates beside it.
    private IEnumerable<int> Missing(RankWorker worker)
    {
        if (worker.WaitsIn is not { } operation)
        {
            return worker.WaitsFor is null || beside[worker.Rank].WaitsIn is null ? [] : Missing(beside[worker.Rank]);
        }

        var members = groups.IdentityOf(operation.Group, worker.Rank).Members;
        return operation.Call.IsMessage ? [members[operation.Call.Variant]]
            : members.Where(rank => !IsIn(computing[rank], operation.Group) && !IsIn(beside[rank], operation.Group));
    }

    private static bool IsIn(RankWorker worker, int group) => worker.WaitsIn is { } operation && operation.Group == group && !operation.Call.IsMessage;

    // From one rank on to the first that it waits for, until one comes again.
    private List<int> Circle(int rank)
    {
        var path = new List<int>();
        while (!path.Contains(rank))
        {
            path.Add(rank);
            if (Missing(computing[rank]).ToArray() is not [var next, ..])
            {
                return [];
            }

            rank = next;
        }

        return path[path.IndexOf(rank)..];
    }
}
