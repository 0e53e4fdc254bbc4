using System.Text;
using KvShiftScale.Data.Tokenization.Splitting;
using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>The vocabulary by id: how a token is spelled, what it stands for, and how much of the text it covers.</summary>
internal sealed class TokenTable
{
    /// <summary>Guards the table of ids against a file with a stray huge id.</summary>
    private const int LargestVocabulary = 1 << 24;

    private readonly string?[] _names;
    private readonly byte[]?[] _bytes;
    private readonly int[] _coveredBytes;

    /// <exception cref="InvalidDataException">Two tokens share an id, an id is too large, or a token has no meaning in bytes.</exception>
    public TokenTable(TokenizerDescription description)
    {
        var largest = description.Vocabulary.Values.Max();
        if (largest >= LargestVocabulary)
        {
            throw new InvalidDataException(
                $"{description.Source}: the largest id is {largest}; ids up to {LargestVocabulary - 1} are known here.");
        }

        _names = new string?[largest + 1];
        _bytes = new byte[]?[largest + 1];
        _coveredBytes = new int[largest + 1];
        var added = description.AddedTokens.Select(token => token.Content).ToHashSet(StringComparer.Ordinal);
        foreach (var (token, id) in description.Vocabulary)
        {
            if (_names[id] is not null)
            {
                throw new InvalidDataException($"{description.Source}: id {id} belongs to '{token}' and to another token; expected one each.");
            }

            _names[id] = token;
            var text = Bytes(description, token, added.Contains(token));
            _coveredBytes[id] = text.Length;
            _bytes[id] = description.Symbols == SymbolKind.CharactersOrBytes && !added.Contains(token) ? WithBlanks(text) : text;
        }
    }

    /// <summary>One more than the largest id.</summary>
    public int Count => _bytes.Length;

    /// <summary>The bytes that an id stands for; false for one that belongs to no token.</summary>
    public bool TryGet(int id, out ReadOnlySpan<byte> bytes)
    {
        if ((uint)id < (uint)_bytes.Length && _bytes[id] is { } found)
        {
            bytes = found;
            return true;
        }

        bytes = default;
        return false;
    }

    /// <summary>The vocabulary's spelling of an id that belongs to a token.</summary>
    public string Name(int id) => _names[id]!;

    /// <summary>Bytes of normalized text that an id stands for.</summary>
    public int CoveredBytes(int id) => _coveredBytes[id];

    private static byte[] Bytes(TokenizerDescription description, string token, bool isAdded)
    {
        if (isAdded)
        {
            return Encoding.UTF8.GetBytes(token);
        }

        if (description.Symbols == SymbolKind.CharactersOrBytes)
        {
            return SymbolTable.ByteOf(token) is { } value ? [value] : Encoding.UTF8.GetBytes(token);
        }

        return ByteAlphabet.TryDecode(token, out var bytes)
            ? bytes
            : throw new InvalidDataException(
                $"{description.Source}: token '{token}' (id {description.Vocabulary[token]}) has a character outside the byte alphabet; "
                + "expected a byte-level vocabulary.");
    }

    private static byte[] WithBlanks(byte[] text)
    {
        if (text.AsSpan().IndexOf(MetaspaceScanner.SignUtf8) < 0)
        {
            return text;
        }

        return Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(text).Replace(MetaspaceScanner.Sign, ' '));
    }
}
