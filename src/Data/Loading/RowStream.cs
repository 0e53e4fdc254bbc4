namespace KvShiftScale.Data;

/// <summary>
/// One source as an endless sequence of rows of context + 1 tokens. In each epoch row groups come in an order of their own; some of them
/// at a time form a window, and the documents of a window are shuffled together. The documents are laid end to end and row i is tokens [i * context, (i + 1) * context], both included, so that
/// every token but the first is a target once. What is left at the end of an epoch and is shorter than a row is dropped in that epoch.
/// </summary>
internal sealed class RowStream
{
    private readonly int _context;
    private readonly ulong _key;
    private readonly OpenShards _shards;
    private readonly (ShardSummary Shard, int RowGroup)[] _rowGroups;
    private readonly EpochOrder _order;
    private readonly long _rowsPerEpoch;

    private readonly DocumentGroup[] _window;
    private (int Group, int Document)[] _inFileOrder = [];
    private int[] _documents = [];
    private int _documentCount;
    private long _epoch = -1;
    private int _windowIndex = -1;

    // The cursor: a document of the loaded window by its place in the shuffled order, and the token of the epoch at which it begins.
    private int _document;
    private long _documentStart;

    /// <param name="source">Where the documents are.</param>
    /// <param name="context">Tokens of a row's input.</param>
    /// <param name="key">Names the order; different for every source and seed.</param>
    /// <param name="windowRowGroups">Row groups whose documents are shuffled together.</param>
    /// <param name="shards">Opens the files; shared between the streams of one thread.</param>
    /// <exception cref="InvalidDataException">The source has no row of this context.</exception>
    public RowStream(ShardSource source, int context, ulong key, int windowRowGroups, OpenShards shards)
    {
        _context = context;
        _key = key;
        _shards = shards;
        _window = new DocumentGroup[windowRowGroups];
        for (var i = 0; i < _window.Length; i++)
        {
            _window[i] = new DocumentGroup();
        }

        _rowGroups = [.. source.Shards.SelectMany(shard => Enumerable.Range(0, shard.RowGroups.Count).Select(group => (shard, group)))];
        _order = new EpochOrder([.. source.Shards.SelectMany(shard => shard.RowGroups).Select(counts => counts.Tokens)]);
        _rowsPerEpoch = (source.TokenCount - 1) / context;
        if (_rowsPerEpoch < 1)
        {
            throw new InvalidDataException(
                $"'{source.Glob}' has {source.TokenCount} tokens, but one row of data.context {context} takes {context + 1}. "
                + "Add data or lower data.context.");
        }
    }

    /// <summary>Reads row <paramref name="row"/> of the sequence over all epochs.</summary>
    /// <param name="row">Forward steps within a window cost nothing; others decode its row groups.</param>
    /// <param name="tokens">Receives context + 1 ids.</param>
    /// <param name="documentStarts">Receives the places in [1, context] of the row at which a document begins; room for context.</param>
    /// <returns>Number of document starts.</returns>
    public int Read(long row, Span<int> tokens, Span<int> documentStarts)
    {
        var offset = Seek(row / _rowsPerEpoch, row % _rowsPerEpoch * _context);
        var written = 0;
        var startCount = 0;
        while (true)
        {
            var (group, document) = _inFileOrder[_documents[_document]];
            var rest = _window[group].Document(document)[offset..];
            var count = Math.Min(rest.Length, tokens.Length - written);
            rest[..count].CopyTo(tokens[written..]);
            written += count;
            if (written == tokens.Length)
            {
                return startCount;
            }

            NextDocument();
            offset = 0;
            documentStarts[startCount++] = written;
        }
    }

    private int CurrentLength
    {
        get
        {
            var (group, document) = _inFileOrder[_documents[_document]];
            return _window[group].Length(document);
        }
    }

    /// <summary>Moves to the document that holds a token and returns the token's place in it.</summary>
    private int Seek(long epoch, long token)
    {
        if (epoch != _epoch)
        {
            _order.Shuffle(CounterRandom.Key(_key, (ulong)epoch));
            _epoch = epoch;
            _windowIndex = -1;
        }

        var window = _order.PlaceOf(token) / _window.Length;
        if (window != _windowIndex)
        {
            Load(window);
        }
        else if (token < _documentStart)
        {
            _document = 0;
            _documentStart = _order.StartOf(window * _window.Length);
        }

        while (token - _documentStart >= CurrentLength)
        {
            _documentStart += CurrentLength;
            _document++;
        }

        return (int)(token - _documentStart);
    }

    /// <summary>Moves to the next document that is not empty, in the next window if need be.</summary>
    private void NextDocument()
    {
        do
        {
            _documentStart += CurrentLength;
            _document++;
            if (_document == _documentCount)
            {
                Load(_order.PlaceOf(_documentStart) / _window.Length);
            }
        }
        while (CurrentLength == 0);
    }

    private void Load(int window)
    {
        // A failed read must not leave the window looking loaded.
        _windowIndex = -1;
        var first = window * _window.Length;
        var count = Math.Min(_window.Length, _order.Count - first);
        _documentCount = 0;
        for (var i = 0; i < count; i++)
        {
            var (shard, index) = _rowGroups[_order.RowGroupAt(first + i)];
            _shards.Read(shard, index, _window[i]);
            _documentCount += _window[i].DocumentCount;
        }

        if (_documents.Length < _documentCount)
        {
            _documents = new int[_documentCount];
            _inFileOrder = new (int, int)[_documentCount];
        }

        var next = 0;
        for (var i = 0; i < count; i++)
        {
            for (var document = 0; document < _window[i].DocumentCount; document++)
            {
                _inFileOrder[next++] = (i, document);
            }
        }

        CounterRandom.Permute(
            _documents.AsSpan(0, _documentCount),
            CounterRandom.Key(CounterRandom.Key(_key, (ulong)_epoch), (ulong)_order.RowGroupAt(first)));
        _document = 0;
        _documentStart = _order.StartOf(first);
        _windowIndex = window;
    }
}
