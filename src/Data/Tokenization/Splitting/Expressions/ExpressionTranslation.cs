using System.Text;

namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>
/// Says an expression of another dialect in .NET's, over kinds of characters (<see cref="ExpressionSets"/>). Both search from left to right,
/// try alternatives in order and go back in the same way, so equal constructs match equally. What has no equal here, or might have another
/// meaning in it, is refused.
/// </summary>
internal sealed class ExpressionTranslation
{
    private const int DeepestNesting = 200;
    private const int MostRepetitions = 1000;

    private readonly ExpressionText _text;
    private readonly ExpressionDialect _dialect;
    private readonly ExpressionSets _sets = new();
    private int _depth;
    private int _lookbehinds;

    /// <summary>The letter before, where case is not regarded; -1 elsewhere.</summary>
    private int _foldedBefore = -1;

    private ExpressionTranslation(string expression, ExpressionDialect dialect)
    {
        _text = new ExpressionText(expression);
        _dialect = dialect;
    }

    /// <summary>Options of a part of an expression.</summary>
    private readonly record struct Options(bool IgnoresCase, bool DotTakesLineEnds);

    private bool IsOniguruma => _dialect == ExpressionDialect.Oniguruma;

    /// <summary>.NET's expression, and by code point the character that it sees in its place.</summary>
    /// <exception cref="FormatException">It cannot be said; the message says which part, and why.</exception>
    public static (string Expression, char[] Kinds) Of(string expression, ExpressionDialect dialect)
    {
        var translation = new ExpressionTranslation(expression, dialect);
        var translated = translation.Alternatives(default);
        if (!translation._text.IsAtEnd)
        {
            throw translation._text.Refused(translation._text.At, "closes nothing");
        }

        return translation._sets.Finish(translated);
    }

    /// <summary>Whether an expression is certain to split alike in both dialects.</summary>
    public static bool IsTheSameInBoth(string expression)
    {
        try
        {
            var (first, firstKinds) = Of(expression, ExpressionDialect.Oniguruma);
            var (second, secondKinds) = Of(expression, ExpressionDialect.Rust);
            return first == second && firstKinds.AsSpan().SequenceEqual(secondKinds);
        }
        catch (FormatException)
        {
            return false;
        }
    }

    /// <summary>Up to the end of the group, or of all.</summary>
    private string Alternatives(Options options)
    {
        var start = _text.At;
        if (++_depth > DeepestNesting)
        {
            throw _text.Refused(start, $"is nested more than {DeepestNesting} times");
        }

        var translated = new StringBuilder();
        while (!_text.IsAtEnd && _text.Peek() != ')')
        {
            if (_text.TryTake("|"))
            {
                _foldedBefore = -1;
                translated.Append('|');
            }
            else
            {
                translated.Append(Term(ref options));
            }
        }

        _depth--;
        return translated.ToString();
    }

    /// <summary>Something, and how often.</summary>
    private string Term(ref Options options)
    {
        var start = _text.At;
        var foldedBefore = _foldedBefore;
        _foldedBefore = -1;
        var next = _text.Next();
        switch (next)
        {
            case '(':
                return Group(ref options, start, foldedBefore);
            case '^':
                return Unrepeated(start, IsOniguruma ? $@"(?:\A|(?<={LineEnd()})(?!\z))" : @"\A");
            case '$':
                return Unrepeated(start, IsOniguruma ? $@"(?={LineEnd()}|\z)" : @"\z");
            case '[':
                return Repeated(start, _sets.PlaceOf(ExpressionClass.Read(_text, _dialect, options.IgnoresCase)));
            case '.':
                return Repeated(start, _sets.PlaceOf(options.DotTakesLineEnds ? CodePointSet.Everything : CodePointSet.Of('\n').Not()));
            case '\\':
                return Escape(options, start, foldedBefore);
            case '*' or '+' or '?' or '{':
                throw _text.Refused(start, "repeats nothing; write '\\' before it where it stands for itself");
            default:
                return Repeated(start, Character(next, options, start, foldedBefore));
        }
    }

