using System.Buffers.Binary;
using System.Text;

namespace KvShiftScale.Data.Shards.Format;

/// <summary>
/// Walks through the Thrift compact protocol, in which Parquet's footers and page headers are written: every length is held against what
/// is left before it is used, and nesting is limited. Source: thrift-compact-protocol.md of Apache Thrift.
/// </summary>
internal ref struct ThriftReader(ReadOnlySpan<byte> data)
{
    private const int DeepestNesting = 32;

    private readonly ReadOnlySpan<byte> _data = data;

    /// <summary>Types as they stand before a field or a list.</summary>
    public enum Kind
    {
        Stop,
        True,
        False,
        Byte,
        Int16,
        Int32,
        Int64,
        Double,
        Binary,
        List,
        Set,
        Map,
        Struct,
        Uuid,
    }

    /// <summary>Bytes consumed so far.</summary>
    public int Position { get; private set; }

    private readonly int Remaining => _data.Length - Position;

    /// <summary>Moves to the next field of a struct whose previous field was <paramref name="id"/>, 0 at first; false at its end.</summary>
    public bool Next(ref int id, out Kind kind)
    {
        var head = ReadByte();
        kind = (Kind)(head & 0x0F);
        if (kind == Kind.Stop)
        {
            return false;
        }

        var step = head >> 4;
        id = step != 0 ? id + step : (short)ReadZigZag(32);
        return true;
    }

    public int Int32(int id, Kind kind)
    {
        Expect(id, kind, Kind.Int32);
        return (int)ReadZigZag(32);
    }

    public long Int64(int id, Kind kind)
    {
        Expect(id, kind, Kind.Int64);
        return ReadZigZag(64);
    }

    public long Int64Element() => ReadZigZag(64);

    public readonly bool Bool(int id, Kind kind)
    {
        Expect(id, kind == Kind.False ? Kind.True : kind, Kind.True);
        return kind == Kind.True;
    }

    public string String(int id, Kind kind)
    {
        Expect(id, kind, Kind.Binary);
        return Encoding.UTF8.GetString(ReadBinary());
    }

    /// <summary>A number of 4 or 8 bytes, little-endian and signed, in a field of bytes; null where they are fewer or more.</summary>
    public long? Number(int id, Kind kind)
    {
        Expect(id, kind, Kind.Binary);
        var bytes = ReadBinary();
        return bytes.Length switch
        {
            sizeof(int) => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            sizeof(long) => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            _ => null,
        };
    }

    /// <summary>Opens a struct field; its members follow until <see cref="Next"/> says false.</summary>
    public readonly void Struct(int id, Kind kind) => Expect(id, kind, Kind.Struct);

    /// <summary>Opens a list and returns its number of elements, which is at most the number of bytes that are left.</summary>
    public int List(int id, Kind kind, Kind elements)
    {
        Expect(id, kind, Kind.List);
        var count = ReadListHeader(out var found);
        return found == elements || count == 0 ? count : throw new InvalidDataException($"field {id} is a list of {found}, not of {elements}");
    }

    /// <summary>Passes over a field of any type.</summary>
    public void Skip(Kind kind) => Skip(kind, 0);

    private static void Expect(int id, Kind found, Kind wanted)
    {
        if (found != wanted)
        {
            throw new InvalidDataException($"field {id} has type {found}, not {wanted}");
        }
    }

    private void Skip(Kind kind, int depth)
    {
        if (depth > DeepestNesting)
        {
            throw new InvalidDataException($"structures nested deeper than {DeepestNesting}");
        }

        switch (kind)
        {
            case Kind.True or Kind.False:
                break;
            case Kind.Byte:
                Advance(1);
                break;
            case Kind.Int16 or Kind.Int32 or Kind.Int64:
                ReadVarint(64);
                break;
            case Kind.Double:
                Advance(8);
                break;
            case Kind.Binary:
                ReadBinary();
                break;
            case Kind.Uuid:
                Advance(16);
                break;
            case Kind.Struct:
                for (var id = 0; Next(ref id, out var member);)
                {
                    Skip(member, depth + 1);
                }

                break;
            case Kind.List or Kind.Set:
                for (var left = ReadListHeader(out var elements); left > 0; left--)
                {
                    SkipElement(elements, depth);
                }

                break;
            case Kind.Map:
                SkipMap(depth);
                break;
            default:
                throw new InvalidDataException($"unknown field type {(int)kind}");
        }
    }

    // A bool takes a byte as an element, none as a field.
    private void SkipElement(Kind kind, int depth) => Skip(kind is Kind.True or Kind.False ? Kind.Byte : kind, depth + 1);

    private void SkipMap(int depth)
    {
        var left = Count(ReadVarint(32));
        if (left == 0)
        {
            return;
        }

        for (var kinds = ReadByte(); left > 0; left--)
        {
            SkipElement((Kind)(kinds >> 4), depth);
            SkipElement((Kind)(kinds & 0x0F), depth);
        }
    }

    private int ReadListHeader(out Kind elements)
    {
        var head = ReadByte();
        elements = (Kind)(head & 0x0F);
        var count = head >> 4;
        return Count(count != 15 ? (ulong)count : ReadVarint(32));
    }

    // An element takes at least one byte, so a count beyond what is left is wrong.
    private readonly int Count(ulong count)
        => count <= (ulong)Remaining ? (int)count : throw new InvalidDataException($"{count} elements announced with {Remaining} bytes left");

    private ReadOnlySpan<byte> ReadBinary()
    {
        var length = ReadVarint(32);
        if (length > (ulong)Remaining)
        {
            throw new InvalidDataException($"{length} bytes announced with {Remaining} left");
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

    private void Advance(int count)
    {
        if (count > Remaining)
        {
            throw new InvalidDataException($"the data ends after {_data.Length} bytes");
        }

        Position += count;
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
                return bits == 64 || value >> bits == 0 ? value : throw new InvalidDataException($"an integer of more than {bits} bits");
            }
        }

        throw new InvalidDataException($"an integer of more than {bits} bits");
    }
}
