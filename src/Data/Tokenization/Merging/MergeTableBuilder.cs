using KvShiftScale.Data.Tokenization.Files;
namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>Merges as files state them, by id.</summary>
internal static class MergeTableBuilder
{
    /// <exception cref="InvalidDataException">A merge is listed twice or names a token that the vocabulary lacks.</exception>
    public static MergeTable Build(TokenizerDescription description)
        => description.Merges is { } merges ? FromList(description, merges) : FromIds(description);

    private static MergeTable FromList(TokenizerDescription description, IReadOnlyList<(string Left, string Right)> merges)
    {
        var table = new MergeTable(merges.Count, merges.Count);
        for (var rank = 0; rank < merges.Count; rank++)
        {
            var (left, right) = merges[rank];
            if (!table.TryAdd(Id(left), Id(right), rank, Id(left + right)))
            {
                throw new InvalidDataException($"{description.Source}: merge '{left} {right}' is listed twice.");
            }

            int Id(string token) => description.Vocabulary.TryGetValue(token, out var id)
                ? id
                : throw new InvalidDataException(
                    $"{description.Source}: merge '{left} {right}': token '{token}' is not in the vocabulary.");
        }

        return table;
    }

    /// <summary>Every way to cut a token into two tokens, ranked by the token's id.</summary>
    private static MergeTable FromIds(TokenizerDescription description)
    {
        var added = description.AddedTokens.Select(token => token.Content).ToHashSet(StringComparer.Ordinal);
        var ids = description.Vocabulary.Where(entry => !added.Contains(entry.Key))
            .ToDictionary(entry => entry.Key, entry => entry.Value, StringComparer.Ordinal);
        var lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var found = new List<(int Left, int Right, int Id)>();
        foreach (var (token, id) in ids)
        {
            for (var length = 1; length < token.Length; length++)
            {
                if (lookup.TryGetValue(token.AsSpan(0, length), out var left) && lookup.TryGetValue(token.AsSpan(length), out var right))
                {
                    found.Add((left, right, id));
                }
            }
        }

        var table = new MergeTable(found.Count, ids.Values.DefaultIfEmpty(0).Max() + 1);
        foreach (var (left, right, id) in found)
        {
            table.TryAdd(left, right, id, id);
        }

        return table;
    }
}
