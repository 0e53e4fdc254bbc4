using System.Globalization;

namespace KvShiftScale.Core.Text;

/// <summary>
/// Numbers as configurations and options write them: digits, with a sign before them; real ones also with a point and an exponent. Blanks, underscores, thousands
/// separators, infinities and a negative zero are none, wherever other programs would take them for something.
/// </summary>
public static class NumberText
{
    /// <summary>Reads a whole number of 64 bits; false where the text is none, or has no place in them.</summary>
    public static bool TryWhole(string text, out long value)
        => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) && !(value == 0 && IsNegative(text));

    /// <summary>Reads a real number; false where the text is none, or beyond the largest one.</summary>
    public static bool TryReal(string text, out double value)
        => double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value)
            && double.IsFinite(value) && !(value == 0 && double.IsNegative(value));

    /// <summary>How somebody may have meant a text that is no whole number: 1000 for 1e3, 1_000, 1,000 or 1000.0; null where that cannot be told.</summary>
    public static string? MeantWhole(string text)
    {
        var plain = text.Replace("_", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal).Replace(",", "", StringComparison.Ordinal);
        return plain.Length < 30 && decimal.TryParse(plain, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && decimal.Truncate(value) == value
            ? value == 0 ? "0" : value.ToString("0", CultureInfo.InvariantCulture)
            : null;
    }

    private static bool IsNegative(string text) => text.StartsWith('-');
}
