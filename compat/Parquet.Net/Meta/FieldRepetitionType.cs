namespace Parquet.Meta;

/// <summary>How often a field may occur in its parent.</summary>
public enum FieldRepetitionType
{
    REQUIRED = 0,
    OPTIONAL = 1,
    REPEATED = 2,
}
