namespace Parquet.Schema;

/// <summary>Kinds of schema nodes.</summary>
public enum SchemaType
{
    Data,
    Map,
    Struct,
    List,
}