    private string Escape(Options options, int start, int foldedBefore)
    {
        switch (_text.Peek())
        {
            case 'A':
                _text.Next();
                return Unrepeated(start, @"\A");
            case 'z':
                _text.Next();
                return Unrepeated(start, @"\z");
            case 'Z':
                _text.Next();
                return Unrepeated(start, $@"(?={LineEnd()}?\z)");
            case 'b' or 'B':
                var word = _sets.PlaceOf(CharacterSets.Words(_dialect, inBrackets: false));
                return Unrepeated(start, _text.Next() == 'b' ? $"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
                    : $"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))");
            case 'R' when IsOniguruma:
                _text.Next();
                var (carriageReturn, lineFeed) = (_sets.PlaceOf(CodePointSet.Of('\r')), LineEnd());
                var single = _sets.PlaceOf(CodePointSet.OfRanges([('\n', '\r'), (0x85, 0x85), (0x2028, 0x2029)]));
                return Repeated(start, $"(?>{carriageReturn}{lineFeed}|{single})");
            case 'N' when IsOniguruma:
                _text.Next();
                return Repeated(start, _sets.PlaceOf(CodePointSet.Of('\n').Not()));
            case 'O' when IsOniguruma:
                _text.Next();
                return Repeated(start, _sets.PlaceOf(CodePointSet.Everything));
        }

        var (codePoint, set) = ExpressionEscape.Read(_text, _dialect, inBrackets: false);
        if (set is null)
        {
            return Repeated(start, Character(codePoint, options, start, foldedBefore));
        }

        if (options.IgnoresCase && CaseFolding.Close(set)?.SameAs(set) != true)
        {
            throw _text.Refused(start, "has letters where case is not regarded; write it with regard to case");
        }

        return Repeated(start, _sets.PlaceOf(set));
    }

    private string Character(int codePoint, Options options, int start, int foldedBefore)
    {
        if (!options.IgnoresCase)
        {
            return _sets.PlaceOf(CodePointSet.Of(codePoint));
        }

        // Marks behind a letter may fold together with it, so nothing outside of ASCII is certain.
        if (codePoint >= 0x80 || (IsOniguruma && foldedBefore >= 0 && CaseFolding.Joins(foldedBefore, codePoint)))
        {
            throw _text.Refused(start, "may stand for other characters, or one character for it and the one before, where case is not regarded; "
                + "write it with regard to case");
        }

        _foldedBefore = codePoint;
        return _sets.PlaceOf(CaseFolding.Close(CodePointSet.Of(codePoint))!);
    }

    private string Group(ref Options options, int start, int foldedBefore)
    {
        // A letter and the first in a group behind it are neighbours, too.
        _foldedBefore = foldedBefore;
        if (_text.TryTake("?#"))
        {
            return _text.TakeUntil(')') is not null ? "" : throw _text.Refused(start, "is a comment without an end");
        }

        if (_text.StartsWith("?<=") || _text.StartsWith("?<!"))
        {
            _lookbehinds++;
            var lookbehind = Unrepeated(start, Closed(start, _text.TryTake("?<=") ? "(?<=" : Taken("?<!", "(?<!"), options));
            _lookbehinds--;
            return lookbehind;
        }

        foreach (var opening in (ReadOnlySpan<string>)["?=", "?!"])
        {
            if (_text.TryTake(opening))
            {
                return Unrepeated(start, Closed(start, "(" + opening, options));
            }
        }

        if (_text.TryTake("?>"))
        {
            RequireOutsideLookbehind(start);
            return Repeated(start, Closed(start, "(?>", options));
        }

        if (_text.TryTake("?:"))
        {
            return Repeated(start, Closed(start, "(?:", options));
        }

        // What a group has caught is never asked for: references to it are refused.
        if (_text.TryTake("?<") || (!IsOniguruma && _text.TryTake("?P<")))
        {
            return _text.TakeUntil('>') is { Length: > 0 } name && name.All(character => char.IsLetterOrDigit(character) || character == '_')
                ? Repeated(start, Closed(start, "(?:", options))
                : throw _text.Refused(start, "is a group that is not known here");
        }

        if (_text.TryTake("?"))
        {
            return ChangedOptions(ref options, start);
        }

        return _text.Peek() == '*'
            ? throw _text.Refused(start, "is a call-out, which is not known here")
            : Repeated(start, Closed(start, "(?:", options));

        string Taken(string opening, string translated)
        {
            _text.TryTake(opening);
            return translated;
        }
    }

