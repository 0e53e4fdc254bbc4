using System.Buffers;
using System.Text;

namespace Parquet.Thrift;

/// <summary>Writes the Thrift compact protocol into a buffer.</summary>
internal sealed class CompactWriter(ArrayBufferWriter<byte> output)
{
    private readonly Stack<int> _outerIds = new();
    private int _lastId;

    public void BeginStruct()
    {
        _outerIds.Push(_lastId);
        _lastId = 0;
    }

    public void EndStruct()
    {
        WriteByte(0);
        _lastId = _outerIds.Pop();
    }

    public void BeginStruct(int id)
    {
        WriteHead(id, ThriftType.Struct);
        BeginStruct();
    }

    public void BeginList(int id, ThriftType elementType, int count)
    {
        WriteHead(id, ThriftType.List);
        WriteByte((byte)((Math.Min(count, 15) << 4) | (int)elementType));
        if (count >= 15)
        {
            WriteVarint((ulong)count);
        }
    }

    public void Bool(int id, bool value) => WriteHead(id, value ? ThriftType.True : ThriftType.False);

    public void Byte(int id, int value)
    {
        WriteHead(id, ThriftType.Byte);
        WriteByte((byte)value);
    }

    public void Int16(int id, short value)
    {
        WriteHead(id, ThriftType.Int16);
        WriteZigZag(value);
    }

    public void Int32(int id, int value)
    {
        WriteHead(id, ThriftType.Int32);
        WriteZigZag(value);
    }

    public void Int64(int id, long value)
    {
        WriteHead(id, ThriftType.Int64);
        WriteZigZag(value);
    }

    public void Binary(int id, ReadOnlySpan<byte> value)
    {
        WriteHead(id, ThriftType.Binary);
        WriteBinary(value);
    }

    public void String(int id, string value)
    {
        WriteHead(id, ThriftType.Binary);
        StringElement(value);
    }

    public void StringElement(string value) => WriteBinary(Encoding.UTF8.GetBytes(value));

    public void Int32Element(int value) => WriteZigZag(value);

    private void WriteHead(int id, ThriftType type)
    {
        var step = id - _lastId;
        if (step is > 0 and < 16)
        {
            WriteByte((byte)((step << 4) | (int)type));
        }
        else
        {
            WriteByte((byte)type);
            WriteZigZag(id);
        }

        _lastId = id;
    }

    private void WriteBinary(ReadOnlySpan<byte> value)
    {
        WriteVarint((ulong)value.Length);
        output.Write(value);
    }

    private void WriteZigZag(long value) => WriteVarint((ulong)((value << 1) ^ (value >> 63)));

    private void WriteVarint(ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            WriteByte((byte)(value | 0x80));
        }

        WriteByte((byte)value);
    }

    private void WriteByte(byte value)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }
}
