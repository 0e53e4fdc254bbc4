using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Tokenization;

/// <summary>Counts the pieces of a text on several threads. The sums do not depend on which thread counted what.</summary>
internal static class PieceCounts
{
    private const int DocumentsPerReport = 1024;

    public static Dictionary<string, long> Count(
        IEnumerable<string> documents,
        int threadCount,
        int mergesWanted,
        IProgress<BpeTrainingProgress>? progress,
        CancellationToken cancellationToken)
    {
        var total = new Dictionary<string, long>(StringComparer.Ordinal);
        // The partitioner asks for documents under a lock: the source and the reports see one thread at a time.
        var source = Partitioner.Create(Reported(documents, mergesWanted, progress));
        var options = new ParallelOptions { MaxDegreeOfParallelism = threadCount, CancellationToken = cancellationToken };
        try
        {
            Parallel.ForEach(
                source,
                options,
                () => new Dictionary<string, long>(StringComparer.Ordinal),
                (document, _, counts) =>
                {
                    Add(document, counts);
                    return counts;
                },
                counts =>
                {
                    lock (total)
                    {
                        foreach (var (piece, count) in counts)
                        {
                            CollectionsMarshal.GetValueRefOrAddDefault(total, piece, out _) += count;
                        }
                    }
                });
        }
        catch (AggregateException error)
        {
            // The source's own error, as if it had been read here.
            ExceptionDispatchInfo.Throw(error.Flatten().InnerExceptions[0]);
        }

        return total;
    }

    private static void Add(ReadOnlySpan<char> text, Dictionary<string, long> counts)
    {
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        while (!text.IsEmpty)
        {
            var length = Gpt2PreTokenizer.FirstPieceLength(text);
            CollectionsMarshal.GetValueRefOrAddDefault(lookup, text[..length], out _)++;
            text = text[length..];
        }
    }

    private static IEnumerable<string> Reported(IEnumerable<string> documents, int mergesWanted, IProgress<BpeTrainingProgress>? progress)
    {
        var documentCount = 0L;
        var characterCount = 0L;
        foreach (var document in documents)
        {
            yield return document;
            documentCount++;
            characterCount += document.Length;
            if (documentCount % DocumentsPerReport == 0)
            {
                progress?.Report(new BpeTrainingProgress(documentCount, characterCount, 0, mergesWanted));
            }
        }

        progress?.Report(new BpeTrainingProgress(documentCount, characterCount, 0, mergesWanted));
    }
}
