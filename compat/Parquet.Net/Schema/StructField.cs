using Parquet.Meta;

namespace Parquet.Schema;

/// <summary>A group of named fields.</summary>
public class StructField : Field
{
    public StructField(string name, params Field[] elements)
        : base(name, SchemaType.Struct)
    {
        Fields = [.. elements];
        IsNullable = true;
    }

    public IReadOnlyList<Field> Fields { get; }

    internal bool IsRepeated { get; init; }

    internal override IReadOnlyList<Field> Children => Fields;

    internal override void Attach(FieldPath? parent, int repetitionLevel, int definitionLevel)
    {
        SetPlace(
            parent + new FieldPath(Name),
            repetitionLevel + (IsRepeated ? 1 : 0),
            definitionLevel + (IsRepeated || IsNullable ? 1 : 0));
        foreach (var field in Fields)
        {
            field.Attach(Path, MaxRepetitionLevel, MaxDefinitionLevel);
        }
    }

    internal override void Describe(List<SchemaElement> elements)
    {
        elements.Add(new SchemaElement
        {
            Name = Name,
            RepetitionType = IsRepeated ? FieldRepetitionType.REPEATED : Repetition,
            NumChildren = Fields.Count,
        });
        foreach (var field in Fields)
        {
            field.Describe(elements);
        }
    }
}
