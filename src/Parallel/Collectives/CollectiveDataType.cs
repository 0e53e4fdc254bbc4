namespace KvShiftScale.Parallel.Collectives;

/// <summary>Element types that ranks exchange. Values are those of <c>kvs_dtype</c>.</summary>
public enum CollectiveDataType
{
    /// <summary>IEEE 754, 4 bytes.</summary>
    Float32 = 0,

    /// <summary>IEEE 754, 8 bytes.</summary>
    Float64 = 1,

    /// <summary>The upper 2 bytes of a float32. Reduced in float32 and rounded once at the end.</summary>
    BFloat16 = 2,

    /// <summary>Signed, 4 bytes.</summary>
    Int32 = 3,

    /// <summary>Signed, 8 bytes.</summary>
    Int64 = 4,
}
