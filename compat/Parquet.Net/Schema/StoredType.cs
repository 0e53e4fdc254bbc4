using Parquet.Meta;
using PhysicalType = Parquet.Meta.Type;

namespace Parquet.Schema;

/// <summary>How values of a .NET type are stored and annotated.</summary>
internal sealed record StoredType(
    System.Type ClrType, PhysicalType Physical, ConvertedType? Converted = null, LogicalAnnotation Logical = default)
{
    // Text and bytes go by these types as ClrType, as in the package.
    private static readonly System.Type _textType = typeof(ReadOnlyMemory<char>);
    private static readonly System.Type _bytesType = typeof(ReadOnlyMemory<byte>);

    private static readonly Dictionary<System.Type, StoredType> _writable = new()
    {
        [typeof(sbyte)] = Integer<sbyte>(PhysicalType.INT32, ConvertedType.INT_8, 8, isSigned: true),
        [typeof(byte)] = Integer<byte>(PhysicalType.INT32, ConvertedType.UINT_8, 8, isSigned: false),
        [typeof(short)] = Integer<short>(PhysicalType.INT32, ConvertedType.INT_16, 16, isSigned: true),
        [typeof(ushort)] = Integer<ushort>(PhysicalType.INT32, ConvertedType.UINT_16, 16, isSigned: false),
        [typeof(int)] = new(typeof(int), PhysicalType.INT32),
        [typeof(uint)] = Integer<uint>(PhysicalType.INT32, ConvertedType.UINT_32, 32, isSigned: false),
        [typeof(long)] = new(typeof(long), PhysicalType.INT64),
        [typeof(ulong)] = Integer<ulong>(PhysicalType.INT64, ConvertedType.UINT_64, 64, isSigned: false),
        [typeof(float)] = new(typeof(float), PhysicalType.FLOAT),
        [typeof(double)] = new(typeof(double), PhysicalType.DOUBLE),
        [typeof(string)] = new(_textType, PhysicalType.BYTE_ARRAY, ConvertedType.UTF8, new LogicalAnnotation(LogicalKind.String)),
    };

    /// <summary>A number that the reader decodes; otherwise text, or something it refuses.</summary>
    public bool IsNumber => ClrType != _textType && _writable.ContainsKey(ClrType);

    public bool IsText => ClrType == _textType;

    /// <summary>The type of one element, and whether <paramref name="type"/> is a collection of it or a nullable form of it.</summary>
    public static System.Type ElementType(System.Type type, out bool isCollection, out bool isNullable)
    {
        isCollection = type.IsArray;
        if (type.IsArray)
        {
            type = type.GetElementType()!;
        }
        else if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IEnumerable<>))
        {
            isCollection = true;
            type = type.GetGenericArguments()[0];
        }

        var underlying = Nullable.GetUnderlyingType(type);
        isNullable = underlying != null;
        return underlying ?? type;
    }

    public static StoredType? ForWriting(System.Type clrType)
        => _writable.GetValueOrDefault(clrType == _textType ? typeof(string) : clrType);

    /// <summary>What a leaf of a file holds. Types that are not decoded have their .NET type too, so that they can be named.</summary>
    public static StoredType Of(SchemaElement element)
        => new(ClrTypeOf(element), element.Type!.Value, element.ConvertedType, element.Logical);

    private static System.Type ClrTypeOf(SchemaElement element)
    {
        var meaning = Meaning(element);
        if (meaning.Kind == LogicalKind.Decimal)
        {
            return typeof(decimal);
        }

        return element.Type switch
        {
            PhysicalType.BOOLEAN => typeof(bool),
            PhysicalType.INT32 or PhysicalType.INT64 => IntegerType(element.Type.Value, meaning),
            PhysicalType.INT96 => typeof(DateTime),
            PhysicalType.FLOAT => typeof(float),
            PhysicalType.DOUBLE => typeof(double),
            PhysicalType.BYTE_ARRAY when meaning.Kind is LogicalKind.String or LogicalKind.Enum or LogicalKind.Json => _textType,
            _ => _bytesType,
        };
    }

    private static System.Type IntegerType(PhysicalType physical, LogicalAnnotation meaning) => (physical, meaning) switch
    {
        (_, { Kind: LogicalKind.Date or LogicalKind.Timestamp }) => typeof(DateTime),
        (_, { Kind: LogicalKind.Time }) => typeof(TimeSpan),
        (PhysicalType.INT32, { BitWidth: 8, IsSigned: true }) => typeof(sbyte),
        (PhysicalType.INT32, { BitWidth: 8 }) => typeof(byte),
        (PhysicalType.INT32, { BitWidth: 16, IsSigned: true }) => typeof(short),
        (PhysicalType.INT32, { BitWidth: 16 }) => typeof(ushort),
        (PhysicalType.INT32, { BitWidth: 32, IsSigned: false }) => typeof(uint),
        (PhysicalType.INT32, _) => typeof(int),
        (_, { BitWidth: 64, IsSigned: false }) => typeof(ulong),
        _ => typeof(long),
    };

    // The newer notation counts where both are there.
    private static LogicalAnnotation Meaning(SchemaElement element)
    {
        if (element.Logical.Kind != LogicalKind.None)
        {
            return element.Logical;
        }

        return element.ConvertedType switch
        {
            ConvertedType.UTF8 => new(LogicalKind.String),
            ConvertedType.ENUM => new(LogicalKind.Enum),
            ConvertedType.JSON => new(LogicalKind.Json),
            ConvertedType.DECIMAL => new(LogicalKind.Decimal),
            ConvertedType.DATE => new(LogicalKind.Date),
            ConvertedType.TIME_MILLIS or ConvertedType.TIME_MICROS => new(LogicalKind.Time),
            ConvertedType.TIMESTAMP_MILLIS or ConvertedType.TIMESTAMP_MICROS => new(LogicalKind.Timestamp),
            ConvertedType.UINT_8 => new(LogicalKind.Integer, 8),
            ConvertedType.UINT_16 => new(LogicalKind.Integer, 16),
            ConvertedType.UINT_32 => new(LogicalKind.Integer, 32),
            ConvertedType.UINT_64 => new(LogicalKind.Integer, 64),
            ConvertedType.INT_8 => new(LogicalKind.Integer, 8, IsSigned: true),
            ConvertedType.INT_16 => new(LogicalKind.Integer, 16, IsSigned: true),
            ConvertedType.INT_32 => new(LogicalKind.Integer, 32, IsSigned: true),
            ConvertedType.INT_64 => new(LogicalKind.Integer, 64, IsSigned: true),
            _ => default,
        };
    }

    private static StoredType Integer<T>(PhysicalType physical, ConvertedType converted, int bitWidth, bool isSigned)
        => new(typeof(T), physical, converted, new LogicalAnnotation(LogicalKind.Integer, bitWidth, isSigned));
}
