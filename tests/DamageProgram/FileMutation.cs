using System.Buffers.Binary;

namespace KvShiftScale.DamageProgram;

/// <summary>Damages files in the ways that disks, networks, bugs and ill will do, each time the same for the same seed.</summary>
internal sealed class FileMutation(int seed)
{
    private const int TailBytes = 8;

    private readonly Random _random = new(seed);

    /// <summary>What was done, for messages.</summary>
    public string Description { get; private set; } = "";

    /// <summary>One to four damages after one another.</summary>
    /// <param name="content">A good file; it stays as it is.</param>
    /// <param name="other">Another one, of which parts may end up in the result.</param>
    public byte[] Apply(byte[] content, byte[] other)
    {
        var changed = content.ToArray();
        for (var left = _random.Next(1, 5); left > 0 && changed.Length > 16; left--)
        {
            var (name, mutate) = _random.Next(12) switch
            {
                0 => ("bit", (Func<byte[], byte[], byte[]>)FlipBit),
                1 => ("byte", SetByte),
                2 => ("extreme bytes", SetExtremes),
                3 => ("cut", Cut),
                4 => ("hole", RemoveRange),
                5 => ("repeat", RepeatRange),
                6 => ("splice", Splice),
                7 => ("footer length", ChangeFooterLength),
                8 => ("footer bit", FlipFooterBit),
                9 => ("footer number", ReplaceFooterNumber),
                10 => ("header number", ReplaceHeaderNumber),
                _ => ("footer of another", TakeFooter),
            };
            changed = mutate(changed, other);
            Description += (Description.Length > 0 ? ", " : "") + name;
        }

        return changed;
    }

    private byte[] FlipBit(byte[] file, byte[] other)
    {
        file[_random.Next(file.Length)] ^= (byte)(1 << _random.Next(8));
        return file;
    }

    private byte[] SetByte(byte[] file, byte[] other)
    {
        file[_random.Next(file.Length)] = (byte)_random.Next(256);
        return file;
    }

    private byte[] SetExtremes(byte[] file, byte[] other)
    {
        var start = _random.Next(file.Length);
        byte[] extremes = [0x00, 0xFF, 0x7F, 0x80];
        file.AsSpan(start, Math.Min(_random.Next(1, 9), file.Length - start)).Fill(extremes[_random.Next(4)]);
        return file;
    }

    // Half of the cut files keep their ends, so that the reader goes on.
    private byte[] Cut(byte[] file, byte[] other)
    {
        var length = _random.Next(file.Length - TailBytes);
        return _random.Next(2) == 0 ? file[..length] : [.. file[..length], .. file[FooterStart(file)..]];
    }

    private byte[] RemoveRange(byte[] file, byte[] other)
    {
        var start = _random.Next(file.Length - TailBytes);
        return [.. file[..start], .. file[Math.Min(file.Length - TailBytes, start + _random.Next(1, 64))..]];
    }

    private byte[] RepeatRange(byte[] file, byte[] other)
    {
        var start = _random.Next(file.Length - TailBytes);
        var end = Math.Min(file.Length - TailBytes, start + _random.Next(1, 64));
        return [.. file[..end], .. file[start..]];
    }

    private byte[] Splice(byte[] file, byte[] other)
    {
        var length = _random.Next(1, Math.Min(other.Length, file.Length));
        other.AsSpan(_random.Next(other.Length - length), length).CopyTo(file.AsSpan(_random.Next(file.Length - length)));
        return file;
    }

    private byte[] ChangeFooterLength(byte[] file, byte[] other)
    {
        var length = FooterLength(file);
        int[] choices = [length - 1, length + 1, 2 * length, 0, -1, int.MaxValue, file.Length, file.Length - 12, _random.Next()];
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(file.Length - TailBytes), choices[_random.Next(choices.Length)]);
        return file;
    }

    private byte[] FlipFooterBit(byte[] file, byte[] other)
    {
        file[_random.Next(FooterStart(file), file.Length)] ^= (byte)(1 << _random.Next(8));
        return file;
    }

    // A number of the footer becomes another one, however many bytes that takes, and the footer's length follows.
    private byte[] ReplaceFooterNumber(byte[] file, byte[] other)
    {
        var start = FooterStart(file);
        var end = file.Length - TailBytes;
        if (start >= end)
        {
            return file;
        }

        var changed = ReplaceNumber(file, _random.Next(start, end), end);
        BinaryPrimitives.WriteInt32LittleEndian(changed.AsSpan(changed.Length - TailBytes), FooterLength(file) + changed.Length - file.Length);
        return changed;
    }

    // The first page header lies behind the magic; later ones anywhere.
    private byte[] ReplaceHeaderNumber(byte[] file, byte[] other)
        => ReplaceNumber(file, _random.Next(2) == 0 ? 4 + _random.Next(12) : _random.Next(file.Length - TailBytes), file.Length - TailBytes);

    private byte[] ReplaceNumber(byte[] file, int start, int limit)
    {
        var end = start;
        while (end < limit - 1 && file[end] >= 0x80)
        {
            end++;
        }

        ulong[] values = [0, 1, 127, 128, 4096, 1 << 20, 1 << 24, int.MaxValue, uint.MaxValue, 1UL << 33, ulong.MaxValue, (ulong)_random.NextInt64()];
        var value = values[_random.Next(values.Length)];
        var number = new List<byte>();
        for (; value >= 0x80; value >>= 7)
        {
            number.Add((byte)(value | 0x80));
        }

        number.Add((byte)value);
        return [.. file[..start], .. number, .. file[(end + 1)..]];
    }

    private byte[] TakeFooter(byte[] file, byte[] other) => [.. file[..FooterStart(file)], .. other[FooterStart(other)..]];

    private static int FooterLength(byte[] file) => BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(file.Length - TailBytes));

    private static int FooterStart(byte[] file) => (int)Math.Clamp(file.Length - TailBytes - (long)FooterLength(file), 4, file.Length - TailBytes);
}
