using Google.Protobuf;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>A protocol-buffers message read without its schema: field numbers to values.</summary>
internal sealed class ProtobufMessage
{
    private readonly List<(int Field, ulong Number, ByteString Bytes)> _fields = [];

    public ProtobufMessage(ByteString bytes)
    {
        var input = bytes.CreateCodedInput();
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            var field = WireFormat.GetTagFieldNumber(tag);
            _fields.Add(WireFormat.GetTagWireType(tag) switch
            {
                WireFormat.WireType.Varint => (field, input.ReadUInt64(), ByteString.Empty),
                WireFormat.WireType.Fixed64 => (field, input.ReadFixed64(), ByteString.Empty),
                WireFormat.WireType.Fixed32 => (field, input.ReadFixed32(), ByteString.Empty),
                _ => (field, 0UL, input.ReadBytes()),
            });
        }
    }

    public bool Has(int field) => _fields.Any(candidate => candidate.Field == field);

    public string Text(int field) => _fields.Single(candidate => candidate.Field == field).Bytes.ToStringUtf8();

    public ulong Number(int field) => _fields.Single(candidate => candidate.Field == field).Number;

    public double Double(int field) => BitConverter.UInt64BitsToDouble(Number(field));

    /// <summary>A repeated number of variable length, packed.</summary>
    public IReadOnlyList<ulong> Varints(int field)
    {
        var numbers = new List<ulong>();
        foreach (var (_, _, bytes) in _fields.Where(candidate => candidate.Field == field))
        {
            var input = bytes.CreateCodedInput();
            while (!input.IsAtEnd)
            {
                numbers.Add(input.ReadUInt64());
            }
        }

        return numbers;
    }

    /// <summary>A repeated number of eight bytes, packed.</summary>
    public IReadOnlyList<ulong> Fixed64s(int field)
    {
        var numbers = new List<ulong>();
        foreach (var (_, _, bytes) in _fields.Where(candidate => candidate.Field == field))
        {
            var input = bytes.CreateCodedInput();
            while (!input.IsAtEnd)
            {
                numbers.Add(input.ReadFixed64());
            }
        }

        return numbers;
    }

    public IReadOnlyList<double> Doubles(int field) => [.. Fixed64s(field).Select(BitConverter.UInt64BitsToDouble)];

    public IEnumerable<ProtobufMessage> Messages(int field) =>
        _fields.Where(candidate => candidate.Field == field).Select(candidate => new ProtobufMessage(candidate.Bytes));
}
