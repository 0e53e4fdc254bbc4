namespace Parquet.Encodings;

/// <summary>Decodes RLE_DICTIONARY pages: a byte with the bit width, then indices into the dictionary as hybrid runs.</summary>
internal static class DictionaryDecoder
{
    private const int WidestIndex = 32;
    private const int ChunkLength = 512;

    public static void Decode<T>(ReadOnlySpan<byte> data, ReadOnlySpan<T> dictionary, Span<T> target)
    {
        if (data.IsEmpty || data[0] > WidestIndex)
        {
            throw new DecodeException(data.IsEmpty ? "no dictionary indices" : $"dictionary indices of {data[0]} bits");
        }

        if (data[0] == 0)
        {
            target.Fill(Entry(dictionary, 0));
            return;
        }

        Span<int> indices = stackalloc int[ChunkLength];
        var runs = new HybridRuns(data[1..], data[0]);
        while (target.Length > 0)
        {
            runs.Next();
            var part = target[..(int)Math.Min(runs.Count, target.Length)];
            if (runs.IsRepeated)
            {
                if (part.Length > 0)
                {
                    part.Fill(Entry(dictionary, runs.Value));
                }
            }
            else
            {
                DecodePacked(runs.Packed, data[0], dictionary, part, indices);
            }

            target = target[part.Length..];
        }
    }

    private static void DecodePacked<T>(
        ReadOnlySpan<byte> packed, int width, ReadOnlySpan<T> dictionary, Span<T> target, Span<int> indices)
    {
        for (var at = 0; at < target.Length; at += ChunkLength)
        {
            // ChunkLength values of any width end on a whole byte.
            var count = Math.Min(ChunkLength, target.Length - at);
            BitUnpacker.Unpack(packed[(int)((long)at * width / 8)..], width, indices[..count]);
            var part = target.Slice(at, count);
            for (var i = 0; i < part.Length; i++)
            {
                var index = (uint)indices[i];
                if (index >= (uint)dictionary.Length)
                {
                    throw OutOfRange(index, dictionary.Length);
                }

                part[i] = dictionary[(int)index];
            }
        }
    }

    private static T Entry<T>(ReadOnlySpan<T> dictionary, uint index)
        => index < (uint)dictionary.Length ? dictionary[(int)index] : throw OutOfRange(index, dictionary.Length);

    private static DecodeException OutOfRange(uint index, int entryCount)
        => new($"dictionary index {index} where the dictionary has {entryCount} entries");
}
