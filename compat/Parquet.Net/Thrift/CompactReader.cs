using System.Text;

namespace Parquet.Thrift;

/// <summary>
/// Reads the Thrift compact protocol from bytes that nobody vouches for: every length is held against what is left before it is
/// used, and nesting is limited.
/// </summary>
internal ref struct CompactReader(ReadOnlySpan<byte> data)
{
    private const int DeepestNesting = 32;

    private readonly ReadOnlySpan<byte> _data = data;

    /// <summary>Bytes consumed so far.</summary>
    public int Position { get; private set; }

    private readonly int Remaining => _data.Length - Position;

    /// <summary>Moves to the next field of a struct whose previous field had the id <paramref name="lastId"/>; false at its end.</summary>
    public bool NextField(ref int lastId, out ThriftField field)
    {
        var head = ReadByte();
        var type = (ThriftType)(head & 0x0F);
        if (type == ThriftType.Stop)
        {
            field = default;
            return false;
        }

        var step = head >> 4;
        lastId = step != 0 ? lastId + step : (short)ReadZigZag(32);
        field = new ThriftField(lastId, type);
        return true;
    }

    public readonly bool Bool(ThriftField field) => field.Type switch
    {
        ThriftType.True => true,
        ThriftType.False => false,
        _ => throw Mismatch(field, ThriftType.True),
    };

    public int Byte(ThriftField field)
    {
        Expect(field, ThriftType.Byte);
        return (sbyte)ReadByte();
    }

    public short Int16(ThriftField field)
    {
        Expect(field, ThriftType.Int16);
        return (short)ReadZigZag(32);
    }

    public int Int32(ThriftField field)
    {
        Expect(field, ThriftType.Int32);
        return (int)ReadZigZag(32);
    }

    public long Int64(ThriftField field)
    {
        Expect(field, ThriftType.Int64);
        return ReadZigZag(64);
    }

    public byte[] Binary(ThriftField field)
    {
        Expect(field, ThriftType.Binary);
        return ReadBinary().ToArray();
    }

    public string String(ThriftField field)
    {
        Expect(field, ThriftType.Binary);
        return StringElement();
    }

    public string StringElement() => Encoding.UTF8.GetString(ReadBinary());

    public int Int32Element() => (int)ReadZigZag(32);

    public long Int64Element() => ReadZigZag(64);

    /// <summary>Opens a struct field; its members follow until <see cref="NextField"/> says false.</summary>
    public readonly void Struct(ThriftField field) => Expect(field, ThriftType.Struct);

    /// <summary>Opens a list and returns its number of elements, at most the bytes that are left.</summary>
    public int List(ThriftField field, ThriftType elementType)
    {
        Expect(field, ThriftType.List);
        var count = ReadListHeader(out var found);
        return found == elementType || count == 0
            ? count
            : throw new DecodeException($"field {field.Id} is a list of {found}, not of {elementType}");
    }

    /// <summary>Passes over a field of any type.</summary>
    public void Skip(ThriftField field) => Skip(field.Type, 0);

    private void Skip(ThriftType type, int depth)
    {
        if (depth > DeepestNesting)
        {
            throw new DecodeException($"structures nested deeper than {DeepestNesting}");
        }

        switch (type)
        {
            case ThriftType.True or ThriftType.False:
                break;
            case ThriftType.Byte:
                Advance(1);
                break;
            case ThriftType.Int16 or ThriftType.Int32 or ThriftType.Int64:
                ReadVarint(64);
                break;
            case ThriftType.Double:
                Advance(8);
                break;
            case ThriftType.Binary:
                ReadBinary();
                break;
            case ThriftType.Uuid:
                Advance(16);
                break;
            case ThriftType.Struct:
                for (var lastId = 0; NextField(ref lastId, out var field);)
                {
                    Skip(field.Type, depth + 1);
                }

                break;
            case ThriftType.List or ThriftType.Set:
                SkipElements(ReadListHeader(out var elementType), elementType, depth);
                break;
            case ThriftType.Map:
                SkipMap(depth);
                break;
            default:
                throw new DecodeException($"unknown field type {(int)type}");
        }
    }

    private void SkipElements(int count, ThriftType type, int depth)
    {
        for (var i = 0; i < count; i++)
        {
            SkipElement(type, depth);
        }
    }

    // A bool takes a byte as an element, none as a field.
    private void SkipElement(ThriftType type, int depth)
        => Skip(type is ThriftType.True or ThriftType.False ? ThriftType.Byte : type, depth + 1);

    private void SkipMap(int depth)
    {
        var count = Count(ReadVarint(32));
        if (count == 0)
        {
            return;
        }

        var types = ReadByte();
        for (var i = 0; i < count; i++)
        {
            SkipElement((ThriftType)(types >> 4), depth);
            SkipElement((ThriftType)(types & 0x0F), depth);
        }
    }

    private int ReadListHeader(out ThriftType elementType)
    {
        var head = ReadByte();
        elementType = (ThriftType)(head & 0x0F);
        var count = head >> 4;
        return Count(count != 15 ? (ulong)count : ReadVarint(32));
    }

    // An element takes at least one byte, so a count beyond what is left is wrong, or its elements are yet to be read.
    private readonly int Count(ulong count) => count <= (ulong)Remaining
        ? (int)count
        : throw new DecodeException($"{count} elements announced with {Remaining} bytes left") { NeedsMoreData = true };

    private ReadOnlySpan<byte> ReadBinary()
    {
        var length = ReadVarint(32);
        if (length > (ulong)Remaining)
        {
            throw new DecodeException($"{length} bytes announced with {Remaining} left") { NeedsMoreData = true };
        }

        var bytes = _data.Slice(Position, (int)length);
        Position += (int)length;
        return bytes;
    }

    private byte ReadByte()
    {
        Advance(1);
        return _data[Position - 1];
    }

    private void Advance(int byteCount)
    {
        if (byteCount > Remaining)
        {
            throw new DecodeException($"the data ends after {_data.Length} bytes") { NeedsMoreData = true };
        }

        Position += byteCount;
    }

    private long ReadZigZag(int bits)
    {
        var raw = ReadVarint(bits);
        return (long)(raw >> 1) ^ -(long)(raw & 1);
    }

    private ulong ReadVarint(int bits)
    {
        var value = 0UL;
        for (var shift = 0; shift < bits; shift += 7)
        {
            var next = ReadByte();
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return bits == 64 || value >> bits == 0
                    ? value
                    : throw new DecodeException($"an integer of more than {bits} bits");
            }
        }

        throw new DecodeException($"an integer of more than {bits} bits");
    }

    private static void Expect(ThriftField field, ThriftType type)
    {
        if (field.Type != type)
        {
            throw Mismatch(field, type);
        }
    }

    private static DecodeException Mismatch(ThriftField field, ThriftType wanted)
        => new($"field {field.Id} has type {field.Type}, not {wanted}");
}
