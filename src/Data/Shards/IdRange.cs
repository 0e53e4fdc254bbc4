namespace KvShiftScale.Data.Shards;

/// <summary>The ids of a row group as its footer states them.</summary>
/// <param name="Smallest">The smallest id.</param>
/// <param name="Largest">The largest id.</param>
public readonly record struct IdRange(long Smallest, long Largest);
