using System.Buffers;

namespace Parquet.Encodings;

/// <summary>Writes the RLE / bit-packed hybrid: runs of eight or more as a count and a value, everything between them bit-packed.</summary>
internal static class HybridEncoder
{
    // Bit-packed runs come in groups of this many values, so other runs begin at multiples of it.
    private const int GroupLength = 8;

    /// <param name="values">Each from 0 to 2^<paramref name="width"/> - 1.</param>
    public static void Encode(ReadOnlySpan<int> values, int width, ArrayBufferWriter<byte> output)
    {
        var packedFrom = 0;
        var at = 0;
        while (at < values.Length)
        {
            var run = values[at..].IndexOfAnyExcept(values[at]);
            run = run < 0 ? values.Length - at : run;
            if (run < GroupLength)
            {
                at = Math.Min(values.Length, at + GroupLength);
                continue;
            }

            WritePacked(values[packedFrom..at], width, output);
            WriteRepeated(values[at], run, width, output);
            at += run;
            packedFrom = at;
        }

        WritePacked(values[packedFrom..], width, output);
    }

    private static void WriteRepeated(int value, int count, int width, ArrayBufferWriter<byte> output)
    {
        Varint.Write((ulong)count << 1, output);
        for (var bit = 0; bit < width; bit += 8)
        {
            Varint.WriteByte((byte)(value >> bit), output);
        }
    }

    private static void WritePacked(ReadOnlySpan<int> values, int width, ArrayBufferWriter<byte> output)
    {
        if (values.IsEmpty)
        {
            return;
        }

        var groups = (values.Length + GroupLength - 1) / GroupLength;
        Varint.Write(((ulong)groups << 1) | 1, output);
        var packer = new BitPacker(output);
        foreach (var value in values)
        {
            packer.Add((uint)value, width);
        }

        for (var i = values.Length; i < groups * GroupLength; i++)
        {
            packer.Add(0, width);
        }

        packer.Flush();
    }
}
