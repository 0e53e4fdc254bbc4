using Parquet.Meta;

namespace Parquet.Schema;

/// <summary>A leaf: a column of numbers or of text.</summary>
public class DataField : Field
{
    private readonly StoredType _stored;

    /// <param name="clrType">
    /// A number type, string, a nullable number type, or an array or <c>IEnumerable</c> of one of them, which makes the field repeated.
    /// </param>
    /// <param name="isNullable">When null: what <paramref name="clrType"/> says, and true for string.</param>
    /// <param name="isArray">When null: what <paramref name="clrType"/> says.</param>
    /// <param name="propertyName">Of use to the package's class serializer only.</param>
    /// <exception cref="NotSupportedException">Columns of the type cannot be written.</exception>
    public DataField(string name, System.Type clrType, bool? isNullable = null, bool? isArray = null, string? propertyName = null)
        : base(name, SchemaType.Data)
    {
        ArgumentNullException.ThrowIfNull(clrType);
        var elementType = StoredType.ElementType(clrType, out var isCollection, out var isNullableType);
        _stored = StoredType.ForWriting(elementType)
            ?? throw new NotSupportedException($"Column {name}: {clrType} cannot be written; use integers, float, double or string.");
        ClrType = _stored.ClrType;
        IsArray = isArray ?? isCollection;
        IsNullable = isNullable ?? (isNullableType || elementType == typeof(string));
    }

    /// <summary>A leaf found in a file.</summary>
    internal DataField(SchemaElement element)
        : base(element.Name, SchemaType.Data)
    {
        _stored = StoredType.Of(element);
        ClrType = _stored.ClrType;
        IsArray = element.RepetitionType == FieldRepetitionType.REPEATED;
        IsNullable = element.RepetitionType != FieldRepetitionType.REQUIRED;
    }

    public override bool IsNullable { get; internal set; }

    /// <summary>The leaf itself is repeated: a list without the groups that usually make one.</summary>
    public bool IsArray { get; internal set; }

    /// <summary>Type of one value; <c>ReadOnlyMemory&lt;char&gt;</c> stands for text.</summary>
    public System.Type ClrType { get; }

    internal StoredType Stored => _stored;

    internal override IReadOnlyList<Field> Children => [];

    internal override void Attach(FieldPath? parent, int repetitionLevel, int definitionLevel)
        => SetPlace(
            parent + new FieldPath(Name),
            repetitionLevel + (IsArray ? 1 : 0),
            definitionLevel + (IsArray || IsNullable ? 1 : 0));

    internal override void Describe(List<SchemaElement> elements)
        => elements.Add(new SchemaElement
        {
            Name = Name,
            Type = _stored.Physical,
            RepetitionType = IsArray ? FieldRepetitionType.REPEATED : Repetition,
            ConvertedType = _stored.Converted,
            Logical = _stored.Logical,
        });
}
