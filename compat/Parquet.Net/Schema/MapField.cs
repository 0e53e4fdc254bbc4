using Parquet.Meta;

namespace Parquet.Schema;

/// <summary>A map found in a file: a group with one repeated group of entries. Its columns can be named, and read as raw columns.</summary>
internal sealed class MapField(string name, StructField entries) : Field(name, SchemaType.Map)
{
    internal override IReadOnlyList<Field> Children => [entries];

    internal override void Attach(FieldPath? parent, int repetitionLevel, int definitionLevel)
    {
        SetPlace(parent + new FieldPath(Name), repetitionLevel, definitionLevel + (IsNullable ? 1 : 0));
        entries.Attach(Path, MaxRepetitionLevel, MaxDefinitionLevel);
    }

    internal override void Describe(List<SchemaElement> elements)
    {
        elements.Add(new SchemaElement
        {
            Name = Name,
            RepetitionType = Repetition,
            NumChildren = 1,
            ConvertedType = ConvertedType.MAP,
            Logical = new LogicalAnnotation(LogicalKind.Map),
        });
        entries.Describe(elements);
    }
}
