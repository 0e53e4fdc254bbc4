namespace KvShiftScale.Trainer.Liveness;

/// <summary>Where a rank runs.</summary>
internal sealed record RankAddress(int Rank, string Host, int ProcessId);
