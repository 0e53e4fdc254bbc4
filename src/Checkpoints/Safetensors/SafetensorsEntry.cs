using System.Globalization;

namespace KvShiftScale.Checkpoints.Safetensors;

/// <summary>Element types of a safetensors file.</summary>
public enum SafetensorsType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>8-bit unsigned integer.</summary>
    U8,

    /// <summary>8-bit signed integer.</summary>
    I8,

    /// <summary>16-bit unsigned integer.</summary>
    U16,

    /// <summary>16-bit signed integer.</summary>
    I16,

    /// <summary>IEEE 754 half precision.</summary>
    F16,

    /// <summary>The upper half of a 32-bit floating-point number.</summary>
    BF16,

    /// <summary>32-bit unsigned integer.</summary>
    U32,

    /// <summary>32-bit signed integer.</summary>
    I32,

    /// <summary>IEEE 754 single precision.</summary>
    F32,

    /// <summary>64-bit unsigned integer.</summary>
    U64,

    /// <summary>64-bit signed integer.</summary>
    I64,

    /// <summary>IEEE 754 double precision.</summary>
    F64,
}

/// <summary>Name, element type and shape of one tensor in a safetensors file.</summary>
/// <param name="Name">Name, unique in the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Extents, outermost first; none for a single number.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsType Type, IReadOnlyList<long> Shape)
{
    private static readonly Dictionary<string, SafetensorsType> Types = Enum.GetValues<SafetensorsType>().ToDictionary(type => type.ToString().ToUpperInvariant());

    /// <summary>Bytes of one element.</summary>
    public int ElementByteCount => Type switch
    {
        SafetensorsType.Bool or SafetensorsType.U8 or SafetensorsType.I8 => 1,
        SafetensorsType.U16 or SafetensorsType.I16 or SafetensorsType.F16 or SafetensorsType.BF16 => 2,
        SafetensorsType.U32 or SafetensorsType.I32 or SafetensorsType.F32 => 4,
        _ => 8,
    };

    /// <summary>Bytes of the whole tensor.</summary>
    /// <exception cref="OverflowException">The number does not fit 64 bits.</exception>
    public long ByteCount => Shape.Contains(0) ? 0 : Shape.Aggregate((long)ElementByteCount, (bytes, extent) => checked(bytes * extent));

    /// <summary>Element type as the header spells it.</summary>
    public string TypeName => Type.ToString().ToUpperInvariant();

    /// <summary>Element type of a header's spelling.</summary>
    internal static bool TryParseType(string name, out SafetensorsType type) => Types.TryGetValue(name, out type);

    /// <summary>The entry as a message shows it: <c>F32 [4, 8]</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{TypeName} [{string.Join(", ", Shape)}]");
}
