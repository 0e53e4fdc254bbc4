using System.Runtime.InteropServices;

namespace Parquet.Encodings;

/// <summary>The distinct values of a column chunk in order of appearance, and for each value its place among them.</summary>
internal sealed class DictionaryIndex<T>(List<T> entries, int[] indices)
    where T : notnull
{
    // An int32 dictionary page of one MiB. Beyond it indices save little, and other writers give up there too.
    private const int LargestCount = 256 * 1024;

    public List<T> Entries => entries;

    /// <summary>Bits of an index; at least 1, since not every reader expects 0.</summary>
    public int BitWidth { get; } = Math.Max(1, LevelDecoder.BitWidth(Math.Max(0, entries.Count - 1)));

    public ReadOnlySpan<int> Indices(int start, int count) => indices.AsSpan(start, count);

    /// <summary>Null when there are too many distinct values for a dictionary to pay.</summary>
    public static DictionaryIndex<T>? TryBuild(ReadOnlySpan<T> values)
    {
        var places = new Dictionary<T, int>();
        var entries = new List<T>();
        var indices = new int[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(places, values[i], out var exists);
            if (!exists)
            {
                if (entries.Count == LargestCount)
                {
                    return null;
                }

                place = entries.Count;
                entries.Add(values[i]);
            }

            indices[i] = place;
        }

        return new DictionaryIndex<T>(entries, indices);
    }
}
