namespace KvShiftScale.Data.Shards.Format;

/// <summary>Extremes of a column chunk as its statistics have them, every number as a signed one.</summary>
/// <param name="Smallest">By the order of the column's type.</param>
/// <param name="Largest">By the order of the column's type.</param>
/// <param name="OlderSmallest">By an order that older writers took to be that of signed numbers.</param>
/// <param name="OlderLargest">By the same order.</param>
internal readonly record struct StatedBounds(long? Smallest, long? Largest, long? OlderSmallest, long? OlderLargest)
{
    /// <summary>Reads the statistics of a column chunk.</summary>
    /// <param name="reader">Before them.</param>
    /// <param name="bounds">None where a writer has shortened them.</param>
    /// <returns>How many values are null; -1 where it is not said.</returns>
    public static long Read(ref ThriftReader reader, out StatedBounds bounds)
    {
        var nulls = -1L;
        var (smallestIsExact, largestIsExact) = (true, true);
        bounds = default;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    bounds = bounds with { OlderLargest = reader.Number(id, kind) };
                    break;
                case 2:
                    bounds = bounds with { OlderSmallest = reader.Number(id, kind) };
                    break;
                case 3:
                    nulls = reader.Int64(id, kind);
                    break;
                case 5:
                    bounds = bounds with { Largest = reader.Number(id, kind) };
                    break;
                case 6:
                    bounds = bounds with { Smallest = reader.Number(id, kind) };
                    break;
                case 7:
                    largestIsExact = reader.Bool(id, kind);
                    break;
                case 8:
                    smallestIsExact = reader.Bool(id, kind);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        bounds = smallestIsExact && largestIsExact ? bounds : default;
        return nulls;
    }
}
