using System.Runtime.InteropServices;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data.Preparation;

/// <summary>
/// Turns documents into token shards: several threads parse and tokenize, one reads documents and writes them in the order in which they
/// came. A few portions of text per thread are in memory at a time, however long the input is.
/// </summary>
internal sealed class TokenizationPipeline
{
    private const int PortionsPerWorker = 2;

    private readonly EncodeText _encode;
    private readonly int? _endOfTextId;
    private readonly PreparationOptions _options;

    /// <param name="tokenizer">Used by all threads at once.</param>
    /// <param name="options">Ends and beginnings of documents, field and threads.</param>
    public TokenizationPipeline(TokenizerModel tokenizer, PreparationOptions options)
        : this((utf8, ids) => tokenizer.EncodeUtf8(utf8, ids, options.SpecialTokens), options.EndOfTextIdOf(tokenizer), options)
    {
    }

    internal TokenizationPipeline(EncodeText encode, int? endOfTextId, PreparationOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Workers, 1);
        _encode = encode;
        _endOfTextId = endOfTextId;
        _options = options;
    }

    /// <summary>Appends the ids of a text in UTF-8, of which sequences may be broken. Called by several threads at once.</summary>
    internal delegate void EncodeText(ReadOnlySpan<byte> utf8, List<int> ids);

    /// <summary>Reads all documents and appends them to <paramref name="outputs"/>, which the caller completes.</summary>
    /// <param name="documents">Enumerated once, on the calling thread.</param>
    /// <param name="outputs">Used on the calling thread.</param>
    /// <param name="report">Called on the calling thread after each portion with the sums so far.</param>
    /// <param name="shardIsComplete">
    /// Called on the calling thread when a document has filled a shard, with that document; the outputs have the sums up to and with it.
    /// </param>
    /// <param name="cancellation">Ends the work between portions.</param>
    /// <exception cref="InvalidDataException">A document is no text; the documents before it are written.</exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public void Run(
        IEnumerable<RawDocument> documents,
        PreparationOutputs outputs,
        Action<TokenizationProgress>? report = null,
        Action<RawDocument>? shardIsComplete = null,
        CancellationToken cancellation = default)
    {
        var scheduler = new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, _options.Workers).ConcurrentScheduler;
        var inWork = new Queue<Task<Portion>>();
        var portion = new Portion();
        foreach (var document in documents)
        {
            portion.Documents.Add(document);
            portion.StoredBytes += document.ByteCount;
            if (portion.StoredBytes + portion.Documents.Count >= _options.PortionBytes)
            {
                Send(portion);
                portion = inWork.Count < PortionsPerWorker * _options.Workers ? new Portion() : Receive();
            }
        }

        Send(portion);
        while (inWork.Count > 0)
        {
            Receive();
        }

        void Send(Portion full)
        {
            cancellation.ThrowIfCancellationRequested();
            inWork.Enqueue(Task.Factory.StartNew(() => Tokenize(full), cancellation, TaskCreationOptions.None, scheduler));
        }

        Portion Receive()
        {
            var done = inWork.Dequeue().GetAwaiter().GetResult();
            Write(done, outputs, shardIsComplete);
            report?.Invoke(outputs.Total);
            done.Clear();
            return done;
        }
    }

    private static void Write(Portion portion, PreparationOutputs outputs, Action<RawDocument>? shardIsComplete)
    {
        var ids = CollectionsMarshal.AsSpan(portion.Ids);
        var start = 0;
        for (var number = 0; number < portion.Documents.Count; number++)
        {
            var (end, textBytes, replaced, isValidation, leftOut) = portion.Outcomes[number];
            if (leftOut is not null)
            {
                outputs.LeaveOut(leftOut);
                continue;
            }

            if (outputs.Append(ids[start..end], textBytes, replaced, isValidation))
            {
                shardIsComplete?.Invoke(portion.Documents[number]);
            }

            start = end;
        }
    }

    private Portion Tokenize(Portion portion)
    {
        foreach (var document in portion.Documents)
        {
            portion.Outcomes.Add(Tokenize(document, portion.Ids));
        }

        return portion;
    }

    private Outcome Tokenize(RawDocument document, List<int> ids)
    {
        var text = document.Read(_options.Field, _options.SkipsBadLines, out var leftOut);
        if (leftOut is not null)
        {
            return new Outcome(ids.Count, 0, 0, IsValidation: false, leftOut);
        }

        if (_options.BeginOfTextId is { } begin)
        {
            ids.Add(begin);
        }

        _encode(text.Utf8, ids);
        if (_options.AppendEndOfText && _endOfTextId is { } end)
        {
            ids.Add(end);
        }

        return new Outcome(ids.Count, text.Utf8.Length, text.ReplacedSequences, _options.Validation?.Takes(text.Utf8) ?? false, null);
    }

    /// <summary>What became of a document.</summary>
    /// <param name="EndOfIds">Where its ids end among those of the portion.</param>
    /// <param name="TextBytes">Bytes of its text.</param>
    /// <param name="ReplacedSequences">Broken places in it.</param>
    /// <param name="IsValidation">Whether it is kept for validation.</param>
    /// <param name="LeftOut">Why it is none; null where it is one.</param>
    private readonly record struct Outcome(int EndOfIds, int TextBytes, long ReplacedSequences, bool IsValidation, LeftOutLine? LeftOut);

    /// <summary>Some consecutive documents, and then their ids, laid end to end.</summary>
    private sealed class Portion
    {
        public List<RawDocument> Documents { get; } = [];

        public List<int> Ids { get; } = [];

        public List<Outcome> Outcomes { get; } = [];

        public long StoredBytes { get; set; }

        public void Clear()
        {
            Documents.Clear();
            Ids.Clear();
            Outcomes.Clear();
            StoredBytes = 0;
        }
    }
}
