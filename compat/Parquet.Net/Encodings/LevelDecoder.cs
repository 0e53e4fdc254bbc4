using System.Numerics;

namespace Parquet.Encodings;

/// <summary>Decodes repetition and definition levels.</summary>
internal static class LevelDecoder
{
    /// <summary>Bits that a level up to <paramref name="maxLevel"/> takes.</summary>
    public static int BitWidth(int maxLevel) => 32 - BitOperations.LeadingZeroCount((uint)maxLevel);

    /// <summary>Fills <paramref name="target"/>; a level above <paramref name="maxLevel"/> is refused.</summary>
    public static void Decode(ReadOnlySpan<byte> data, int maxLevel, Span<int> target)
    {
        var width = BitWidth(maxLevel);
        var runs = new HybridRuns(data, width);
        while (target.Length > 0)
        {
            runs.Next();
            var part = target[..(int)Math.Min(runs.Count, target.Length)];
            if (runs.IsRepeated)
            {
                RequireAtMost(runs.Value, maxLevel);
                part.Fill((int)runs.Value);
            }
            else
            {
                BitUnpacker.Unpack(runs.Packed, width, part);
                if (maxLevel != (1 << width) - 1 && part.ContainsAnyExceptInRange(0, maxLevel))
                {
                    throw new DecodeException($"a level above the column's highest, {maxLevel}");
                }
            }

            target = target[part.Length..];
        }
    }

    /// <summary>Refuses data that holds fewer than <paramref name="count"/> levels, without setting memory aside for them.</summary>
    public static void RequireCount(ReadOnlySpan<byte> data, int maxLevel, int count)
    {
        var runs = new HybridRuns(data, BitWidth(maxLevel));
        for (long found = 0; found < count; found += runs.Count)
        {
            runs.Next();
        }
    }

    private static void RequireAtMost(uint level, int maxLevel)
    {
        if (level > (uint)maxLevel)
        {
            throw new DecodeException($"level {level} where the column's highest is {maxLevel}");
        }
    }
}
