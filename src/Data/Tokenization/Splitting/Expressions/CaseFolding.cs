using System.Globalization;

namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>
/// Matching without regard to case, as far as it is certain: letters of ASCII with the two others that fold to them. What else has case may
/// stand for several characters in Oniguruma (a sharp s for "ss"), so it is refused.
/// </summary>
internal static class CaseFolding
{
    private const int LongS = 0x17F;
    private const int Kelvin = 0x212A;

    /// <summary>Pairs of letters that one character stands for without regard to case.</summary>
    private static readonly string[] Joined = ["ss", "st", "ff", "fi", "fl"];

    private static readonly Lazy<CodePointSet> CasedOutsideAscii = new(() => CodePointSet.OfCategories(
            UnicodeCategory.UppercaseLetter, UnicodeCategory.LowercaseLetter, UnicodeCategory.TitlecaseLetter)
        .Or(CodePointSet.OfRanges([(0x345, 0x345), (0x2160, 0x2188), (0x24B6, 0x24E9)]))
        .Without(CodePointSet.OfRanges([(0, 0x7F), (LongS, LongS), (Kelvin, Kelvin)])));

    /// <summary>A set with everything that differs from a member by case alone; null where that is not certain.</summary>
    public static CodePointSet? Close(CodePointSet set)
    {
        if (!set.And(CasedOutsideAscii.Value).IsEmpty)
        {
            return null;
        }

        var ranges = new List<(int First, int Last)>();
        for (var upper = (int)'A'; upper <= 'Z'; upper++)
        {
            var other = upper switch { 'S' => LongS, 'K' => Kelvin, _ => upper };
            if (set.Contains(upper) || set.Contains(upper | 0x20) || set.Contains(other))
            {
                ranges.AddRange([(upper, upper), (upper | 0x20, upper | 0x20), (other, other)]);
            }
        }

        return set.Or(CodePointSet.OfRanges(ranges));
    }

    /// <summary>Whether one character stands for two letters that follow each other.</summary>
    public static bool Joins(int first, int second)
        => Joined.Contains($"{(char)(first | 0x20)}{(char)(second | 0x20)}");
}
