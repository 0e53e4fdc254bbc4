namespace Parquet.Schema;

/// <summary>Names from the root of the schema to a field, the names of list containers included.</summary>
public sealed class FieldPath : IEquatable<FieldPath>
{
    private readonly List<string> _parts;

    public FieldPath(string firstPart)
        => _parts = [firstPart];

    public FieldPath(IEnumerable<string> parts)
        => _parts = [.. parts];

    public FieldPath(params string[] parts)
        => _parts = [.. parts];

    public string? FirstPart => _parts.Count > 0 ? _parts[0] : null;

    public int Length => _parts.Count;

    public string this[int i] => _parts[i];

    public static FieldPath operator +(FieldPath? left, FieldPath? right)
        => new([.. left?._parts ?? [], .. right?._parts ?? []]);

    public List<string> ToList() => [.. _parts];

    public bool Equals(FieldPath? other) => other != null && _parts.SequenceEqual(other._parts);

    public override bool Equals(object? obj) => Equals(obj as FieldPath);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var part in _parts)
        {
            hash.Add(part);
        }

        return hash.ToHashCode();
    }

    /// <summary>The names joined by '/'.</summary>
    public override string ToString() => string.Join('/', _parts);
}
