using Parquet.Meta;

namespace Parquet.Schema;

/// <summary>Builds the tree from the footer's flat list of nodes.</summary>
internal sealed class SchemaReader(IReadOnlyList<SchemaElement> elements)
{
    private const int DeepestNesting = 64;

    private int _next;

    public ParquetSchema Read()
    {
        if (elements.Count == 0)
        {
            throw new DecodeException("a schema without a root");
        }

        var fields = ReadChildren(elements[_next++], 0);
        return _next == elements.Count
            ? new ParquetSchema((IEnumerable<Field>)fields)
            : throw new DecodeException($"a schema of {elements.Count} nodes whose tree ends after {_next}");
    }

    private Field[] ReadChildren(SchemaElement parent, int depth)
    {
        var count = parent.NumChildren ?? 0;
        if (count < 0 || count > elements.Count - _next || depth > DeepestNesting)
        {
            throw new DecodeException($"a schema whose node '{parent.Name}' has {count} children at depth {depth}");
        }

        var children = new Field[count];
        for (var i = 0; i < count; i++)
        {
            children[i] = ReadField(depth + 1);
        }

        return children;
    }

    private Field ReadField(int depth)
    {
        if (_next == elements.Count)
        {
            throw new DecodeException("a schema that ends inside a group");
        }

        var element = elements[_next++];
        RequireWellFormed(element);
        if (element.NumChildren is not > 0)
        {
            return new DataField(element);
        }

        var children = ReadChildren(element, depth);
        var isRepeated = element.RepetitionType == FieldRepetitionType.REPEATED;
        var isNullable = element.RepetitionType == FieldRepetitionType.OPTIONAL;
        if (IsList(element) && !isRepeated && List(element.Name, children) is { } list)
        {
            list.IsNullable = isNullable;
            return list;
        }

        if (IsMap(element) && !isRepeated && children is [StructField { IsRepeated: true } entries])
        {
            return new MapField(element.Name, entries) { IsNullable = isNullable };
        }

        return new StructField(element.Name, children) { IsRepeated = isRepeated, IsNullable = isNullable };
    }

    // One repeated child. A repeated group with one field is a container; a repeated leaf, or a group with several fields, is the item.
    private static ListField? List(string name, Field[] children) => children switch
    {
        [DataField { IsArray: true } item] => ListField.TwoLevel(name, item),
        [StructField { IsRepeated: true, Fields: [var item] } container] => new ListField(name, item, container.Name),
        [StructField { IsRepeated: true } item] => ListField.TwoLevel(name, item),
        _ => null,
    };

    private static void RequireWellFormed(SchemaElement element)
    {
        if (element.Name.Length == 0)
        {
            throw new DecodeException("a schema node without a name");
        }

        if (element.RepetitionType is not { } repetition || !Enum.IsDefined(repetition))
        {
            throw new DecodeException($"schema node '{element.Name}' is neither required, optional nor repeated");
        }

        if (element.NumChildren is not > 0 && (element.Type is not { } type || !Enum.IsDefined(type)))
        {
            throw new DecodeException($"schema node '{element.Name}' has neither children nor a known type");
        }
    }

    private static bool IsList(SchemaElement element)
        => element.Logical.Kind == LogicalKind.List || element.ConvertedType == ConvertedType.LIST;

    private static bool IsMap(SchemaElement element)
        => element.Logical.Kind == LogicalKind.Map || element.ConvertedType is ConvertedType.MAP or ConvertedType.MAP_KEY_VALUE;
}
