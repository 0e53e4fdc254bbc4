namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>Reads sets of characters in brackets: ranges, escapes, POSIX brackets, sets within sets and the operations on them.</summary>
internal static class ExpressionClass
{
    private const int DeepestNesting = 50;

    /// <summary>The set whose opening bracket has been passed.</summary>
    /// <exception cref="FormatException">It is not certain what it means.</exception>
    public static CodePointSet Read(ExpressionText text, ExpressionDialect dialect, bool ignoresCase)
    {
        var start = text.At - 1;
        var (set, isNegated, isPlain) = ReadInner(text, dialect, 0);
        if (ignoresCase)
        {
            var closed = CaseFolding.Close(set) ?? throw text.Refused(start,
                "has letters outside of ASCII where case is not regarded; write it with regard to case");
            if (!isPlain && !closed.SameAs(set))
            {
                throw text.Refused(start, "has sets within a set where case is not regarded; write it with regard to case");
            }

            set = closed;
        }

        return isNegated ? set.Not() : set;
    }

    private static (CodePointSet Set, bool IsNegated, bool IsPlain) ReadInner(ExpressionText text, ExpressionDialect dialect, int depth)
    {
        var start = text.At - 1;
        if (depth > DeepestNesting)
        {
            throw text.Refused(start, $"is nested more than {DeepestNesting} times");
        }

        var isNegated = text.TryTake("^");
        var ranges = new List<(int First, int Last)>();
        var sets = new List<CodePointSet>();
        CodePointSet? left = null;
        var operation = "";
        var isPlain = true;
        var isFirst = true;
        var isBehindRange = false;
        while (true)
        {
            var at = text.At;
            if (text.IsAtEnd)
            {
                throw text.Refused(start, "has no closing bracket");
            }

            if (text.Peek() == ']' && !isFirst)
            {
                text.Next();
                break;
            }

            if (TakeOperator(text, dialect) is { } found)
            {
                (left, operation, isPlain) = (Joined(), found, false);
                (isFirst, isBehindRange) = (false, false);
                continue;
            }

            if (text.TryTake("["))
            {
                (isFirst, isBehindRange) = (false, false);
                if (ReadPosix(text, dialect) is { } posix)
                {
                    sets.Add(posix);
                }
                else
                {
                    var (inner, innerIsNegated, _) = ReadInner(text, dialect, depth + 1);
                    sets.Add(innerIsNegated ? inner.Not() : inner);
                    isPlain = false;
                }

                RequireNoRange(text, at);
                continue;
            }

            var item = ReadItem(text, dialect, isFirst || (isBehindRange && dialect == ExpressionDialect.Oniguruma), ranges);
            if (item is { } set)
            {
                sets.Add(set);
                RequireNoRange(text, at);
            }

            (isFirst, isBehindRange) = (false, item is null && ranges[^1].First != ranges[^1].Last);
        }

        return (Joined(), isNegated, isPlain);

        CodePointSet Joined()
        {
            if (ranges.Count == 0 && sets.Count == 0)
            {
                throw text.Refused(start, operation.Length > 0 || !text.IsAtEnd ? "has nothing on one side of an operation" : "is empty");
            }

            var right = sets.Aggregate(CodePointSet.OfRanges(ranges), (sum, set) => sum.Or(set));
            ranges.Clear();
            sets.Clear();
            return operation switch
            {
                "&&" => left!.And(right),
                "--" => left!.Without(right),
                "~~" => left!.Or(right).Without(left.And(right)),
                _ => right,
            };
        }
    }

    private static string? TakeOperator(ExpressionText text, ExpressionDialect dialect)
    {
        foreach (var name in (ReadOnlySpan<string>)(dialect == ExpressionDialect.Rust ? ["&&", "--", "~~"] : ["&&"]))
        {
            if (text.TryTake(name))
            {
                return name;
            }
        }

        return null;
    }

    /// <summary>A set behind its opening bracket, as <c>[:alpha:]</c>; null where none stands next.</summary>
    private static CodePointSet? ReadPosix(ExpressionText text, ExpressionDialect dialect)
    {
        var start = text.At - 1;
        if (text.Peek() != ':')
        {
            return null;
        }

        text.Next();
        var isNegated = text.TryTake("^");
        if (text.TakeUntil(':') is not { } name || !text.TryTake("]") || CharacterSets.Posix(name, dialect) is not { } set)
        {
            throw text.Refused(start, "is no POSIX bracket that is known here");
        }

        return isNegated ? set.Not() : set;
    }

    /// <summary>A character or a range, which is added to the ranges; or a set, which is returned.</summary>
    private static CodePointSet? ReadItem(ExpressionText text, ExpressionDialect dialect, bool takesHyphen, List<(int First, int Last)> ranges)
    {
        var at = text.At;
        var isHyphen = text.Peek() == '-';
        var (first, set) = ReadOne(text, dialect);
        if (set is not null)
        {
            return set;
        }

        // A hyphen stands for itself at either end of the set and, in Oniguruma, behind a range; between two characters it makes a range of them.
        if (isHyphen && !(takesHyphen && text.Peek() != '-') && text.Peek() != ']')
        {
            throw text.Refused(at, "is a hyphen that may be a range or a character; write it as '\\-'");
        }

        var last = first;
        if (!isHyphen && text.Peek() == '-' && text.Peek(1) != ']' && !(dialect == ExpressionDialect.Rust && text.Peek(1) == '-'))
        {
            text.Next();
            if (text.Peek() is '[' or '-' or -1 || text.StartsWith("&&"))
            {
                throw text.Refused(at, "is a range without a character at its end");
            }

            (last, set) = ReadOne(text, dialect);
            if (set is not null || last < first)
            {
                throw text.Refused(at, "is no range from a character to one that is not before it");
            }
        }

        ranges.Add((first, last));
        return null;
    }

    private static (int CodePoint, CodePointSet? Set) ReadOne(ExpressionText text, ExpressionDialect dialect)
    {
        if (text.Peek() == '\\')
        {
            text.Next();
            return ExpressionEscape.Read(text, dialect, inBrackets: true);
        }

        return (text.Next(), null);
    }

    private static void RequireNoRange(ExpressionText text, int at)
    {
        if (text.Peek() == '-' && text.Peek(1) != ']' && text.Peek(1) != '-')
        {
            throw text.Refused(at, "is a set at the beginning of a range; write the hyphen as '\\-'");
        }
    }
}
