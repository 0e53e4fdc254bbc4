using KvShiftScale.Data.Tokenization.Vocabulary;

namespace KvShiftScale.Data.Tokenization.Merging;

/// <summary>Merges as files state them, by id.</summary>
internal static class MergeTableBuilder
{
    /// <exception cref="InvalidDataException">A merge is listed twice or names a token that the vocabulary lacks.</exception>
    public static MergeTable Build(TokenizerDescription description)
    {
        var merges = description.Merges;
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
}
