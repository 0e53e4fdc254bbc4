using System.IO.Compression;

namespace Parquet;

/// <summary>How a file is written.</summary>
public class ParquetOptions
{
    /// <summary>Hints by column path, its parts joined by '/': <c>input_ids/list/element</c>.</summary>
    public readonly IDictionary<string, EncodingHint> ColumnEncodingHints = new Dictionary<string, EncodingHint>();

    public CompressionMethod CompressionMethod { get; set; } = CompressionMethod.Snappy;

    /// <summary>The default is the package's, and slow: zstd 19. <see cref="CompressionLevel.Optimal"/> means zstd 3.</summary>
    public CompressionLevel CompressionLevel { get; set; } = CompressionLevel.SmallestSize;
}
