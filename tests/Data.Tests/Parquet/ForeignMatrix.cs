using System.Formats.Tar;
using System.IO.Compression;
using System.Text.Json;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// The files of DuckDB, arrow-rs and hyparquet in every codec, page version and encoding that they offer, unpacked for a test class, and
/// what <c>files/generate-matrix.mjs</c> computed from the documents before it wrote them.
/// </summary>
public sealed class ForeignMatrix : IDisposable
{
    private static readonly string Files = Path.Combine(AppContext.BaseDirectory, "Parquet", "files");

    private readonly TemporaryFolder _folder = new();

    public ForeignMatrix()
    {
        using var archive = new GZipStream(File.OpenRead(Path.Combine(Files, "matrix.tar.gz")), CompressionMode.Decompress);
        TarFile.ExtractToDirectory(archive, _folder.File(""), overwriteFiles: true);
        var sums = JsonDocument.Parse(File.ReadAllText(Path.Combine(Files, "matrix.json"))).RootElement;
        Expected = sums.EnumerateObject().ToDictionary(file => file.Name, file => new ShardVerification(
            file.Value.GetProperty("rows").GetInt64(),
            file.Value.GetProperty("tokens").GetInt64(),
            file.Value.GetProperty("sha256").GetString()!));
    }

    public IReadOnlyDictionary<string, ShardVerification> Expected { get; }

    public string PathOf(string name) => _folder.File(name + ".parquet");

    public void Dispose() => _folder.Dispose();
}
