using KvShiftScale.Data.Finding;

namespace KvShiftScale.Data.Corpus;

/// <summary>Holds the first bytes of a file against what its name says of it.</summary>
internal static class ContentCheck
{
    /// <summary>Bytes that are looked at.</summary>
    public const int HeadBytes = 4096;

    private const string GZip = "gzip data";
    private const string Zstd = "zstd data";
    private const string Parquet = "a Parquet file";

    // What begins with letters could be text, unless a zero byte follows somewhere.
    private static readonly (byte[] Start, string Name, bool IsLetters)[] Signatures =
    [
        ([0x1F, 0x8B], GZip, false),
        ([0x28, 0xB5, 0x2F, 0xFD], Zstd, false),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "xz data", false),
        ([0x04, 0x22, 0x4D, 0x18], "lz4 data", false),
        ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "a 7z archive", false),
        ([0x50, 0x4B, 0x03, 0x04], "a zip archive", false),
        ([0x89, 0x50, 0x4E, 0x47], "a PNG picture", false),
        ([0xFF, 0xD8, 0xFF], "a JPEG picture", false),
        ([0x7F, 0x45, 0x4C, 0x46], "a program", false),
        ([.. "BZh"u8], "bzip2 data", true),
        ([.. "PAR1"u8], Parquet, true),
        ([.. "ARROW1"u8], "an Arrow file", true),
        ([.. "%PDF-"u8], "a PDF document", true),
        ([.. "SQLite format 3"u8], "an SQLite database", true),
    ];

    /// <summary>Whether the file as it is stored can be what its name says.</summary>
    /// <param name="path">The file.</param>
    /// <param name="head">Its first <see cref="HeadBytes"/> bytes, or all.</param>
    /// <exception cref="InvalidDataException">It cannot.</exception>
    public static void RequireForm(string path, ReadOnlySpan<byte> head)
    {
        var wanted = CorpusFileName.IsGZip(path) ? GZip : CorpusFileName.IsZstd(path) ? Zstd : null;
        if (wanted is null)
        {
            return;
        }

        if (head.IsEmpty)
        {
            throw new InvalidDataException($"{path}: found an empty file; wanted {wanted}, which has a few bytes even where it holds nothing. Get the file again, or remove it.");
        }

        if (FormOf(head) is var found && found != wanted)
        {
            throw new InvalidDataException($"{path}: found {found ?? "plain text"}; wanted {wanted}, as its name says. {Remedy(found)}");
        }
    }

    /// <summary>Whether content that is not, or no longer, compressed can be text of the kind that the name says.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kind">What it is taken for.</param>
    /// <param name="head">The first <see cref="HeadBytes"/> bytes of the content, or all; it has no byte order mark.</param>
    /// <exception cref="InvalidDataException">It cannot.</exception>
    public static void RequireText(string path, CorpusFileKind kind, ReadOnlySpan<byte> head)
    {
        if (FormOf(head) is { } found)
        {
            throw new InvalidDataException($"{path}: found {found}; wanted text, as its name or --as says. {Remedy(found)}");
        }

        if (kind == CorpusFileKind.JsonLines && head.TrimStart(" \t\r\n"u8).StartsWith("["u8))
        {
            throw new InvalidDataException(
                $"{path}: found a JSON array; wanted one object a line. Write its elements as lines, for example with jq -c '.[]'.");
        }
    }

    private static string? FormOf(ReadOnlySpan<byte> head)
    {
        var hasZero = head.Contains((byte)0);
        foreach (var (start, name, isLetters) in Signatures)
        {
            // A file that was cut within its first bytes is what it would have become.
            var begins = head.StartsWith(start) || (!head.IsEmpty && !isLetters && start.AsSpan().StartsWith(head));
            if (begins && (hasZero || !isLetters))
            {
                return name;
            }
        }

        // Frames that a reader skips may stand before the first one.
        if (head.Length >= 4 && head[0] is >= 0x50 and <= 0x5F && head[1..4].SequenceEqual((ReadOnlySpan<byte>)[0x2A, 0x4D, 0x18]))
        {
            return Zstd;
        }

        return hasZero ? "binary data (it has zero bytes)" : null;
    }

    private static string Remedy(string? found) => found switch
    {
        null => "Take .gz or .zst off the name, or get the file again.",
        GZip => "Add .gz to the name, or unpack it.",
        Zstd => "Add .zst to the name, or unpack it.",
        Parquet => "End its name in .parquet.",
        _ => "Remove it from the input, or leave it out with --exclude. Text in UTF-16 or UTF-32 needs a byte order mark.",
    };
}
