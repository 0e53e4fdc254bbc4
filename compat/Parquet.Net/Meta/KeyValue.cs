namespace Parquet.Meta;

/// <summary>One entry of the file's or of a column chunk's own metadata.</summary>
public class KeyValue
{
    public string Key { get; set; } = string.Empty;

    public string? Value { get; set; }
}
