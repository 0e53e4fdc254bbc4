using System.Globalization;
using System.IO.Compression;
using Parquet;

namespace KvShiftScale.Data.Shards;

/// <summary>How token shards are written.</summary>
public sealed record ShardWriterOptions
{
    /// <summary>Key of the file's metadata: the id that ends each document. Absent where none does, or where nobody said so.</summary>
    public const string EndOfTextKey = "kvshift.end_of_text_id";

    /// <summary>Key of the file's metadata: the id that begins each document. Absent where none does, or where nobody said so.</summary>
    public const string BeginOfTextKey = "kvshift.begin_of_text_id";

    /// <summary>Hash of the tokenizer that made the ids; written as <see cref="TokenShard.TokenizerKey"/>.</summary>
    public required string TokenizerHash { get; init; }

    /// <summary>Ids are below this number; written as <see cref="TokenShard.VocabularySizeKey"/>.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>The id that ends each document, written as <see cref="EndOfTextKey"/>; null where none does.</summary>
    public int? EndOfTextId { get; init; }

    /// <summary>The id that begins each document, written as <see cref="BeginOfTextKey"/>; null where none does.</summary>
    public int? BeginOfTextId { get; init; }

    /// <summary>
    /// Tokens after which a row group is closed. A reader decodes a row group at a time, so this bounds its memory (some 10 bytes a
    /// token) and is the distance over which documents are shuffled.
    /// </summary>
    public int RowGroupTokens { get; init; } = 1 << 20;

    /// <summary>Page compression. <see cref="CompressionMethod.LZ4"/>, whose framing other readers do not understand, is refused, as is LZO.</summary>
    public CompressionMethod Compression { get; init; } = CompressionMethod.Zstd;

    /// <summary>
    /// Layout of the ids before compression: differences packed into as many bits as they need, which a reader takes apart faster than the
    /// codec unpacks plain ids, or plain (<see cref="EncodingHint.Default"/>). Others are refused: the package makes dictionaries of text only,
    /// and DuckDB does not read split bytes of integers.
    /// </summary>
    public EncodingHint Encoding { get; init; } = EncodingHint.DeltaBinaryPacked;

    /// <summary>Effort of the compression; the level that zstd calls 3 by default.</summary>
    public CompressionLevel CompressionLevel { get; init; } = CompressionLevel.Optimal;

    /// <summary>Metadata of the ids that end and begin documents.</summary>
    internal IReadOnlyDictionary<string, string> DocumentMarks()
        => new[] { (Key: EndOfTextKey, Id: EndOfTextId), (Key: BeginOfTextKey, Id: BeginOfTextId) }.Where(mark => mark.Id is not null)
            .ToDictionary(mark => mark.Key, mark => mark.Id!.Value.ToString(CultureInfo.InvariantCulture), StringComparer.Ordinal);
}
