using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>How the parameters of one bucket are reduced, counted and updated.</summary>
/// <param name="WeightDecay">The optimizer decays them.</param>
/// <param name="PartialOver">Ranks over which their gradients are summed before the replicas'; null: none.</param>
/// <param name="IsPrimary">This rank's copy counts in norms and is saved.</param>
/// <param name="Chunk">The part of the rank's layers whose backward gives their gradients, where each part has a backward of its own.</param>
public sealed record BucketTraits(bool WeightDecay, ProcessGroup? PartialOver, bool IsPrimary, int Chunk);