    private string ChangedOptions(ref Options options, int start)
    {
        var (changed, turnsOn) = (options, true);
        while (!_text.IsAtEnd)
        {
            var letter = _text.Next();
            switch (letter)
            {
                case '-' when turnsOn:
                    turnsOn = false;
                    continue;
                case 'i':
                    changed = changed with { IgnoresCase = turnsOn };
                    continue;
                // Each dialect has its letter for it.
                case 'm' when IsOniguruma:
                case 's' when !IsOniguruma:
                    changed = changed with { DotTakesLineEnds = turnsOn };
                    continue;
                case ':':
                    return Repeated(start, Closed(start, "(?:", changed));
                case ')' when IsOniguruma:
                    // Up to the end of the group, with all its alternatives as a group of their own.
                    return $"(?:{Alternatives(changed)})";
                case ')':
                    options = changed;
                    return "";
            }

            throw _text.Refused(start, "is a group or an option that is not known here");
        }

        throw _text.Refused(start, "has no end");
    }

    private string Closed(int start, string opening, Options options)
    {
        var inner = Alternatives(options);
        return _text.TryTake(")") ? $"{opening}{inner})" : throw _text.Refused(start, "has no closing parenthesis");
    }

    /// <summary>Something with the quantifier behind it, if there is one.</summary>
    private string Repeated(int start, string translated)
    {
        var foldedBefore = _foldedBefore;
        _foldedBefore = -1;
        if (_text.Peek() is '?' or '*' or '+')
        {
            translated += (char)_text.Next();
            if (_text.TryTake("?"))
            {
                translated += '?';
            }
            else if (_text.TryTake("+"))
            {
                RequireOutsideLookbehind(start);
                translated = $"(?>{translated})";
            }
        }
        else if (_text.Peek() == '{')
        {
            translated = Interval(start, translated);
        }
        else
        {
            _foldedBefore = foldedBefore;
            return translated;
        }

        return _text.Peek() is '?' or '*' or '+' or '{' ? throw _text.Refused(start, "is repeated twice; put it into a group") : translated;
    }

    private string Interval(int start, string translated)
    {
        _text.Next();
        var fewest = _text.TakeNumber();
        var hasComma = _text.TryTake(",");
        var most = hasComma ? _text.TakeNumber() : fewest;
        var isOpen = hasComma && most is null;
        if (!_text.TryTake("}") || (fewest is null && (most is null || !IsOniguruma)) || most < (fewest ?? 0)
            || Math.Max(fewest ?? 0, most ?? 0) > MostRepetitions)
        {
            throw _text.Refused(start, $"is no repetition that is known here; expected {{n}}, {{n,}} or {{n,m}} with numbers up to {MostRepetitions}, "
                + "or '\\{' for the brace itself");
        }

        var isExact = !hasComma;
        translated += FormattableString.Invariant(isOpen ? (FormattableString)$"{{{fewest ?? 0},}}" : $"{{{fewest ?? 0},{most}}}");
        if (_text.TryTake("?"))
        {
            // Oniguruma takes a question mark behind a fixed number for another quantifier; elsewhere it changes nothing there.
            return !isExact ? translated + "?" : IsOniguruma ? $"(?:{translated})?" : translated;
        }

        if (!_text.TryTake("+"))
        {
            return translated;
        }

        // In Oniguruma, a plus behind an interval is another quantifier.
        if (IsOniguruma)
        {
            return $"(?:{translated})+";
        }

        RequireOutsideLookbehind(start);
        return $"(?>{translated})";
    }

    private string Unrepeated(int start, string translated)
        => _text.Peek() is '?' or '*' or '+' or '{' ? throw _text.Refused(start, "is a place, which cannot be repeated") : translated;

    /// <summary>.NET goes through a lookbehind from right to left, so giving up ways back means something else in it.</summary>
    private void RequireOutsideLookbehind(int start)
    {
        if (_lookbehinds > 0)
        {
            throw _text.Refused(start, "is possessive or atomic within a lookbehind, which is not known here");
        }
    }

    private string LineEnd() => _sets.PlaceOf(CodePointSet.Of('\n'));
}
