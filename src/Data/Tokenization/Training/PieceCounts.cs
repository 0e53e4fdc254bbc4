using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Text;
using KvShiftScale.Data.Tokenization.Splitting;

namespace KvShiftScale.Data.Tokenization.Training;

/// <summary>Counts the pieces of a text on several threads. The sums do not depend on which thread counted what.</summary>
internal static class PieceCounts
{
    private const int DocumentsPerReport = 1024;

    public static PieceTable Count(
        IEnumerable<string> documents,
        int threadCount,
        int mergesWanted,
        IProgress<BpeTrainingProgress>? progress,
        CancellationToken cancellationToken)
    {
        var total = new PieceTable();
        // The partitioner asks for documents under a lock: the source and the reports see one thread at a time.
        var source = Partitioner.Create(Reported(documents, mergesWanted, progress));
        var options = new ParallelOptions { MaxDegreeOfParallelism = threadCount, CancellationToken = cancellationToken };
        try
        {
            Parallel.ForEach(
                source,
                options,
                () => new Counter(),
                (document, _, counter) =>
                {
                    counter.Add(document);
                    return counter;
                },
                counter =>
                {
                    lock (total)
                    {
                        total.AddAll(counter.Pieces);
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

    /// <summary>What one thread has counted.</summary>
    private sealed class Counter
    {
        private byte[] _text = [];

        public PieceTable Pieces { get; } = new();

        public void Add(string document)
        {
            var longest = Encoding.UTF8.GetMaxByteCount(document.Length);
            if (_text.Length < longest)
            {
                _text = new byte[longest];
            }

            ReadOnlySpan<byte> text = _text.AsSpan(0, Encoding.UTF8.GetBytes(document, _text));
            for (var start = 0; start < text.Length;)
            {
                var end = Gpt2Scanner.Instance.PieceEnd(text, start);
                Pieces.Add(text[start..end], 1);
                start = end;
            }
        }
    }
}
