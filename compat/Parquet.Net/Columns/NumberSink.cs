using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Parquet.Encodings;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Decodes numbers straight into the caller's memory, one after the other, slots without a value left out.</summary>
internal sealed class NumberSink<T>(Memory<T> target) : ColumnSink
    where T : struct
{
    private readonly FixedWidthDecoder<long>? _eightBytes = Unsafe.SizeOf<T>() == 8 ? new() : null;
    private readonly FixedWidthDecoder<int>? _fourBytes = Unsafe.SizeOf<T>() != 8 ? new() : null;
    private int _filled;

    public override void SetDictionary(ReadOnlySpan<byte> page, int count)
    {
        _eightBytes?.SetDictionary(page, count);
        _fourBytes?.SetDictionary(page, count);
    }

    public override void Append(
        Encoding encoding, ReadOnlySpan<byte> page, ReadOnlySpan<int> definitionLevels, int slotCount, int valueCount)
    {
        if (valueCount == 0)
        {
            return;
        }

        var values = target.Span.Slice(_filled, valueCount);
        if (_eightBytes != null)
        {
            _eightBytes.Decode(encoding, page, MemoryMarshal.Cast<T, long>(values));
        }
        else if (Unsafe.SizeOf<T>() == 4)
        {
            _fourBytes!.Decode(encoding, page, MemoryMarshal.Cast<T, int>(values));
        }
        else
        {
            DecodeNarrow(encoding, page, values);
        }

        _filled += valueCount;
    }

    public override void Dispose()
    {
        _eightBytes?.Dispose();
        _fourBytes?.Dispose();
    }

    // 8-bit and 16-bit numbers are stored in 4 bytes.
    private void DecodeNarrow(Encoding encoding, ReadOnlySpan<byte> page, Span<T> values)
    {
        var rented = ArrayPool<int>.Shared.Rent(values.Length);
        try
        {
            var wide = rented.AsSpan(0, values.Length);
            _fourBytes!.Decode(encoding, page, wide);
            if (typeof(T) == typeof(ushort))
            {
                Narrow(wide, MemoryMarshal.Cast<T, ushort>(values));
            }
            else if (typeof(T) == typeof(short))
            {
                Narrow(wide, MemoryMarshal.Cast<T, short>(values));
            }
            else if (typeof(T) == typeof(byte))
            {
                Narrow(wide, MemoryMarshal.Cast<T, byte>(values));
            }
            else
            {
                Narrow(wide, MemoryMarshal.Cast<T, sbyte>(values));
            }
        }
        finally
        {
            ArrayPool<int>.Shared.Return(rented);
        }
    }

    private static void Narrow<TNarrow>(ReadOnlySpan<int> wide, Span<TNarrow> narrow)
        where TNarrow : unmanaged, IBinaryInteger<TNarrow>
    {
        var lost = 0;
        for (var i = 0; i < narrow.Length; i++)
        {
            narrow[i] = TNarrow.CreateTruncating(wide[i]);
            lost |= int.CreateTruncating(narrow[i]) ^ wide[i];
        }

        if (lost != 0)
        {
            throw new DecodeException($"a value that does not fit the column's type, {typeof(TNarrow).Name}");
        }
    }
}
