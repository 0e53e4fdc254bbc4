namespace KvShiftScale.Trainer.Liveness;

/// <summary>A rank as another one sees it.</summary>
/// <param name="Heartbeat">Its newest heartbeat, or its answer.</param>
/// <param name="SilentSeconds">How much older its heartbeat is than the looking rank's own, by the clock of the file system.</param>
/// <param name="IsSilent">It has given no sign of life for long enough to be taken for stopped.</param>
internal sealed record RankView(Heartbeat Heartbeat, double SilentSeconds, bool IsSilent)
{
    public int Rank => Heartbeat.Rank;

    /// <summary>It does not get on.</summary>
    public bool IsStill => IsSilent || Heartbeat.IsOverdue;
}
