using System.Text.RegularExpressions;

namespace KvShiftScale.Data.Finding;

/// <summary>What a path of data may be, wherever one is given: a file, a folder, or a pattern.</summary>
/// <remarks>
/// A file stands for itself, whatever its name. A folder stands for the files of a wanted name in it and below it, where no name on the way begins with
/// a dot. A pattern stands for what <see cref="FileGlob"/> finds. A file or folder of exactly the name that is given comes before a pattern.
/// </remarks>
public static partial class DataPath
{
    /// <summary>The files that a path stands for.</summary>
    /// <param name="given">The path.</param>
    /// <param name="wanted">What is looked for.</param>
    /// <exception cref="FileNotFoundException">There are none; the message says what was found and what to do.</exception>
    /// <exception cref="IOException">The file system fails.</exception>
    internal static FoundFiles Find(string given, DataFileKind wanted)
    {
        if (string.IsNullOrWhiteSpace(given))
        {
            throw new FileNotFoundException($"found an empty path; wanted a file, a folder or a pattern of {wanted.Plural}", given);
        }

        switch (FileIdentity.Of(given))
        {
            case { Kind: EntryKind.File }:
                var path = Path.GetFullPath(given);
                return new FoundFiles(Path.GetDirectoryName(path)!, [Path.GetFileName(path)]) { IsNamed = true };
            case { Kind: EntryKind.Folder }:
                var inside = FileGlob.AllBelow(given, wanted.IsWanted);
                return inside.Files.Count > 0 ? inside : throw Without(given, wanted, inside);
            case { Kind: EntryKind.Special }:
                throw new FileNotFoundException(
                    $"'{given}' is a pipe, a socket or a device, and {wanted.Plural} are read from files, some of them more than once. Write it to a file first.", given);
        }

        if (Address().IsMatch(given))
        {
            throw new FileNotFoundException(
                $"'{given}' is an address, and {wanted.Plural} are read from files. Mount what is there as a folder, or copy it to one, and name that folder.", given);
        }

        var found = FileGlob.Expand(given);
        return found.Files.Count > 0 ? found : throw Missing(given, wanted, found);
    }

    private static FileNotFoundException Without(string given, DataFileKind wanted, FoundFiles inside)
    {
        var content = inside.OtherFiles == 0 ? "without files" : FormattableString.Invariant($"of {inside.OtherFiles} files, none of a known kind");
        return new FileNotFoundException(
            $"'{given}' is a folder {content}; expected {wanted.Expected} in it or below it. Names that begin with a dot are passed over. {wanted.Remedy(given)}", given);
    }

    private static FileNotFoundException Missing(string given, DataFileKind wanted, FoundFiles found)
    {
        var state = Directory.Exists(found.Folder) ? $"no such file in {found.Folder}" : $"the folder {found.Folder} does not exist";
        var hint = given.StartsWith('~') ? " Write the home folder out, which ~ stands for in a shell only."
            : given.Contains('$', StringComparison.Ordinal) ? " Write out what $ stands for in a shell only."
            : given.AsSpan().IndexOfAny('{', '[') >= 0 ? " Patterns have *, ? and ** only."
            : FileGlob.HasWildcard(given) ? " A pattern finds files, and no folders."
            : "";
        return new FileNotFoundException(
            $"'{given}' matches no file: {state}.{hint} Correct the path (relative to {Directory.GetCurrentDirectory()}): it names a file, a folder or a pattern of {wanted.Plural}. "
            + wanted.Remedy(given), given);
    }

    [GeneratedRegex("^[A-Za-z][A-Za-z0-9+.-]*://")]
    private static partial Regex Address();
}
