using System.Numerics;
using System.Text;
using KvShiftScale.Data.Shards.Format;

namespace KvShiftScale.Data.Shards;

/// <summary>What <c>data inspect</c> shows of a shard, or of a folder of them.</summary>
public sealed record ShardInspection
{
    /// <summary>What was read: a file, a folder, a pattern, or several of them.</summary>
    public required string Path { get; init; }

    /// <summary>Shards in it.</summary>
    public required int FileCount { get; init; }

    /// <summary>Length of the files.</summary>
    public required long ByteCount { get; init; }

    /// <summary>The schemas that the files state, one node a line; one where all have the same.</summary>
    public required IReadOnlyList<string> Schemas { get; init; }

    /// <summary>The programs that wrote the files, where they say so.</summary>
    public required IReadOnlyList<string> Writers { get; init; }

    /// <summary>The tokenizers, where the files state them.</summary>
    public required IReadOnlyList<string> TokenizerHashes { get; init; }

    /// <summary>The vocabulary sizes, where the files state them.</summary>
    public required IReadOnlyList<int> VocabularySizes { get; init; }

    /// <summary>Documents and tokens of each row group.</summary>
    public required IReadOnlyList<RowGroupCounts> RowGroups { get; init; }

    /// <summary>Ids that an <c>attention_mask</c> tells to be padding; they count nowhere.</summary>
    public required long PaddingCount { get; init; }

    /// <summary>The most that reading a row group of any file takes, see <see cref="TokenShard.PeakDecodedBytes"/>.</summary>
    public required long PeakDecodedBytes { get; init; }

    /// <summary>Shortest, longest and mean length.</summary>
    public required DocumentLengths LengthSummary { get; init; }

    /// <summary>Documents by length; bins without documents at either end are left out.</summary>
    public required IReadOnlyList<LengthBin> Lengths { get; init; }

    /// <summary>Ids of the first documents.</summary>
    public required IReadOnlyList<int[]> FirstDocuments { get; init; }

    /// <summary>Documents of the files.</summary>
    public long DocumentCount => RowGroups.Sum(group => (long)group.Documents);

    /// <summary>Tokens of the files.</summary>
    public long TokenCount => RowGroups.Sum(group => (long)group.Tokens);

    /// <summary>Reads a shard, or all that a folder or a pattern stands for, in name order.</summary>
    /// <param name="path">What to read.</param>
    /// <param name="documents">How many first documents to keep.</param>
    /// <param name="report">Told the number of tokens so far after each row group.</param>
    /// <exception cref="FileNotFoundException">The path stands for no file.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or no token shard.</exception>
    public static ShardInspection Read(string path, int documents = 3, Action<long>? report = null)
        => Read(ShardFiles.Find(path).Paths, path, documents, report);

    /// <summary>Reads shards in their order.</summary>
    /// <param name="files">The shards.</param>
    /// <param name="path">What they are called together.</param>
    /// <param name="documents">How many first documents to keep.</param>
    /// <param name="report">Told the number of tokens so far after each row group.</param>
    /// <exception cref="InvalidDataException">A file is damaged or no token shard.</exception>
    public static ShardInspection Read(IReadOnlyList<string> files, string path, int documents = 3, Action<long>? report = null)
    {
        var group = new DocumentGroup();
        var counts = new List<RowGroupCounts>();
        var first = new List<int[]>();
        var (schemas, writers, tokenizers, sizes) = (new List<string>(), new List<string?>(), new List<string?>(), new List<int?>());
        var (byteCount, tokens, padding, peakDecodedBytes) = (0L, 0L, 0L, 0L);

        // Bin 0 holds empty documents, bin b those of 2^(b-1) to 2^b - 1 tokens.
        var bins = new long[33];
        var lengths = DocumentLengths.None;
        foreach (var file in files)
        {
            using var shard = TokenShard.Open(file);
            schemas.Add(Describe(shard.Footer.Schema));
            writers.Add(shard.CreatedBy.Length > 0 ? shard.CreatedBy : null);
            tokenizers.Add(shard.TokenizerHash);
            sizes.Add(shard.VocabularySize);
            byteCount += shard.ByteCount;
            for (var index = 0; index < shard.RowGroupCount; index++)
            {
                shard.ReadRowGroup(index, group);
                counts.Add(new RowGroupCounts(group.DocumentCount, group.TokenCount));
                lengths = lengths.And(Count(group, bins));
                for (var document = 0; document < group.DocumentCount && first.Count < documents; document++)
                {
                    first.Add(group.Document(document).ToArray());
                }

                padding += group.PaddingCount;
                report?.Invoke(tokens += group.TokenCount);
            }
            peakDecodedBytes = Math.Max(peakDecodedBytes, shard.PeakDecodedBytes);
        }

        return new ShardInspection
        {
            Path = path,
            FileCount = files.Count,
            ByteCount = byteCount,
            Schemas = [.. schemas.Distinct()],
            Writers = [.. writers.OfType<string>().Distinct()],
            TokenizerHashes = [.. tokenizers.OfType<string>().Distinct()],
            VocabularySizes = [.. sizes.OfType<int>().Distinct()],
            RowGroups = counts,
            PaddingCount = padding,
            PeakDecodedBytes = peakDecodedBytes,
            LengthSummary = lengths,
            Lengths = Histogram(bins),
            FirstDocuments = first,
        };
    }

    private static DocumentLengths Count(DocumentGroup group, long[] bins)
    {
        if (group.DocumentCount == 0)
        {
            return DocumentLengths.None;
        }

        var (empty, shortest, longest) = (0L, int.MaxValue, 0);
        for (var document = 0; document < group.DocumentCount; document++)
        {
            var length = group.Length(document);
            bins[32 - BitOperations.LeadingZeroCount((uint)length)]++;
            empty += length == 0 ? 1 : 0;
            shortest = Math.Min(shortest, length);
            longest = Math.Max(longest, length);
        }

        return new DocumentLengths(group.DocumentCount, empty, shortest, longest, (double)group.TokenCount / group.DocumentCount);
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
                text.Append(' ', 2 * (depth - 1)).Append(element).Append('\n');
            }

            childrenLeft.Push(element.Children);
        }

        return text.ToString();
    }

    /// <summary>Documents whose length lies in a range.</summary>
    /// <param name="Shortest">Smallest length, in tokens.</param>
    /// <param name="Longest">Largest length, in tokens.</param>
    /// <param name="Documents">How many there are.</param>
    public readonly record struct LengthBin(long Shortest, long Longest, long Documents);
}
