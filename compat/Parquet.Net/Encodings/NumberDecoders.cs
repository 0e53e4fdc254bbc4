namespace Parquet.Encodings;

/// <summary>Decoders of both widths that numbers are stored in, with buffers that outlive the column chunk.</summary>
internal sealed class NumberDecoders
{
    private int[] _wide = [];

    public FixedWidthDecoder<int> FourBytes { get; } = new();

    public FixedWidthDecoder<long> EightBytes { get; } = new();

    /// <summary>Room for numbers on their way to a narrower type.</summary>
    public Span<int> Wide(int count)
    {
        if (_wide.Length < count)
        {
            _wide = GC.AllocateUninitializedArray<int>(count);
        }

        return _wide.AsSpan(0, count);
    }

    /// <summary>Forgets the dictionaries of the chunk before.</summary>
    public void Reset()
    {
        FourBytes.Reset();
        EightBytes.Reset();
    }
}
