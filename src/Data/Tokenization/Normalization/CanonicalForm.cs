using System.Text;

namespace KvShiftScale.Data.Tokenization.Normalization;

/// <summary>Normalization form C: characters decomposed, marks put in order, and what can be composed composed again.</summary>
internal static class CanonicalForm
{
    private const int HangulFirst = 0xAC00;
    private const int LeadFirst = 0x1100;
    private const int VowelFirst = 0x1161;

    /// <summary>One before the first trailing consonant: index 0 stands for none.</summary>
    private const int TrailBase = 0x11A7;

    private const int LeadCount = 19;
    private const int VowelCount = 21;
    private const int TrailCount = 28;

    private static readonly CanonicalData Data = CanonicalData.Load();

    public static string Compose(string text)
    {
        var index = NextUnsettled(text, 0);
        if (index == text.Length)
        {
            return text;
        }

        var result = new StringBuilder(text.Length);
        var characters = new List<int>();
        var copied = 0;
        while (index < text.Length)
        {
            // The settled character before may compose with what follows it.
            var start = index;
            if (start > copied)
            {
                start -= start - 2 >= copied && char.IsSurrogatePair(text[start - 2], text[start - 1]) ? 2 : 1;
            }

            var end = NextSettled(text, index);
            result.Append(text, copied, start - copied);
            AppendComposed(text.AsSpan(start, end - start), characters, result);
            copied = end;
            index = NextUnsettled(text, end);
        }

        return result.Append(text, copied, text.Length - copied).ToString();
    }

    private static int NextUnsettled(string text, int index)
    {
        while (index < text.Length && Data.IsSettled(CodePointAt(text, index, out var length)))
        {
            index += length;
        }

        return index;
    }

    private static int NextSettled(string text, int index)
    {
        while (index < text.Length && !Data.IsSettled(CodePointAt(text, index, out var length)))
        {
            index += length;
        }

        return index;
    }

    /// <summary>The code point at an index; an unpaired surrogate is one of its own.</summary>
    private static int CodePointAt(ReadOnlySpan<char> text, int index, out int length)
    {
        var isPair = index + 1 < text.Length && char.IsSurrogatePair(text[index], text[index + 1]);
        length = isPair ? 2 : 1;
        return isPair ? char.ConvertToUtf32(text[index], text[index + 1]) : text[index];
    }

    private static void AppendComposed(ReadOnlySpan<char> text, List<int> characters, StringBuilder result)
    {
        characters.Clear();
        for (var index = 0; index < text.Length;)
        {
            Decompose(CodePointAt(text, index, out var length), characters);
            index += length;
        }

        OrderMarks(characters);
        ComposeInPlace(characters);
        foreach (var character in characters)
        {
            if (character > char.MaxValue)
            {
                result.Append(char.ConvertFromUtf32(character));
            }
            else
            {
                result.Append((char)character);
            }
        }
    }

    private static void Decompose(int character, List<int> into)
    {
        var hangul = character - HangulFirst;
        if ((uint)hangul < LeadCount * VowelCount * TrailCount)
        {
            into.Add(LeadFirst + (hangul / (VowelCount * TrailCount)));
            into.Add(VowelFirst + (hangul / TrailCount % VowelCount));
            if (hangul % TrailCount != 0)
            {
                into.Add(TrailBase + (hangul % TrailCount));
            }
        }
        else if (Data.TryDecompose(character, out var first, out var second))
        {
            Decompose(first, into);
            if (second != 0)
            {
                into.Add(second);
            }
        }
        else
        {
            into.Add(character);
        }
    }

    /// <summary>Sorts each run of marks by combining class; equals keep their order.</summary>
    private static void OrderMarks(List<int> characters)
    {
        for (var start = 0; start < characters.Count;)
        {
            if (Data.CombiningClass(characters[start]) == 0)
            {
                start++;
                continue;
            }

            var end = start + 1;
            while (end < characters.Count && Data.CombiningClass(characters[end]) != 0)
            {
                end++;
            }

            if (end - start > 1)
            {
                int[] ordered = [.. characters.GetRange(start, end - start).OrderBy(Data.CombiningClass)];
                for (var i = 0; i < ordered.Length; i++)
                {
                    characters[start + i] = ordered[i];
                }
            }

            start = end;
        }
    }

    private static void ComposeInPlace(List<int> characters)
    {
        var starter = -1;
        var lastClass = 0;
        var kept = 0;
        // What is kept never goes ahead of what is read.
        for (var index = 0; index < characters.Count; index++)
        {
            var character = characters[index];
            var combiningClass = Data.CombiningClass(character);
            // Between the starter and a character that composes with it stands nothing, or marks of lower class.
            var isBlocked = kept - 1 > starter && lastClass >= combiningClass;
            if (starter >= 0 && !isBlocked && TryCompose(characters[starter], character, out var composed))
            {
                characters[starter] = composed;
                continue;
            }

            if (combiningClass == 0)
            {
                starter = kept;
            }

            lastClass = combiningClass;
            characters[kept++] = character;
        }

        characters.RemoveRange(kept, characters.Count - kept);
    }

    private static bool TryCompose(int first, int second, out int composed)
    {
        var (lead, vowel) = (first - LeadFirst, second - VowelFirst);
        if ((uint)lead < LeadCount && (uint)vowel < VowelCount)
        {
            composed = HangulFirst + (((lead * VowelCount) + vowel) * TrailCount);
            return true;
        }

        var (hangul, trail) = (first - HangulFirst, second - TrailBase);
        if ((uint)hangul < LeadCount * VowelCount * TrailCount && hangul % TrailCount == 0 && trail is > 0 and < TrailCount)
        {
            composed = first + trail;
            return true;
        }

        return Data.TryCompose(first, second, out composed);
    }
}
