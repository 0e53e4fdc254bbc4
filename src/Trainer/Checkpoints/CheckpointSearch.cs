namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>What a search for a checkpoint to go on from found.</summary>
/// <param name="Newest">The newest good one; null when there is none.</param>
/// <param name="Rejected">Newer ones that are not good, from the newest to the oldest.</param>
public sealed record CheckpointSearch(Checkpoint? Newest, IReadOnlyList<RejectedCheckpoint> Rejected);
