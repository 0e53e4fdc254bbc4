using System.Diagnostics;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Trainer.Liveness;

/// <summary>A collective in a heartbeat.</summary>
/// <param name="Group">Name and members of the group.</param>
/// <param name="Members">The members.</param>
/// <param name="Sequence">Number in the group.</param>
/// <param name="Call">Operation, count and type.</param>
/// <param name="Site">Place in the sources.</param>
/// <param name="State">running, started or ended.</param>
/// <param name="Seconds">How long ago that began.</param>
/// <param name="IsMessage">It is of two ranks, which call different things.</param>
internal sealed record HeartbeatCollective(string Group, IReadOnlyList<int> Members, long Sequence, string Call, string Site, string State,
    double Seconds, bool IsMessage = false)
{
    /// <summary>The state of a collective that the rank is inside of.</summary>
    public const string RunningState = "running";

    public static HeartbeatCollective Of(CollectiveEntry entry)
        => new($"{entry.Group}", entry.Group.Members, entry.Sequence, $"{entry.Call}", entry.Call.Site,
        entry.State.ToString().ToLowerInvariant(), Math.Round(Stopwatch.GetElapsedTime(entry.ChangedAt).TotalSeconds, 3), entry.Call.IsMessage);

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"{Call} #{Sequence} in {Group} at {Site}");
}
