using Parquet.Schema;

namespace Parquet.Columns;

/// <summary>Collects the definition levels of slots that either have a value or are null.</summary>
internal sealed class DefinitionLevels(DataField field, int slotCount)
{
    private readonly int[] _levels = new int[field.MaxDefinitionLevel > 0 ? slotCount : 0];
    private int _count;

    public ReadOnlyMemory<int> Levels => _levels;

    public void Add(bool hasValue)
    {
        if (_levels.Length > 0)
        {
            _levels[_count] = hasValue ? field.MaxDefinitionLevel : field.MaxDefinitionLevel - 1;
        }
        else if (!hasValue)
        {
            throw new InvalidOperationException($"Column {field.Path} is required, but entry {_count} is null.");
        }

        _count++;
    }
}
