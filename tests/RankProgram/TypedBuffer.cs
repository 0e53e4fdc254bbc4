using System.Buffers.Binary;
using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.RankProgram;

/// <summary>Unmanaged memory of any element type, seen as float64. Values have to be exact in the type.</summary>
internal sealed unsafe class TypedBuffer : IDisposable
{
    private readonly CollectiveDataType _type;
    private readonly int _elementBytes;
    private readonly byte* _memory;

    public TypedBuffer(CollectiveDataType type, int elementCount)
    {
        _type = type;
        _elementBytes = type switch
        {
            CollectiveDataType.BFloat16 => 2,
            CollectiveDataType.Float32 or CollectiveDataType.Int32 => 4,
            _ => 8,
        };
        ElementCount = elementCount;
        _memory = (byte*)NativeMemory.AllocZeroed((nuint)elementCount + 1, (nuint)_elementBytes);
    }

    public TypedBuffer(CollectiveDataType type, int elementCount, Func<int, double> value)
        : this(type, elementCount)
    {
        for (var i = 0; i < elementCount; i++)
        {
            this[i] = value(i);
        }
    }

    public int ElementCount { get; }

    public nint Address => AddressOf(0);

    public double[] Values => [.. Enumerable.Range(0, ElementCount).Select(i => this[i])];

    private double this[int index]
    {
        get
        {
            var bytes = new ReadOnlySpan<byte>(_memory + index * _elementBytes, _elementBytes);
            return _type switch
            {
                CollectiveDataType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes),
                CollectiveDataType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
                CollectiveDataType.BFloat16 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(bytes) << 16),
                CollectiveDataType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
                _ => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            };
        }

        set
        {
            var bytes = new Span<byte>(_memory + index * _elementBytes, _elementBytes);
            switch (_type)
            {
                case CollectiveDataType.Float32:
                    BinaryPrimitives.WriteSingleLittleEndian(bytes, (float)value);
                    break;
                case CollectiveDataType.Float64:
                    BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
                    break;
                case CollectiveDataType.BFloat16:
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)(BitConverter.SingleToInt32Bits((float)value) >> 16));
                    break;
                case CollectiveDataType.Int32:
                    BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)value);
                    break;
                default:
                    BinaryPrimitives.WriteInt64LittleEndian(bytes, (long)value);
                    break;
            }

            Expect.Equal(value, this[index], $"value kept as {_type}");
        }
    }

    public nint AddressOf(int index) => (nint)(_memory + index * _elementBytes);

    public void Dispose() => NativeMemory.Free(_memory);
}
