namespace KvShiftScale.Data;

/// <summary>
/// One source as an endless sequence of rows of context + 1 tokens. In each epoch row groups, and documents within them, come in an
/// order of their own; the documents are laid end to end and row i is tokens [i * context, (i + 1) * context], both included, so that
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

    private readonly DocumentGroup _group = new();
    private int[] _documents = [];
    private long _epoch = -1;
    private int _place = -1;

    // The cursor: a document of the loaded row group by its place in the shuffled order, and the token of the epoch at which it begins.
    private int _document;
    private long _documentStart;

    /// <param name="source">Where the documents are.</param>
    /// <param name="context">Tokens of a row's input.</param>
    /// <param name="key">Names the order; different for every source and seed.</param>
    /// <param name="shards">Opens the files; shared between the streams of one thread.</param>
    /// <exception cref="InvalidDataException">The source has no row of this context.</exception>
    public RowStream(ShardSource source, int context, ulong key, OpenShards shards)
    {
        _context = context;
        _key = key;
        _shards = shards;
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
    /// <param name="row">Forward steps within a row group cost nothing; others decode a row group.</param>
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
            var rest = _group.Document(_documents[_document])[offset..];
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

    private int CurrentLength => _group.Length(_documents[_document]);

    /// <summary>Moves to the document that holds a token and returns the token's place in it.</summary>
    private int Seek(long epoch, long token)
    {
        if (epoch != _epoch)
        {
            _order.Shuffle(CounterRandom.Key(_key, (ulong)epoch));
            _epoch = epoch;
            _place = -1;
        }

        var place = _order.PlaceOf(token);
        if (place != _place)
        {
            Load(place);
        }
        else if (token < _documentStart)
        {
            _document = 0;
            _documentStart = _order.StartOf(place);
        }

        while (token - _documentStart >= CurrentLength)
        {
            _documentStart += CurrentLength;
            _document++;
        }

        return (int)(token - _documentStart);
    }

    /// <summary>Moves to the next document that is not empty, in the next row group if need be.</summary>
    private void NextDocument()
    {
        do
        {
            _documentStart += CurrentLength;
            _document++;
            if (_document == _group.DocumentCount)
            {
                Load(_order.PlaceOf(_documentStart));
            }
        }
        while (CurrentLength == 0);
    }

    private void Load(int place)
    {
        // A failed read must not leave the place looking loaded.
        _place = -1;
        var rowGroup = _order.RowGroupAt(place);
        var (shard, index) = _rowGroups[rowGroup];
        _shards.Read(shard, index, _group);
        if (_documents.Length < _group.DocumentCount)
        {
            _documents = new int[_group.DocumentCount];
        }

        CounterRandom.Permute(
            _documents.AsSpan(0, _group.DocumentCount),
            CounterRandom.Key(CounterRandom.Key(_key, (ulong)_epoch), (ulong)rowGroup));
        _document = 0;
        _documentStart = _order.StartOf(place);
        _place = place;
    }
}
