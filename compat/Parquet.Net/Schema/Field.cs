using Parquet.Meta;

namespace Parquet.Schema;

/// <summary>A node of the schema. Path and levels are known once it belongs to a <see cref="ParquetSchema"/>.</summary>
public abstract class Field
{
    protected Field(string name, SchemaType schemaType)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Name = name;
        SchemaType = schemaType;
        Path = new FieldPath(name);
    }

    public SchemaType SchemaType { get; }

    public string Name { get; }

    public FieldPath Path { get; internal set; }

    public virtual bool IsNullable { get; internal set; }

    /// <summary>Repeated nodes from the root to here; a repetition level of 0 starts a row.</summary>
    public int MaxRepetitionLevel { get; protected set; }

    /// <summary>Optional and repeated nodes from the root to here; a leaf has a value where its definition level is this.</summary>
    public int MaxDefinitionLevel { get; protected set; }

    internal bool IsAttached { get; private protected set; }

    /// <summary>Nodes directly below; none for a leaf.</summary>
    internal abstract IReadOnlyList<Field> Children { get; }

    /// <summary>Sets path and levels of this node and of all below it.</summary>
    internal abstract void Attach(FieldPath? parent, int repetitionLevel, int definitionLevel);

    /// <summary>Appends this node and all below it, depth first, as the footer holds them.</summary>
    internal abstract void Describe(List<SchemaElement> elements);

    public override string ToString() => Path.ToString();

    private protected FieldRepetitionType Repetition => IsNullable ? FieldRepetitionType.OPTIONAL : FieldRepetitionType.REQUIRED;

    private protected void SetPlace(FieldPath path, int repetitionLevel, int definitionLevel)
    {
        Path = path;
        MaxRepetitionLevel = repetitionLevel;
        MaxDefinitionLevel = definitionLevel;
        IsAttached = true;
    }
}
