namespace KvShiftScale.Parallel.Collectives;

/// <summary>One collective as a rank has recorded it.</summary>
/// <param name="Number">Its number among all collectives of this process, from 1.</param>
/// <param name="Group">Name and members of the group.</param>
/// <param name="Sequence">Its number among the collectives of the group, from 1; the same on all its ranks.</param>
/// <param name="Call">What was asked for.</param>
/// <param name="State">How far it has come.</param>
/// <param name="BeganAt"><see cref="System.Diagnostics.Stopwatch.GetTimestamp"/> when it began.</param>
/// <param name="ChangedAt">The same for the last change of <paramref name="State"/>.</param>
public readonly record struct CollectiveEntry(long Number, GroupIdentity Group, long Sequence, CollectiveCall Call, CollectiveState State, long BeganAt,
    long ChangedAt)
{
    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"{Call} #{Sequence} in {Group} at {Call.Site}");
}
