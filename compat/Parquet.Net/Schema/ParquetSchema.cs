namespace Parquet.Schema;

/// <summary>The columns of a file. Building one gives its fields their paths and levels.</summary>
public class ParquetSchema
{
    private readonly DataField[] _dataFields;

    public ParquetSchema(IEnumerable<Field> fields)
    {
        ArgumentNullException.ThrowIfNull(fields);
        Fields = [.. fields];
        var leaves = new List<DataField>();
        foreach (var field in Fields)
        {
            field.Attach(null, 0, 0);
            CollectLeaves(field, leaves);
        }

        _dataFields = [.. leaves];
    }

    public ParquetSchema(params Field[] fields)
        : this((IEnumerable<Field>)fields)
    {
    }

    /// <summary>Fields at the top level.</summary>
    public IReadOnlyList<Field> Fields { get; }

    /// <summary>All leaves, in the order in which row groups hold their columns.</summary>
    public DataField[] DataFields => GetDataFields();

    public DataField[] GetDataFields() => [.. _dataFields];

    /// <exception cref="ArgumentException">No leaf has the path.</exception>
    public DataField FindDataField(FieldPath path)
        => Array.Find(_dataFields, field => field.Path.Equals(path))
            ?? throw new ArgumentException(
                $"No column {path}; the columns are {string.Join(", ", _dataFields.Select(field => field.Path))}.", nameof(path));

    /// <summary>Finds a leaf at the top level; the name is not split.</summary>
    /// <exception cref="ArgumentException">No leaf has the path.</exception>
    public DataField FindDataField(string path) => FindDataField(new FieldPath(path));

    private static void CollectLeaves(Field field, List<DataField> leaves)
    {
        if (field is DataField leaf)
        {
            leaves.Add(leaf);
        }

        foreach (var child in field.Children)
        {
            CollectLeaves(child, leaves);
        }
    }
}
