using System.Globalization;
using System.Text;

namespace KvShiftScale.Data.Tokenization.Splitting.Expressions;

/// <summary>
/// The sets of characters that an expression uses, and by them the kinds of characters that it can tell apart: two characters that are in the
/// same of these sets are one kind. An expression over kinds is what .NET runs, so that no rule of .NET's on characters comes in, and
/// characters above U+FFFF are as good as others.
/// </summary>
internal sealed class ExpressionSets
{
    /// <summary>Stands for the first set in the text of an expression, the next character for the next set.</summary>
    private const char FirstPlace = '\uE000';

    private const char LastPlace = '\uF8FF';

    private readonly List<CodePointSet> _sets = [];

    /// <summary>The character that stands for a set until <see cref="Finish"/>.</summary>
    public string PlaceOf(CodePointSet set)
    {
        var index = _sets.FindIndex(known => known.SameAs(set));
        if (index < 0)
        {
            index = _sets.Count;
            if (index > LastPlace - FirstPlace)
            {
                throw new FormatException($"it has more than {index} sets of characters");
            }

            _sets.Add(set);
        }

        return ((char)(FirstPlace + index)).ToString();
    }

    /// <summary>The expression with sets of kinds in their places, and the kind of each code point.</summary>
    /// <exception cref="FormatException">There are more kinds than characters of .NET's.</exception>
    public (string Expression, char[] Kinds) Finish(string expression)
    {
        var kinds = new char[0x110000];
        var members = _sets.Select(_ => new SortedSet<int>()).ToList();
        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        int[] bounds = [0, .. _sets.SelectMany(set => set.Changes.ToArray()).Where(change => change < kinds.Length).Distinct().Order()];
        for (var i = 0; i < bounds.Length; i++)
        {
            if (i > 0 && bounds[i] == bounds[i - 1])
            {
                continue;
            }

            var isIn = string.Concat(_sets.Select(set => set.Contains(bounds[i]) ? '1' : '0'));
            if (!known.TryGetValue(isIn, out var kind))
            {
                kind = known.Count;
                if (kind > char.MaxValue)
                {
                    throw new FormatException("it tells more than 65536 kinds of characters apart");
                }

                known.Add(isIn, kind);
                for (var set = 0; set < members.Count; set++)
                {
                    if (isIn[set] == '1')
                    {
                        members[set].Add(kind);
                    }
                }
            }

            kinds.AsSpan(bounds[i]..(i + 1 < bounds.Length ? bounds[i + 1] : kinds.Length)).Fill((char)kind);
        }

        var finished = new StringBuilder();
        foreach (var character in expression)
        {
            finished.Append(character is >= FirstPlace and <= LastPlace ? ClassOf(members[character - FirstPlace]) : character.ToString());
        }

        return (finished.ToString(), kinds);
    }

    private static string ClassOf(SortedSet<int> kinds)
    {
        // Nothing is outside of everything.
        return kinds.Count == 0 ? @"[^\u0000-\uFFFF]"
            : $"[{string.Concat(kinds.Select(kind => string.Create(CultureInfo.InvariantCulture, $@"\u{kind:X4}")))}]";
    }
}
