namespace KvShiftScale.Data.Shards.Format;

/// <summary>A node of a file's schema as the footer lists it, depth first; numbers are those of the format's parquet.thrift.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Physical type of a leaf; null for a group.</param>
/// <param name="Repetition">0 required, 1 optional, 2 repeated; null for the root.</param>
/// <param name="Children">Nodes right below it.</param>
/// <param name="ConvertedType">What it means, in the older of two ways; null where the writer does not say.</param>
internal readonly record struct SchemaElement(string Name, int? Type, int? Repetition, int Children, int? ConvertedType)
{
    private static readonly string[] Types = ["boolean", "int32", "int64", "int96", "float", "double", "byte_array", "fixed_len_byte_array"];

    private static readonly string[] ConvertedTypes =
    [
        "UTF8", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS", "TIMESTAMP_MILLIS", "TIMESTAMP_MICROS",
        "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32", "INT_64", "JSON", "BSON", "INTERVAL",
    ];

    public bool IsRepeated => Repetition == 2;

    public bool IsOptional => Repetition == 1;

    /// <summary>Reads a node.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static SchemaElement Read(ref ThriftReader reader)
    {
        string? name = null;
        int? type = null, repetition = null, converted = null;
        var children = 0;
        for (var id = 0; reader.Next(ref id, out var kind);)
        {
            switch (id)
            {
                case 1:
                    type = reader.Int32(id, kind);
                    break;
                case 3:
                    repetition = reader.Int32(id, kind);
                    break;
                case 4:
                    name = reader.String(id, kind);
                    break;
                case 5:
                    children = reader.Int32(id, kind);
                    break;
                case 6:
                    converted = reader.Int32(id, kind);
                    break;
                default:
                    reader.Skip(kind);
                    break;
            }
        }

        if (name is null || children < 0 || type is < 0 or > 7 || repetition is < 0 or > 2)
        {
            throw new InvalidDataException($"schema node {name ?? "without a name"} with type {type}, repetition {repetition} and {children} children");
        }

        return new SchemaElement(name, type, repetition, children, converted);
    }

    public override string ToString()
    {
        var repetition = IsRepeated ? "repeated" : IsOptional ? "optional" : "required";
        var type = Type is not { } number ? "group" : number >= 0 && number < Types.Length ? Types[number] : $"type {number}";
        var meaning = ConvertedType is { } converted && converted >= 0 && converted < ConvertedTypes.Length ? $" ({ConvertedTypes[converted]})" : "";
        return $"{repetition} {type} {Name}{meaning}";
    }
}
