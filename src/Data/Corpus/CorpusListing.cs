using System.Security.Cryptography;
using System.Text;

namespace KvShiftScale.Data.Corpus;

/// <summary>The files that parts of a corpus are dealt from. Their content is each part's own.</summary>
/// <param name="Files">How many there are.</param>
/// <param name="Sha256">Of their names below the folder that holds all of them, in order, a line each: a corpus may be moved.</param>
public sealed record CorpusListing(int Files, string Sha256)
{
    internal static CorpusListing Of(IReadOnlyList<string> paths)
    {
        var above = Path.GetDirectoryName(paths[0])!;
        while (!paths.All(path => path.StartsWith(Path.Combine(above, ""), StringComparison.Ordinal)))
        {
            above = Path.GetDirectoryName(above)!;
        }

        var names = string.Concat(paths.Select(path => Path.GetRelativePath(above, path) + "\n"));
        return new CorpusListing(paths.Count, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(names))));
    }
}
