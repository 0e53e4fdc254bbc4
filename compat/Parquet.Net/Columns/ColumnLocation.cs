using Parquet.Schema;

namespace Parquet.Columns;

/// <summary>What error messages say about where a chunk lies.</summary>
/// <param name="Offset">Byte at which the footer says that its data pages begin; negative when there is no such chunk.</param>
internal readonly record struct ColumnLocation(string FileName, int RowGroup, DataField Column, long Offset)
{
    public ParquetException Error(string what, Exception? inner = null)
        => Place(Offset < 0 ? what : $"chunk at byte {Offset}: {what}", inner);

    public ParquetException Error(int page, long offset, DecodeException inner)
        => Place($"page {page} at byte {offset}: {inner.Message}", inner);

    private ParquetException Place(string what, Exception? inner)
        => new($"{FileName}: row group {RowGroup}, column {Column.Path}: {what}.", inner!);
}
