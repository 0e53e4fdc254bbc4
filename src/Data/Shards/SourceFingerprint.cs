namespace KvShiftScale.Data.Shards;

/// <summary>Identifies the shards of one source, wherever they lie and whenever they were copied there.</summary>
/// <param name="Glob">The pattern that found them; for messages, not compared.</param>
/// <param name="Weight">The source's weight in the mixture.</param>
/// <param name="Files">Number of shards.</param>
/// <param name="Documents">Documents, empty ones included.</param>
/// <param name="Tokens">Tokens.</param>
/// <param name="Sha256">
/// Hash over each shard's name, length in bytes, hash of its footer, and the counts of its row groups, in lower-case hexadecimal.
/// </param>
public sealed record SourceFingerprint(string Glob, double Weight, int Files, long Documents, long Tokens, string Sha256)
{
    /// <summary>What differs in <paramref name="now"/>, in words; null when both name the same data with the same weight.</summary>
    public string? DifferenceFrom(SourceFingerprint now)
    {
        if (Files != now.Files || Documents != now.Documents || Tokens != now.Tokens)
        {
            return $"{Files} files with {Documents} documents and {Tokens} tokens then; "
                + $"{now.Files} files with {now.Documents} documents and {now.Tokens} tokens now";
        }

        if (Sha256 != now.Sha256)
        {
            return $"the same number of files, documents and tokens, but other names, lengths or content ({Sha256[..12]} then, "
                + $"{now.Sha256[..12]} now)";
        }

        return Weight != now.Weight ? FormattableString.Invariant($"weight {Weight} then, {now.Weight} now") : null;
    }
}
