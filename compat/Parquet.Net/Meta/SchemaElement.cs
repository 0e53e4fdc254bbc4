namespace Parquet.Meta;

/// <summary>One node of the schema tree, which the file holds depth first.</summary>
public class SchemaElement
{
    /// <summary>Stored type of a leaf; null for a group.</summary>
    public Type? Type { get; set; }

    /// <summary>Bytes of one value of a FIXED_LEN_BYTE_ARRAY column.</summary>
    public int? TypeLength { get; set; }

    /// <summary>Null only for the root.</summary>
    public FieldRepetitionType? RepetitionType { get; set; }

    public string Name { get; set; } = string.Empty;

    /// <summary>Nodes directly below a group; they follow it, each with its own subtree.</summary>
    public int? NumChildren { get; set; }

    public ConvertedType? ConvertedType { get; set; }

    public int? Scale { get; set; }

    public int? Precision { get; set; }

    public int? FieldId { get; set; }

    internal LogicalAnnotation Logical { get; set; }
}
