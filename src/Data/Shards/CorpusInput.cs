using KvShiftScale.Data.Corpus;

namespace KvShiftScale.Data.Shards;

/// <summary>One file of text as it was when it was read.</summary>
/// <param name="Path">Where it was found.</param>
/// <param name="Bytes">Its length as stored.</param>
/// <param name="Modified">When it was changed last, UTC.</param>
/// <param name="Documents">Documents in it; null while it is not read to its end.</param>
/// <param name="Sha256">Of its bytes as stored; null while it is not read to its end.</param>
public sealed record CorpusInput(string Path, long Bytes, DateTime Modified, long? Documents, string? Sha256)
{
    /// <summary>
    /// Why the file at <paramref name="path"/> is not this one, or null when it is. A file of another time but the same name, length and content is:
    /// copying changes no documents.
    /// </summary>
    internal string? DifferenceFrom(string path)
    {
        var now = new FileInfo(path);
        if (System.IO.Path.GetFileName(Path) != now.Name)
        {
            return $"{Path} was read in this place, and now it is {path}";
        }

        if (now.Length != Bytes)
        {
            return FormattableString.Invariant($"{path} had {Bytes} bytes, and now it has {now.Length}");
        }

        if (now.LastWriteTimeUtc == Modified)
        {
            return null;
        }

        if (Sha256 is null)
        {
            return FormattableString.Invariant($"{path} was changed at {now.LastWriteTimeUtc:yyyy-MM-dd HH:mm:ss} UTC while only a part of it was read");
        }

        using var file = new TracedFileStream(path);
        return file.Finish() == Sha256 ? null : $"{path} has other content, of the same length";
    }
}
