using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace KvShiftScale.Data.Tokenization;

/// <summary>
/// A byte-level BPE loaded from its files: documents to ids and back. Text never gives a special id: a document that contains the words
/// <c>&lt;|endoftext|&gt;</c> keeps them as text. Safe to use from several threads at once.
/// </summary>
/// <remarks>
/// Decoding is the inverse of encoding for every well-formed UTF-16 text; an unpaired surrogate comes back as U+FFFD.
/// </remarks>
public sealed class TokenizerModel
{
    /// <summary>Guards the table of ids against a file with a stray huge id.</summary>
    private const int LargestVocabulary = 1 << 24;

    private readonly BpeTokenizer _tokenizer;
    private readonly byte[]?[] _bytes;

    private TokenizerModel(BpeTables tables)
    {
        _bytes = ByteTable(tables);
        EndOfTextId = tables.Vocabulary[tables.EndOfText];
        Hash = ContentHash(tables, _bytes);
        try
        {
            // Special tokens stay out, so that no piece of a document can be one.
            _tokenizer = BpeTokenizer.Create(
                new BpeOptions(tables.Vocabulary.Where(entry => !tables.SpecialTokens.Contains(entry.Key)))
                {
                    Merges = tables.Merges,
                    PreTokenizer = new Gpt2PreTokenizer(),
                    ByteLevel = true,
                });
        }
        catch (InvalidOperationException error)
        {
            throw new InvalidDataException($"{tables.Source}: {error.Message}", error);
        }
    }

    /// <summary>One more than the largest id; the number of ids where none is left out.</summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>The id that ends a document. Nothing here appends it.</summary>
    public int EndOfTextId { get; }

    /// <summary>
    /// 16 hexadecimal digits (the first 8 bytes of a SHA-256) over the vocabulary in id order and the merges in rank order: the same
    /// for a folder and a <c>tokenizer.json</c> of the same content.
    /// </summary>
    public string Hash { get; }

    /// <param name="path">
    /// A folder with <c>vocab.json</c> and <c>merges.txt</c> or, failing these, <c>tokenizer.json</c>; or the path of a
    /// <c>tokenizer.json</c>.
    /// </param>
    /// <exception cref="FileNotFoundException">The path or the files in it do not exist.</exception>
    /// <exception cref="InvalidDataException">The files are damaged, or describe a tokenizer that works in another way.</exception>
    public static TokenizerModel Load(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (File.Exists(path))
        {
            return new TokenizerModel(TokenizerJson.Read(path));
        }

        if (!Directory.Exists(path))
        {
            throw new FileNotFoundException(
                $"No tokenizer at {path}: neither a folder nor a file. Train one with 'kvshift tokenizer train --output {path}'.", path);
        }

        if (File.Exists(Path.Combine(path, TokenizerFolder.VocabularyFile))
            && File.Exists(Path.Combine(path, TokenizerFolder.MergesFile)))
        {
            return new TokenizerModel(TokenizerFolder.Read(path));
        }

        var tokenizerFile = Path.Combine(path, TokenizerFolder.TokenizerFile);
        return File.Exists(tokenizerFile)
            ? new TokenizerModel(TokenizerJson.Read(tokenizerFile))
            : throw new FileNotFoundException(
                $"{path} holds no tokenizer; expected {TokenizerFolder.VocabularyFile} with {TokenizerFolder.MergesFile}, or "
                + $"{TokenizerFolder.TokenizerFile}.",
                tokenizerFile);
    }

    /// <summary>The ids of a document, without an end of text.</summary>
    public int[] Encode(string text) => [.. _tokenizer.EncodeToIds(text)];

    /// <summary>Appends the ids of a document to <paramref name="destination"/>, without an end of text.</summary>
    public void Encode(string text, List<int> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        destination.AddRange(_tokenizer.EncodeToIds(text));
    }

    /// <summary>The text of the ids; special ids appear by name. Bytes that are not UTF-8 become U+FFFD.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var bytes = new ArrayBufferWriter<byte>();
        foreach (var id in ids)
        {
            bytes.Write(TokenBytes(id));
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>The bytes that an id stands for.</summary>
    internal ReadOnlySpan<byte> TokenBytes(int id)
        => (uint)id < (uint)_bytes.Length && _bytes[id] is { } bytes
            ? bytes
            : throw new ArgumentOutOfRangeException(
                nameof(id), id, $"The tokenizer has no such id; its vocabulary has {VocabularySize} ids from 0 on.");

    private static byte[]?[] ByteTable(BpeTables tables)
    {
        var largest = tables.Vocabulary.Values.Max();
        if (largest >= LargestVocabulary)
        {
            throw new InvalidDataException(
                $"{tables.Source}: the largest id is {largest}; ids up to {LargestVocabulary - 1} are known here.");
        }

        var table = new byte[]?[largest + 1];
        foreach (var (token, id) in tables.Vocabulary)
        {
            if (table[id] is not null)
            {
                throw new InvalidDataException($"{tables.Source}: id {id} belongs to '{token}' and to another token; expected one each.");
            }

            if (tables.SpecialTokens.Contains(token))
            {
                table[id] = Encoding.UTF8.GetBytes(token);
            }
            else if (ByteAlphabet.TryDecode(token, out var bytes))
            {
                table[id] = bytes;
            }
            else
            {
                throw new InvalidDataException(
                    $"{tables.Source}: token '{token}' (id {id}) has a character outside the byte alphabet; "
                    + "expected a byte-level vocabulary.");
            }
        }

        return table;
    }

    private static string ContentHash(BpeTables tables, byte[]?[] bytes)
    {
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append("byte-level bpe, gpt-2 split"u8);
        for (var id = 0; id < bytes.Length; id++)
        {
            if (bytes[id] is { } token)
            {
                AppendNumber(id);
                Append(token);
            }
        }

        AppendNumber(tables.Merges.Count);
        foreach (var merge in tables.Merges)
        {
            Append(Encoding.UTF8.GetBytes(merge));
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
