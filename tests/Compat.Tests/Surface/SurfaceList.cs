using KvShiftScale.Compat.Tests.Repository;

namespace KvShiftScale.Compat.Tests.Surface;

/// <summary>The members of a real package that its drop-in claims: compat/surface/NAME.txt, '#' before a remark.</summary>
internal sealed class SurfaceList
{
    private readonly HashSet<string> _lines;
    private readonly Dictionary<string, string> _types;

    public SurfaceList(string package)
    {
        Package = package;
        _lines = File.ReadLines(RepositoryFiles.Path($"compat/surface/{package}.txt"))
            .Where(line => line.Length > 0 && line[0] != '#').ToHashSet(StringComparer.Ordinal);
        _types = _lines.Where(IsType).ToDictionary(line => line.Split(" :: ")[0], StringComparer.Ordinal);
    }

    public string Package { get; }

    public IEnumerable<string> Lines => _lines;

    /// <summary>
    /// Whether the real package offers what a line says. A type may have fewer bases than the real one, for that promises less, but no
    /// other kind.
    /// </summary>
    public bool Allows(string line)
    {
        if (!IsType(line)) return _lines.Contains(line);
        if (!_types.TryGetValue(line.Split(" :: ")[0], out var real)) return false;
        var (declaration, bases) = Parts(line);
        var (realDeclaration, realBases) = Parts(real);
        return declaration == realDeclaration && bases.IsSubsetOf(realBases);
    }

    public static bool IsType(string line) => line.Contains(" :: TYPE ", StringComparison.Ordinal);

    private static (string Declaration, HashSet<string> Bases) Parts(string line)
    {
        var colon = line.IndexOf(" : ", StringComparison.Ordinal);
        return colon < 0 ? (line, []) : (line[..colon], SplitTopLevel(line[(colon + 3)..]).ToHashSet(StringComparer.Ordinal));
    }

    private static IEnumerable<string> SplitTopLevel(string text)
    {
        var (depth, start) = (0, 0);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is '<' or '(') depth++;
            else if (text[i] is '>' or ')') depth--;
            else if (text[i] == ',' && depth == 0)
            {
                yield return text[start..i].Trim();
                start = i + 1;
            }
        }
        yield return text[start..].Trim();
    }
}
