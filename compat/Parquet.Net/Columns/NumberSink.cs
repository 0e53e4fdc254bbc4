using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Parquet.Encodings;
using Parquet.Meta;

namespace Parquet.Columns;

/// <summary>Decodes numbers straight into the caller's memory, one after the other, slots without a value left out.</summary>
internal readonly struct NumberSink<T>(Memory<T> target) : IColumnSink
    where T : struct
{
    public void SetDictionary(NumberDecoders numbers, ReadOnlySpan<byte> page, int count)
    {
        if (Unsafe.SizeOf<T>() == 8)
        {
            numbers.EightBytes.SetDictionary(page, count);
        }
        else
        {
            numbers.FourBytes.SetDictionary(page, count);
        }
    }

    public void Append(
        NumberDecoders numbers, Encoding encoding, ReadOnlySpan<byte> page, ReadOnlySpan<int> definitionLevels, PageExtent extent)
    {
        if (extent.ValueCount == 0)
        {
            return;
        }

        var values = target.Span.Slice(extent.FirstValue, extent.ValueCount);
        if (Unsafe.SizeOf<T>() == 8)
        {
            numbers.EightBytes.Decode(encoding, page, MemoryMarshal.Cast<T, long>(values));
        }
        else if (Unsafe.SizeOf<T>() == 4)
        {
            numbers.FourBytes.Decode(encoding, page, MemoryMarshal.Cast<T, int>(values));
        }
        else
        {
            DecodeNarrow(numbers, encoding, page, values);
        }
    }

    // 8-bit and 16-bit numbers are stored in 4 bytes.
    private static void DecodeNarrow(NumberDecoders numbers, Encoding encoding, ReadOnlySpan<byte> page, Span<T> values)
    {
        var wide = numbers.Wide(values.Length);
        numbers.FourBytes.Decode(encoding, page, wide);
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
