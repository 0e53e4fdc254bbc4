using Parquet.Meta;

namespace Parquet.Schema;

/// <summary>A list: a group around a repeated group, the container, around the item. Made by hand, the list may be null.</summary>
public sealed class ListField : Field
{
    public const string ElementName = "element";
    public const string DefaultContainerName = "list";

    // Null in a two-level list, whose item is itself repeated.
    private readonly string? _containerName;

    public ListField(string name, Field item, string containerName = DefaultContainerName)
        : this(item, name, containerName)
    {
        ArgumentException.ThrowIfNullOrEmpty(containerName);
    }

    private ListField(Field item, string name, string? containerName)
        : base(name, SchemaType.List)
    {
        ArgumentNullException.ThrowIfNull(item);
        Item = item;
        _containerName = containerName;
        IsNullable = true;
    }

    /// <summary>What the list holds. In a two-level list, which has no container, it is itself repeated.</summary>
    public Field Item { get; internal set; }

    internal override IReadOnlyList<Field> Children => [Item];

    /// <summary>A list without a container, around an item that is itself repeated.</summary>
    internal static ListField TwoLevel(string name, Field repeatedItem) => new(repeatedItem, name, null);

    internal override void Attach(FieldPath? parent, int repetitionLevel, int definitionLevel)
    {
        var path = parent + new FieldPath(Name);
        definitionLevel += IsNullable ? 1 : 0;
        if (_containerName != null)
        {
            SetPlace(path, repetitionLevel + 1, definitionLevel + 1);
            Item.Attach(path + new FieldPath(_containerName), MaxRepetitionLevel, MaxDefinitionLevel);
        }
        else
        {
            SetPlace(path, repetitionLevel, definitionLevel);
            Item.Attach(path, repetitionLevel, definitionLevel);
        }
    }

    internal override void Describe(List<SchemaElement> elements)
    {
        elements.Add(new SchemaElement
        {
            Name = Name,
            RepetitionType = Repetition,
            NumChildren = 1,
            ConvertedType = ConvertedType.LIST,
            Logical = new LogicalAnnotation(LogicalKind.List),
        });
        if (_containerName != null)
        {
            elements.Add(new SchemaElement { Name = _containerName, RepetitionType = FieldRepetitionType.REPEATED, NumChildren = 1 });
        }

        Item.Describe(elements);
    }
}
