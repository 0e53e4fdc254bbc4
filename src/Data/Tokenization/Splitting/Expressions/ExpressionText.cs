using System.Globalization;
using System.Text;

namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>The code points of an expression, read from first to last, and the sentence in which a part of it is refused.</summary>
internal sealed class ExpressionText
{
    private readonly int[] _codePoints;

    public ExpressionText(string expression) => _codePoints = [.. expression.EnumerateRunes().Select(rune => rune.Value)];

    /// <summary>The place of the next code point.</summary>
    public int At { get; set; }

    public bool IsAtEnd => At == _codePoints.Length;

    /// <summary>The code point so many places farther on; -1 behind the end.</summary>
    public int Peek(int ahead = 0) => At + ahead < _codePoints.Length ? _codePoints[At + ahead] : -1;

    public int Next() => _codePoints[At++];

    public bool StartsWith(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (Peek(i) != text[i])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Passes over a text where it stands next.</summary>
    public bool TryTake(string text)
    {
        if (!StartsWith(text))
        {
            return false;
        }

        At += text.Length;
        return true;
    }

    /// <summary>What stands before the next <paramref name="end"/>, which is passed over, too; null where there is none.</summary>
    public string? TakeUntil(char end)
    {
        var place = Array.IndexOf(_codePoints, end, At);
        if (place < 0)
        {
            return null;
        }

        var text = Between(At, place);
        At = place + 1;
        return text;
    }

    /// <summary>A decimal number of at most six digits; null where none stands next.</summary>
    public int? TakeNumber()
    {
        var start = At;
        while (Peek() is >= '0' and <= '9' && At - start < 6)
        {
            At++;
        }

        return start == At ? null : int.Parse(Between(start, At), NumberStyles.None, CultureInfo.InvariantCulture);
    }

    /// <summary>A hexadecimal number of some digits.</summary>
    public int? TakeHex(int fewest, int most)
    {
        var start = At;
        while (At - start < most && Peek() is (>= '0' and <= '9') or (>= 'a' and <= 'f') or (>= 'A' and <= 'F'))
        {
            At++;
        }

        return At - start < fewest ? null : int.Parse(Between(start, At), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }

    /// <summary>That what began at a place is not known here.</summary>
    public FormatException Refused(int start, string reason)
        => new($"'{Between(start, Math.Max(At, Math.Min(start + 1, _codePoints.Length)))}' at character {start + 1} {reason}");

    private string Between(int start, int end)
    {
        var text = new StringBuilder();
        foreach (var codePoint in _codePoints.AsSpan(start, end - start))
        {
            text.Append(new Rune(codePoint).ToString());
        }

        return text.ToString();
    }
}
