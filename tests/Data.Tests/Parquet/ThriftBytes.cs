namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Writes footers that no program would, in the Thrift compact protocol; a structure's fields in ascending order.</summary>
internal sealed class ThriftBytes
{
    private readonly List<byte> _bytes = [];
    private int _lastId;

    /// <summary>The structure so far, closed.</summary>
    public byte[] Closed => [.. _bytes, 0];

    public ThriftBytes Int32(int id, int value) => Field(id, 5).Varint((uint)((value << 1) ^ (value >> 31)));

    public ThriftBytes Int64(int id, long value) => Field(id, 6).Varint((ulong)((value << 1) ^ (value >> 63)));

    public ThriftBytes Text(int id, string text)
    {
        Field(id, 8).Varint((ulong)text.Length);
        _bytes.AddRange(System.Text.Encoding.ASCII.GetBytes(text));
        return this;
    }

    public ThriftBytes Struct(int id, ThriftBytes value)
    {
        Field(id, 12);
        _bytes.AddRange(value.Closed);
        return this;
    }

    /// <param name="id">The field.</param>
    /// <param name="count">What the list says of itself.</param>
    /// <param name="elements">What it has.</param>
    public ThriftBytes Structs(int id, int count, params IEnumerable<ThriftBytes> elements)
    {
        Field(id, 9);
        _bytes.Add(0xFC);
        Varint((ulong)count);
        foreach (var element in elements)
        {
            _bytes.AddRange(element.Closed);
        }

        return this;
    }

    private ThriftBytes Field(int id, int type)
    {
        _bytes.Add((byte)(((id - _lastId) << 4) | type));
        _lastId = id;
        return this;
    }

    private ThriftBytes Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            _bytes.Add((byte)(value | 0x80));
        }

        _bytes.Add((byte)value);
        return this;
    }
}
