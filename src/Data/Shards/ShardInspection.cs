using System.Globalization;
using System.Numerics;
using System.Text;
using Parquet.Meta;

namespace KvShiftScale.Data;

/// <summary>What <c>data inspect</c> shows of a shard.</summary>
public sealed record ShardInspection
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>Length of the file.</summary>
    public required long ByteCount { get; init; }

    /// <summary>The schema as the file states it, one node a line.</summary>
    public required string Schema { get; init; }

    /// <summary>The program that wrote the file, where it says so.</summary>
    public string? Writer { get; init; }

    /// <summary>Tokenizer and vocabulary size, where the file states them.</summary>
    public string? TokenizerHash { get; init; }

    /// <inheritdoc cref="TokenShard.VocabularySize"/>
    public int? VocabularySize { get; init; }

    /// <summary>Documents and tokens of each row group.</summary>
    public required IReadOnlyList<RowGroupCounts> RowGroups { get; init; }

    /// <inheritdoc cref="TokenShard.PeakDecodedBytes"/>
    public required long PeakDecodedBytes { get; init; }

    /// <summary>Documents by length; bins without documents at either end are left out.</summary>
    public required IReadOnlyList<LengthBin> Lengths { get; init; }

    /// <summary>Ids of the first documents.</summary>
    public required IReadOnlyList<int[]> FirstDocuments { get; init; }

    /// <summary>Documents of the file.</summary>
    public long DocumentCount => RowGroups.Sum(group => (long)group.Documents);

    /// <summary>Tokens of the file.</summary>
    public long TokenCount => RowGroups.Sum(group => (long)group.Tokens);

    /// <summary>Reads a shard.</summary>
    /// <param name="path">The file.</param>
    /// <param name="documents">How many first documents to keep.</param>
    /// <exception cref="InvalidDataException">The file is damaged or no token shard.</exception>
    public static ShardInspection Read(string path, int documents = 3)
    {
        using var shard = TokenShard.Open(path);
        var group = new DocumentGroup();
        var counts = new RowGroupCounts[shard.RowGroupCount];
        var first = new List<int[]>();

        // Bin 0 holds empty documents, bin b those of 2^(b-1) to 2^b - 1 tokens.
        var bins = new long[33];
        for (var index = 0; index < counts.Length; index++)
        {
            shard.ReadRowGroup(index, group);
            counts[index] = new RowGroupCounts(group.DocumentCount, group.TokenCount);
            for (var document = 0; document < group.DocumentCount; document++)
            {
                bins[32 - BitOperations.LeadingZeroCount((uint)group.Length(document))]++;
            }

            for (var document = 0; document < group.DocumentCount && first.Count < documents; document++)
            {
                first.Add(group.Document(document).ToArray());
            }
        }

        return new ShardInspection
        {
            Path = path,
            ByteCount = shard.ByteCount,
            Schema = Describe(shard.Reader.Metadata?.Schema ?? []),
            Writer = shard.Reader.Metadata?.CreatedBy,
            TokenizerHash = shard.TokenizerHash,
            VocabularySize = shard.VocabularySize,
            RowGroups = counts,
            PeakDecodedBytes = shard.PeakDecodedBytes,
            Lengths = Histogram(bins),
            FirstDocuments = first,
        };
    }

    private static LengthBin[] Histogram(long[] bins)
    {
        var first = Array.FindIndex(bins, count => count > 0);
        var last = Array.FindLastIndex(bins, count => count > 0);
        return first < 0
            ? []
            : [.. Enumerable.Range(first, last - first + 1).Select(bin => bin == 0
                ? new LengthBin(0, 0, bins[0])
                : new LengthBin(1L << (bin - 1), (1L << bin) - 1, bins[bin]))];
    }

    // The footer lists the nodes depth first, each with its number of children; the first is the root.
    private static string Describe(IReadOnlyList<SchemaElement> elements)
    {
        var text = new StringBuilder();
        var childrenLeft = new Stack<int>();
        foreach (var element in elements)
        {
            while (childrenLeft.TryPeek(out var left) && left == 0)
            {
                childrenLeft.Pop();
            }

            var depth = childrenLeft.Count;
            if (depth > 0)
            {
                childrenLeft.Push(childrenLeft.Pop() - 1);
                var repetition = element.RepetitionType?.ToString().ToLowerInvariant() ?? "required";
                var type = element.Type?.ToString().ToLowerInvariant() ?? "group";
                var meaning = element.ConvertedType is { } converted ? $" ({converted})" : "";
                text.Append(' ', 2 * (depth - 1));
                text.Append(CultureInfo.InvariantCulture, $"{repetition} {type} {element.Name}{meaning}\n");
            }

            childrenLeft.Push(element.NumChildren ?? 0);
        }

        return text.ToString();
    }

    /// <summary>Documents whose length lies in a range.</summary>
    /// <param name="Shortest">Smallest length, in tokens.</param>
    /// <param name="Longest">Largest length, in tokens.</param>
    /// <param name="Documents">How many there are.</param>
    public readonly record struct LengthBin(long Shortest, long Longest, long Documents);
}
