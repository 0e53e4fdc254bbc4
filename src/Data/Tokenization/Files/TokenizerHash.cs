using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace KvShiftScale.Data.Tokenization.Files;

/// <summary>A fingerprint of everything that decides which ids a text gets.</summary>
internal static class TokenizerHash
{
    public static string Of(TokenizerDescription description, TokenTable tokens)
    {
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(Encoding.UTF8.GetBytes(description.Manner()));
        for (var id = 0; id < tokens.Count; id++)
        {
            if (tokens.TryGet(id, out var token))
            {
                AppendNumber(id);
                Append(token);
            }
        }

        var merges = description.Merges ?? [];
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
