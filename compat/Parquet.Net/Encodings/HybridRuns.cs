namespace Parquet.Encodings;

/// <summary>Walks the runs of the RLE / bit-packed hybrid, the encoding of levels and of dictionary indices.</summary>
internal ref struct HybridRuns(ReadOnlySpan<byte> data, int bitWidth)
{
    private readonly ReadOnlySpan<byte> _data = data;
    private readonly int _bitWidth = bitWidth;
    private int _position;

    /// <summary>Values of the current run. A packed run is padded to a multiple of 8, so it may hold more than are wanted.</summary>
    public long Count { get; private set; }

    /// <summary>The current run is one value, <see cref="Value"/>, over and over; otherwise it is <see cref="Packed"/>.</summary>
    public bool IsRepeated { get; private set; }

    public uint Value { get; private set; }

    public ReadOnlySpan<byte> Packed { get; private set; }

    /// <summary>Moves to the next run.</summary>
    public void Next()
    {
        var header = ReadHeader();
        IsRepeated = (header & 1) == 0;
        if (IsRepeated)
        {
            Count = header >> 1;
            Value = ReadValue();
            return;
        }

        // Some writers leave out the padding of the last run.
        var byteCount = Math.Min((header >> 1) * (long)_bitWidth, _data.Length - _position);
        Packed = _data.Slice(_position, (int)byteCount);
        Count = _bitWidth == 0 ? (header >> 1) * 8L : byteCount * 8 / _bitWidth;
        _position += (int)byteCount;
    }

    private uint ReadHeader()
    {
        var header = 0u;
        for (var shift = 0; shift < 35; shift += 7)
        {
            if (_position == _data.Length)
            {
                throw new DecodeException("the run-length data ends too early");
            }

            var next = _data[_position++];
            header |= (uint)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return header;
            }
        }

        throw new DecodeException("a run-length header of more than 32 bits");
    }

    private uint ReadValue()
    {
        var byteCount = (_bitWidth + 7) / 8;
        if (byteCount > _data.Length - _position)
        {
            throw new DecodeException("the run-length data ends inside a run");
        }

        var value = 0u;
        for (var i = 0; i < byteCount; i++)
        {
            value |= (uint)_data[_position++] << (8 * i);
        }

        return value;
    }
}
