using System.Formats.Tar;
using System.IO.Compression;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>
/// Files with a column of texts that DuckDB, arrow-rs and hyparquet have written, unpacked for a test class; and what <c>files/generate-texts.mjs</c>
/// wrote, by the same formula.
/// </summary>
public sealed class ForeignTexts : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ForeignTexts()
    {
        using var archive = new GZipStream(File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Parquet", "files", "texts.tar.gz")), CompressionMode.Decompress);
        TarFile.ExtractToDirectory(archive, _folder.File(""), overwriteFiles: true);
    }

    public static string?[] Expected { get; } = [.. Enumerable.Range(0, 300).Select(row => (row % 10) switch
    {
        9 => null,
        4 => "",
        _ => $"row {row}" + string.Concat(Enumerable.Repeat(" na\u00EFve \u65E5\u672C \U0001F600", row % 100 == 50 ? 700 : row % 7)),
    })];

    public IReadOnlyList<string> Paths => [.. Directory.GetFiles(_folder.File(""), "*.parquet").Order(StringComparer.Ordinal)];

    public void Dispose() => _folder.Dispose();
}
