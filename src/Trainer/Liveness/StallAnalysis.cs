using System.Globalization;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>Who is late, of ranks that do not get on.</summary>
internal static class StallAnalysis
{
    /// <summary>
    /// Whether the launch stands still: a rank is silent, or overdue without waiting for anybody, or all are overdue. A rank that waits for one
    /// that gets on is only waiting.
    /// </summary>
    public static bool IsStalled(IReadOnlyList<RankView> ranks)
        => ranks.Count > 0 && (ranks.Any(rank => rank.IsSilent || (rank.Heartbeat.IsOverdue && !rank.Heartbeat.Running.Any()))
            || ranks.All(rank => rank.IsStill));

    /// <summary>The late ranks with reasons, the surest first; none when all wait in the same collective.</summary>
    public static IReadOnlyList<LateRank> LateOf(IReadOnlyList<RankView> ranks)
    {
        var silent = ranks.Where(rank => rank.IsSilent)
            .Select(rank => new LateRank(rank, string.Create(CultureInfo.InvariantCulture, $"its heartbeat stopped {rank.SilentSeconds:F0} s ago")
                + Awaited(rank, ranks)))
            .ToList();
        if (silent.Count > 0)
        {
            return silent;
        }

        var mismatched = Mismatched(ranks);
        if (mismatched.Count > 0)
        {
            return mismatched;
        }

        var busy = ranks.Where(rank => rank.Heartbeat.IsOverdue && !rank.Heartbeat.Running.Any()).ToList();
        // Of several that have not come, those that others wait for.
        var awaited = busy.Where(rank => WaitersFor(rank, ranks).Any()).ToList();
        if (busy.Count > 0)
        {
            return [.. (awaited.Count > 0 ? awaited : busy)
            .Select(rank => new LateRank(rank, "it is in no collective" + Awaited(rank, ranks)))];
        }
        // Ranks that wait for each other in several collectives: the few that are not where most are, else all of them.
        var entangled = ranks.Where(rank => WaitersFor(rank, ranks).Any()).ToList();
        var crowd = entangled.GroupBy(rank => (rank.Heartbeat.Running.First().Group, rank.Heartbeat.Running.First().Sequence))
            .MaxBy(same => same.Count());
        if (crowd is not null && 2 * crowd.Count() > entangled.Count && crowd.Count() < entangled.Count)
        {
            entangled = [.. entangled.Except(crowd)];
        }

        return [.. entangled.Select(rank => new LateRank(rank, $"it is in {rank.Heartbeat.Running.First()}" + Awaited(rank, ranks)))];
    }

    private static string Awaited(RankView rank, IReadOnlyList<RankView> ranks)
    {
        var waiters = WaitersFor(rank, ranks).ToList();
        if (waiters.Count == 0)
        {
            return "";
        }

        var collective = waiters[0].Collective;
        var numbers = string.Join(", ",
            waiters.Where(waiter => waiter.Collective.Group == collective.Group && waiter.Collective.Sequence == collective.Sequence)
            .Select(waiter => waiter.Rank.ToString(CultureInfo.InvariantCulture)));
        return $", and has not come to {collective}, in which rank {numbers} waits";
    }

    // Members of the rank's groups that are inside a collective which it has not begun.
    private static IEnumerable<(int Rank, HeartbeatCollective Collective)> WaitersFor(RankView rank, IReadOnlyList<RankView> ranks)
        => from other in ranks
           where other.Rank != rank.Rank && !other.IsSilent
           from collective in other.Heartbeat.Running
           where collective.Members.Contains(rank.Rank) && BegunIn(rank, collective.Group) < collective.Sequence
           select (other.Rank, collective);

    private static long BegunIn(RankView rank, string group)
        => rank.Heartbeat.Positions.FirstOrDefault(position => position.Group == group)?.Begun ?? 0;

    // The first collective of a group for which ranks have called different things. Those that differ from most of them are late.
    private static List<LateRank> Mismatched(IReadOnlyList<RankView> ranks)
    {
        var places = from rank in ranks
                     from collective in rank.Heartbeat.Collectives
                     where !collective.IsMessage
                     group (Rank: rank, Collective: collective) by (collective.Group, collective.Sequence) into place
                     where place.Select(call => call.Collective.Call).Distinct().Count() > 1
                     orderby place.Key.Sequence
                     select place.ToList();
        if (places.FirstOrDefault() is not { } first)
        {
            return [];
        }

        var calls = first.GroupBy(call => call.Collective.Call).OrderByDescending(same => same.Count()).ToList();
        var common = calls[0].ToList();
        // Without a majority nobody is right.
        var isTie = calls[1].Count() == common.Count;
        var expected = $"{common[0].Collective}, where rank {string.Join(", ", common.Select(call => call.Rank.Rank))} is";
        return [.. (isTie ? first : first.Except(common)).Select(call => new LateRank(call.Rank,
            $"it called {call.Collective} instead of {(isTie ? Others(call.Rank.Rank) : expected)}"))];

        string Others(int rank) => string.Join(" and ", first.Where(call => call.Rank.Rank != rank)
            .Select(call => $"{call.Collective} of rank {call.Rank.Rank}"));
    }
}
