using System.Buffers;
using System.Buffers.Binary;

namespace Parquet.Encodings;

/// <summary>Packs integers of a fixed bit width, least significant bit first, into whole bytes.</summary>
internal ref struct BitPacker(ArrayBufferWriter<byte> output)
{
    private readonly ArrayBufferWriter<byte> _output = output;
    private ulong _bits;
    private int _bitCount;

    /// <param name="value">Has no bits beyond <paramref name="width"/>.</param>
    public void Add(ulong value, int width)
    {
        _bits |= value << _bitCount;
        if (_bitCount + width < 64)
        {
            _bitCount += width;
            return;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(_output.GetSpan(8), _bits);
        _output.Advance(8);
        _bits = _bitCount == 0 ? 0 : value >> (64 - _bitCount);
        _bitCount = _bitCount + width - 64;
    }

    /// <summary>Writes what is left, the last byte filled up with zeros.</summary>
    public void Flush()
    {
        for (; _bitCount > 0; _bitCount -= 8)
        {
            _output.GetSpan(1)[0] = (byte)_bits;
            _output.Advance(1);
            _bits >>= 8;
        }

        _bitCount = 0;
        _bits = 0;
    }
}
