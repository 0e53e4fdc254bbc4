using System.Runtime.InteropServices;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Data;

/// <summary>
/// Turns documents into token shards: several threads tokenize, one reads documents and writes them in the order in which they came.
/// A few portions of text per thread are in memory at a time, however long the input is.
/// </summary>
public sealed class TokenizationPipeline
{
    /// <summary>Characters after which a portion goes to a worker: milliseconds of work, so that handing over costs nothing.</summary>
    private const int PortionCharacters = 1 << 18;

    private const int PortionsPerWorker = 2;

    private readonly Action<string, List<int>> _encode;
    private readonly int _endOfTextId;
    private readonly TokenizationOptions _options;

    /// <param name="tokenizer">Used by all threads at once.</param>
    /// <param name="options">End of text and threads.</param>
    public TokenizationPipeline(TokenizerModel tokenizer, TokenizationOptions options)
        : this(tokenizer.Encode, tokenizer.EndOfTextId, options)
    {
    }

    internal TokenizationPipeline(Action<string, List<int>> encode, int endOfTextId, TokenizationOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Workers, 1);
        _encode = encode;
        _endOfTextId = endOfTextId;
        _options = options;
    }

    /// <summary>Reads all documents and appends them to <paramref name="writer"/>, which the caller completes.</summary>
    /// <param name="documents">Enumerated once, on the calling thread.</param>
    /// <param name="writer">Used on the calling thread.</param>
    /// <param name="report">Called on the calling thread after each portion with the sums so far.</param>
    /// <param name="cancellation">Ends the work between portions.</param>
    /// <returns>The sums over everything.</returns>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public TokenizationProgress Run(
        IEnumerable<TextDocument> documents,
        ShardFolderWriter writer,
        Action<TokenizationProgress>? report = null,
        CancellationToken cancellation = default)
    {
        var scheduler = new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, _options.Workers).ConcurrentScheduler;
        var inWork = new Queue<Task<Portion>>();
        var progress = default(TokenizationProgress);
        var portion = new Portion();
        foreach (var document in documents)
        {
            portion.Texts.Add(document.Text);
            portion.Characters += document.Text.Length;
            if (portion.Characters + portion.Texts.Count >= PortionCharacters)
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

        return progress;

        void Send(Portion full)
        {
            cancellation.ThrowIfCancellationRequested();
            inWork.Enqueue(Task.Factory.StartNew(() => Tokenize(full), cancellation, TaskCreationOptions.None, scheduler));
        }

        Portion Receive()
        {
            var done = inWork.Dequeue().GetAwaiter().GetResult();
            Write(done, writer);
            progress = new TokenizationProgress(
                progress.Documents + done.Texts.Count, progress.Characters + done.Characters, progress.Tokens + done.Ids.Count);
            report?.Invoke(progress);
            done.Clear();
            return done;
        }
    }

    private static void Write(Portion portion, ShardFolderWriter writer)
    {
        var ids = CollectionsMarshal.AsSpan(portion.Ids);
        var start = 0;
        foreach (var end in portion.Ends)
        {
            writer.Append(ids[start..end]);
            start = end;
        }
    }

    private Portion Tokenize(Portion portion)
    {
        foreach (var text in portion.Texts)
        {
            _encode(text, portion.Ids);
            if (_options.AppendEndOfText)
            {
                portion.Ids.Add(_endOfTextId);
            }

            portion.Ends.Add(portion.Ids.Count);
        }

        return portion;
    }

    /// <summary>Some consecutive documents: their texts and then their ids, laid end to end.</summary>
    private sealed class Portion
    {
        public List<string> Texts { get; } = [];

        public List<int> Ids { get; } = [];

        public List<int> Ends { get; } = [];

        public long Characters { get; set; }

        public void Clear()
        {
            Texts.Clear();
            Ids.Clear();
            Ends.Clear();
            Characters = 0;
        }
    }
}
