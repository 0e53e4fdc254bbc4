using System.Globalization;
using System.Text.RegularExpressions;

namespace KvShiftScale.Core.Text;

/// <summary>Sizes as people write them: 5GiB, 500MB, 1048576.</summary>
public static partial class ByteSize
{
    /// <summary>Bytes; null when the text is no size above 0.</summary>
    public static long? Parse(string text)
    {
        if (Pattern().Match(text.Trim()) is not { Success: true } match)
        {
            return null;
        }

        var unit = match.Groups["unit"].Value.ToUpperInvariant();
        var power = unit.Length == 0 ? 0 : "KMGT".IndexOf(unit, StringComparison.Ordinal) + 1;
        var factor = Math.Pow(match.Groups["binary"].Success ? 1024 : 1000, power);
        var bytes = double.Parse(match.Groups["number"].ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) * factor;
        return bytes is >= 1 and < long.MaxValue ? (long)bytes : null;
    }

    [GeneratedRegex(@"^(?<number>[0-9]{1,18}(\.[0-9]{1,9})?) ?((?<unit>[KMGT])(?<binary>i)?)?B?$", RegexOptions.IgnoreCase)]
    private static partial Regex Pattern();
}
