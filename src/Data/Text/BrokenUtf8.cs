using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace KvShiftScale.Data.Text;

/// <summary>What is not UTF-8 in a text.</summary>
internal static class BrokenUtf8
{
    /// <summary>How many U+FFFD stand for it: one for each maximal part of a character, as in WHATWG's encoding standard.</summary>
    public static long Count(ReadOnlySpan<byte> text)
    {
        if (Utf8.IsValid(text))
        {
            return 0;
        }

        var count = 0L;
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(text, out _, out var length) != OperationStatus.Done)
            {
                count++;
            }

            text = text[length..];
        }

        return count;
    }

    /// <summary>The text with U+FFFD in the places of what is broken.</summary>
    public static byte[] Replace(ReadOnlySpan<byte> text) => Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(text));
}
