using System.IO.Compression;

namespace Parquet;

/// <summary>How a file is written.</summary>
public class ParquetOptions
{
    /// <summary>Hints by column path, its parts joined by '/': <c>input_ids/list/element</c>.</summary>
    public readonly IDictionary<string, EncodingHint> ColumnEncodingHints = new Dictionary<string, EncodingHint>();

    public CompressionMethod CompressionMethod { get; set; } = CompressionMethod.Snappy;

    /// <summary>The default is the slowest level, as in the package: zstd 19. Set <see cref="CompressionLevel.Optimal"/> for zstd 3.</summary>
    public CompressionLevel CompressionLevel { get; set; } = CompressionLevel.SmallestSize;
}
