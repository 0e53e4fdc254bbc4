using System.Globalization;

namespace KvShiftScale.Data.Finding;

/// <summary>Why a name that was found is not read.</summary>
public enum LeftOutReason
{
    /// <summary>It is another name of a file that is read under the first one.</summary>
    SameFile,

    /// <summary>It is a link to a folder that is searched already, or that the search began below.</summary>
    FolderLoop,

    /// <summary>It is a pipe, a socket or a device.</summary>
    NoFile,

    /// <summary>It was written by this program, beside or among the files of its input.</summary>
    OwnOutput,
}

/// <summary>A name that was found and is not read.</summary>
/// <param name="Path">The name.</param>
/// <param name="Reason">Why.</param>
/// <param name="Detail">What it is instead: the other name of the same file, where a link leads, what wrote it.</param>
public sealed record LeftOutName(string Path, LeftOutReason Reason, string Detail)
{
    /// <summary>One line about all of them, with an example of each kind; null where there is none.</summary>
    public static string? Describe(IReadOnlyCollection<LeftOutName> names)
        => names.Count == 0
            ? null
            : "left out: " + string.Join("; ", names.GroupBy(name => name.Reason).OrderBy(same => same.Key).Select(same => Describe(same.Key, [.. same])));

    private static string Describe(LeftOutReason reason, LeftOutName[] names)
    {
        var first = names[0];
        var one = names.Length == 1;
        var example = one ? first.Path : string.Create(CultureInfo.InvariantCulture, $"{names.Length:N0} names, {first.Path} the first");
        return reason switch
        {
            LeftOutReason.SameFile => $"{example} (the same file as {first.Detail}), since each file is read once",
            LeftOutReason.FolderLoop => $"{example} ({(one ? "a link" : "links")} to a folder that is searched already: {first.Detail})",
            LeftOutReason.NoFile => $"{example} (no file but a pipe, a socket or a device)",
            _ => $"{example} ({first.Detail})",
        };
    }
}
