using ParquetSharp;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Parquet files with a column of texts, as corpora are handed on.</summary>
internal static class TextParquet
{
    /// <summary>Writes a file with columns id (int64), text and url.</summary>
    /// <param name="path">Made with the folders it needs.</param>
    /// <param name="texts">A row each; null for a row without one.</param>
    /// <param name="rowGroup">Rows of a row group.</param>
    /// <param name="properties">How pages are written; closed here.</param>
    /// <param name="column">What the column of texts is called.</param>
    public static string Write(string path, IReadOnlyList<string?> texts, int rowGroup = int.MaxValue, WriterProperties? properties = null, string column = "text")
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var owned = properties ?? WriterProperties.GetDefaultWriterProperties();
        using var file = new ParquetFileWriter(path, [new Column<long>("id"), new Column<string?>(column), new Column<string>("url")], owned);
        foreach (var rows in texts.Chunk(Math.Max(1, Math.Min(rowGroup, texts.Count))))
        {
            using var group = file.AppendRowGroup();
            using (var ids = group.NextColumn().LogicalWriter<long>())
            {
                ids.WriteBatch([.. rows.Select((_, row) => (long)row)]);
            }

            using (var values = group.NextColumn().LogicalWriter<string?>())
            {
                values.WriteBatch(rows);
            }

            using var addresses = group.NextColumn().LogicalWriter<string>();
            addresses.WriteBatch([.. rows.Select((_, row) => $"https://example.org/{row}")]);
        }

        file.Close();
        return path;
    }
}
