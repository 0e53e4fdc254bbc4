using System.Buffers.Binary;

namespace KvShiftScale.Data.Tokenization.Normalization;

/// <summary>Decompositions, compositions and combining classes, from <c>canonical.bin</c>.</summary>
internal sealed class CanonicalData
{
    private readonly Dictionary<int, (int First, int Second)> _decompositions = [];
    private readonly Dictionary<(int First, int Second), int> _compositions = [];
    private readonly Dictionary<int, byte> _classes = [];

    /// <summary>A bit for each code point that may be otherwise in the composed form, or compose with the one before it.</summary>
    private readonly ulong[] _unsettled = new ulong[0x110000 / 64];

    private CanonicalData(ReadOnlySpan<byte> content)
    {
        for (var count = Next(ref content); count > 0; count--)
        {
            var (character, first, second, composes) = (Next(ref content), Next(ref content), Next(ref content), Next(ref content) == 1);
            _decompositions.Add(character, (first, second));
            if (composes)
            {
                _compositions.Add((first, second), character);
                Unsettle(second);
            }
            else
            {
                Unsettle(character);
            }
        }

        for (var count = Next(ref content); count > 0; count--)
        {
            var (first, length, combiningClass) = (Next(ref content), Next(ref content), Next(ref content));
            for (var character = first; character < first + length; character++)
            {
                _classes.Add(character, (byte)combiningClass);
                Unsettle(character);
            }
        }

        // Vowels and trailing consonants of Hangul compose with the syllable before them.
        for (var character = 0x1161; character <= 0x11C2; character++)
        {
            Unsettle(character);
        }
    }

    public static CanonicalData Load()
    {
        using var stream = typeof(CanonicalData).Assembly.GetManifestResourceStream("canonical.bin")!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return new CanonicalData(content);
    }

    /// <summary>A starter that the composed form keeps, unless something behind it composes with it.</summary>
    public bool IsSettled(int character) => character < 0x300 || ((_unsettled[character >> 6] >> (character & 63)) & 1) == 0;

    public byte CombiningClass(int character) => _classes.GetValueOrDefault(character);

    public bool TryDecompose(int character, out int first, out int second)
    {
        var found = _decompositions.TryGetValue(character, out var parts);
        (first, second) = parts;
        return found;
    }

    public bool TryCompose(int first, int second, out int composed) => _compositions.TryGetValue((first, second), out composed);

    private void Unsettle(int character) => _unsettled[character >> 6] |= 1UL << (character & 63);

    private static int Next(ref ReadOnlySpan<byte> content)
    {
        var value = BinaryPrimitives.ReadInt32LittleEndian(content);
        content = content[sizeof(int)..];
        return value;
    }
}
