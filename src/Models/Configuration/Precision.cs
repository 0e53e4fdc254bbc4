namespace KvShiftScale.Models.Configuration;

/// <summary>Number format of parameters and activations.</summary>
public enum Precision
{
    /// <summary>32-bit floating point throughout.</summary>
    Fp32,

    /// <summary>bfloat16 parameters and activations over 32-bit master weights.</summary>
    Bf16,

    /// <summary>64-bit floating point, for tests of numerics.</summary>
    Fp64,
}
