namespace Parquet;

/// <summary>How the values of a column are laid out, when that is to differ from PLAIN.</summary>
public enum EncodingHint
{
    /// <summary>PLAIN.</summary>
    Default = 0,

    /// <summary>Distinct values once, then indices; a chunk with too many distinct values is written PLAIN.</summary>
    Dictionary,

    /// <summary>Differences between neighbours; integer columns only.</summary>
    DeltaBinaryPacked,

    /// <summary>Refused: several readers cannot read it for integers.</summary>
    ByteSplitStream,
}
