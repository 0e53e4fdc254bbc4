using System.Text;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>Tokens by their bytes, for encodings that take a whole piece that is a token as it is.</summary>
internal sealed class WholePieces
{
    /// <summary>Bytes as Latin-1, so that spans can be looked up.</summary>
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids;

    private readonly int _longest;

    public WholePieces(TokenizerDescription description)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var added = description.AddedTokens.Select(token => token.Content).ToHashSet(StringComparer.Ordinal);
        foreach (var (token, id) in description.Vocabulary)
        {
            if (added.Contains(token))
            {
                continue;
            }

            var bytes = Encoding.UTF8.GetBytes(token);
            if (description.Symbols == SymbolKind.Bytes && !ByteAlphabet.TryDecode(token, out bytes))
            {
                continue;
            }

            ids[Encoding.Latin1.GetString(bytes)] = id;
            _longest = Math.Max(_longest, bytes.Length);
        }

        _ids = ids.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public bool TryFind(ReadOnlySpan<byte> piece, out int id)
    {
        if (piece.Length > _longest)
        {
            id = 0;
            return false;
        }

        var characters = piece.Length <= 256 ? stackalloc char[piece.Length] : new char[piece.Length];
        Encoding.Latin1.GetChars(piece, characters);
        return _ids.TryGetValue(characters, out id);
    }
}
