namespace KvShiftScale.Data.Shards.Format;

/// <summary>Extremes of a column chunk as its statistics have them, every number as a signed one.</summary>
/// <param name="Smallest">By the order of the column's type.</param>
/// <param name="Largest">By the order of the column's type.</param>
/// <param name="OlderSmallest">By an order that older writers took to be that of signed numbers.</param>
/// <param name="OlderLargest">By the same order.</param>
internal readonly record struct StatedBounds(long? Smallest, long? Largest, long? OlderSmallest, long? OlderLargest);
