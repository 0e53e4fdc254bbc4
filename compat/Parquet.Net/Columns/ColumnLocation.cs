using Parquet.Schema;

namespace Parquet.Columns;

/// <summary>What error messages say about where a chunk lies.</summary>
internal readonly record struct ColumnLocation(string FileName, int RowGroup, DataField Column)
{
    public ParquetException Error(string what, Exception? inner = null)
        => new($"{FileName}: row group {RowGroup}, column {Column.Path}: {what}.", inner!);

    public ParquetException Error(int page, long offset, DecodeException inner)
        => Error($"page {page} at byte {offset}: {inner.Message}", inner);
}
