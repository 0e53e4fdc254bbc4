namespace KvShiftScale.Trainer.Liveness;

/// <summary>A rank that the others wait for, and why that is thought.</summary>
internal sealed record LateRank(RankView View, string Reason);
