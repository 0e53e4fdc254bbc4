using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using KvShiftScale.Data.Tokenization.Merging;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>A fingerprint of everything that decides which ids a text gets.</summary>
internal static class TokenizerHash
{
    public static string Of(TokenizerDescription description, TokenTable tokens) => Of(description, tokens, description.Manner(), description.Merges);

    /// <summary>
    /// That of a tiktoken encoding in shards of versions which had no merges of it; null for other encodings. It names the same ids.
    /// </summary>
    public static string? FormerOf(TokenizerDescription description, TokenTable tokens) => description.TiktokenPattern is null ? null
        : Of(description, tokens, (description with { TakesWholePieces = true }).Manner() + ", ranked by id", []);

    private static string Of(TokenizerDescription description, TokenTable tokens, string manner, IReadOnlyList<(string Left, string Right)> merges)
    {
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(Encoding.UTF8.GetBytes(manner));
        for (var id = 0; id < tokens.Count; id++)
        {
            if (tokens.TryGet(id, out var token))
            {
                AppendNumber(id);
                Append(token);
            }
        }

        AppendNumber(merges.Count);
        foreach (var (left, right) in merges)
        {
            Append(Encoding.UTF8.GetBytes($"{left} {right}"));
        }

        // Special tokens are text in documents; the others decide about ids.
        foreach (var token in description.AddedTokens.Where(token => !token.IsSpecial))
        {
            Append(Encoding.UTF8.GetBytes(token.ToString()));
        }

        return Convert.ToHexStringLower(sha256.GetHashAndReset().AsSpan(0, 8));

        void Append(ReadOnlySpan<byte> content)
        {
            AppendNumber(content.Length);
            sha256.AppendData(content);
        }

        void AppendNumber(int number)
        {
            Span<byte> littleEndian = stackalloc byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(littleEndian, number);
            sha256.AppendData(littleEndian);
        }
    }
}
