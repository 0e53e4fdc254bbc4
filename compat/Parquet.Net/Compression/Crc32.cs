using System.Buffers.Binary;

namespace Parquet.Compression;

/// <summary>CRC-32 with the polynomial of gzip, eight bytes at a time.</summary>
internal static class Crc32
{
    private const uint ReversedPolynomial = 0xEDB88320;
    private const int Slices = 8;

    // Entry [slice * 256 + b]: the remainder of byte b followed by `slice` zero bytes.
    private static readonly uint[] _remainders = BuildRemainders();

    public static uint Compute(ReadOnlySpan<byte> data)
    {
        var table = _remainders;
        var crc = uint.MaxValue;
        for (; data.Length >= Slices; data = data[Slices..])
        {
            var low = crc ^ BinaryPrimitives.ReadUInt32LittleEndian(data);
            var high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            crc = table[(7 * 256) + (byte)low] ^ table[(6 * 256) + (byte)(low >> 8)]
                ^ table[(5 * 256) + (byte)(low >> 16)] ^ table[(4 * 256) + (low >> 24)]
                ^ table[(3 * 256) + (byte)high] ^ table[(2 * 256) + (byte)(high >> 8)]
                ^ table[256 + (byte)(high >> 16)] ^ table[high >> 24];
        }

        foreach (var next in data)
        {
            crc = table[(byte)(crc ^ next)] ^ (crc >> 8);
        }

        return ~crc;
    }

    private static uint[] BuildRemainders()
    {
        var table = new uint[Slices * 256];
        for (var value = 0u; value < 256; value++)
        {
            var remainder = value;
            for (var bit = 0; bit < 8; bit++)
            {
                remainder = (remainder & 1) != 0 ? (remainder >> 1) ^ ReversedPolynomial : remainder >> 1;
            }

            table[value] = remainder;
        }

        for (var i = 256; i < table.Length; i++)
        {
            table[i] = table[(byte)table[i - 256]] ^ (table[i - 256] >> 8);
        }

        return table;
    }
}
