using System.Globalization;

namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>A set of code points, surrogates left out: they stand nowhere in UTF-8. Immutable.</summary>
internal sealed class CodePointSet
{
    private const int End = 0x110000;
    private const int FirstSurrogate = 0xD800;
    private const int AfterSurrogates = 0xE000;

    /// <summary>Where membership changes, ascending: in from the first on, out from the second on, and so on.</summary>
    private readonly int[] _changes;

    private CodePointSet(int[] changes) => _changes = changes;

    public static CodePointSet Nothing { get; } = new([]);

    public static CodePointSet Everything { get; } = OfRanges([(0, End - 1)]);

    public bool IsEmpty => _changes.Length == 0;

    /// <summary>Where membership changes, ascending.</summary>
    public ReadOnlySpan<int> Changes => _changes;

    public static CodePointSet Of(int codePoint) => OfRanges([(codePoint, codePoint)]);

    public static CodePointSet Range(int first, int last) => OfRanges([(first, last)]);

    /// <summary>The union of ranges, ends included, in any order.</summary>
    public static CodePointSet OfRanges(IEnumerable<(int First, int Last)> ranges)
    {
        var changes = new List<int>();
        foreach (var (first, last) in ranges.SelectMany(WithoutSurrogates).OrderBy(range => range.First))
        {
            if (changes.Count > 0 && first <= changes[^1])
            {
                changes[^1] = Math.Max(changes[^1], last + 1);
            }
            else
            {
                changes.Add(first);
                changes.Add(last + 1);
            }
        }

        return new CodePointSet([.. changes]);
    }

    /// <summary>The code points of some general categories.</summary>
    public static CodePointSet OfCategories(params ReadOnlySpan<UnicodeCategory> categories)
    {
        var wanted = 0u;
        foreach (var category in categories)
        {
            wanted |= 1u << (int)category;
        }

        var changes = new List<int>();
        var isIn = false;
        for (var codePoint = 0; codePoint < End; codePoint++)
        {
            var belongs = codePoint is < FirstSurrogate or >= AfterSurrogates
                && (wanted & (1u << (int)CharUnicodeInfo.GetUnicodeCategory(codePoint))) != 0;
            if (belongs != isIn)
            {
                changes.Add(codePoint);
                isIn = belongs;
            }
        }

        if (isIn)
        {
            changes.Add(End);
        }

        return new CodePointSet([.. changes]);
    }

    public bool Contains(int codePoint)
    {
        var at = Array.BinarySearch(_changes, codePoint);
        // Behind an even number of changes, the one at the code point included, it is outside.
        return ((at >= 0 ? at + 1 : ~at) & 1) == 1;
    }

    public IEnumerable<(int First, int Last)> Ranges()
    {
        for (var i = 0; i < _changes.Length; i += 2)
        {
            yield return (_changes[i], _changes[i + 1] - 1);
        }
    }

    public CodePointSet Or(CodePointSet other) => OfRanges(Ranges().Concat(other.Ranges()));

    public CodePointSet And(CodePointSet other) => Not().Or(other.Not()).Not();

    public CodePointSet Without(CodePointSet other) => And(other.Not());

    public CodePointSet Not()
    {
        var ranges = new List<(int First, int Last)>();
        var from = 0;
        foreach (var (first, last) in Ranges())
        {
            ranges.Add((from, first - 1));
            from = last + 1;
        }

        ranges.Add((from, End - 1));
        return OfRanges(ranges);
    }

    public bool SameAs(CodePointSet other) => _changes.AsSpan().SequenceEqual(other._changes);

    private static IEnumerable<(int First, int Last)> WithoutSurrogates((int First, int Last) range)
    {
        if (range.First < FirstSurrogate && range.First <= range.Last)
        {
            yield return (range.First, Math.Min(range.Last, FirstSurrogate - 1));
        }

        if (range.Last >= AfterSurrogates && range.First <= range.Last)
        {
            yield return (Math.Max(range.First, AfterSurrogates), range.Last);
        }
    }
}
