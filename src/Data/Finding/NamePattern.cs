using System.IO.Enumeration;

namespace KvShiftScale.Data.Finding;

/// <summary>
/// A pattern that names found below a folder are held against. One without / is that of a file, or of any folder on the way to it; one with / is
/// that of the whole name below the folder, and has <c>**</c> for any number of folders.
/// </summary>
internal static class NamePattern
{
    /// <summary>Whether a name matches.</summary>
    /// <param name="pattern">With <c>*</c> and <c>?</c> within a part.</param>
    /// <param name="name">A file below a folder, parts separated by /.</param>
    public static bool Matches(string pattern, string name)
        => pattern.Contains('/', StringComparison.Ordinal)
            ? Matches(pattern.Split('/', StringSplitOptions.RemoveEmptyEntries), name.Split('/'))
            : name.Split('/').Any(part => MatchesPart(pattern, part));

    private static bool Matches(ReadOnlySpan<string> pattern, ReadOnlySpan<string> name)
    {
        if (pattern.IsEmpty || name.IsEmpty)
        {
            return name.IsEmpty && pattern.IndexOfAnyExcept("**") < 0;
        }

        return pattern[0] == "**"
            ? Matches(pattern[1..], name) || Matches(pattern, name[1..])
            : MatchesPart(pattern[0], name[0]) && Matches(pattern[1..], name[1..]);
    }

    private static bool MatchesPart(string pattern, string part) => FileSystemName.MatchesSimpleExpression(pattern, part, ignoreCase: false);
}
