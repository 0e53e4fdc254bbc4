using KvShiftScale.Data.Shards;
namespace KvShiftScale.Data.Loading;

/// <summary>
/// One source as an endless sequence of rows. In each epoch row groups come in an order of their own; some of them at a time form a
/// window, and the documents of a window are shuffled together. While one window is used, the next one is read.
/// </summary>
/// <remarks>
/// Concatenated, documents are laid end to end and row i of an epoch is tokens [i * context, (i + 1) * context], both included, so that
/// every token but the first is a target once. What is left at the end of an epoch and is shorter than a row is dropped in that epoch.
/// Padded, a document of L tokens has ceil((L - 1) / context) rows; row k of it is its tokens [k * context, (k + 1) * context], both
/// included, as far as they go.
/// </remarks>
internal sealed class RowStream
{
    private readonly int _context;
    private readonly Packing _packing;
    private readonly int _windowRowGroups;
    private readonly ulong _key;
    private readonly RowGroupReaders _readers;
    private readonly (ShardSummary Shard, int RowGroup)[] _rowGroups;
    private readonly long _rowsPerEpoch;

    // Of even and of odd epochs: the window that is read ahead may belong to the next one.
    private readonly EpochOrder[] _orders;

    private ShuffleWindow _window;
    private ShuffleWindow _ahead;

    // The cursor: a document of the window by its place in the shuffled order, and the place of the epoch at which it begins.
    private int _document;
    private long _documentStart;

    /// <param name="source">Where the documents are; counted.</param>
    /// <param name="context">Tokens of a row's input.</param>
    /// <param name="packing">How documents become rows.</param>
    /// <param name="key">Names the order; different for every source and seed.</param>
    /// <param name="windowRowGroups">Row groups whose documents are shuffled together.</param>
    /// <param name="readers">Decode the row groups; shared between streams.</param>
    /// <exception cref="InvalidDataException">The source has no row of this context.</exception>
    public RowStream(ShardSource source, int context, Packing packing, ulong key, int windowRowGroups, RowGroupReaders readers)
    {
        _context = context;
        _packing = packing;
        _key = key;
        _readers = readers;
        _rowGroups = [.. source.Shards.SelectMany(shard => Enumerable.Range(0, shard.RowGroups.Count).Select(group => (shard, group)))];
        _windowRowGroups = Math.Min(windowRowGroups, Math.Max(_rowGroups.Length, 1));
        _window = new ShuffleWindow(_windowRowGroups);
        _ahead = new ShuffleWindow(_windowRowGroups);

        var sizes = _packing == Packing.Pad ? PaddedRowsOf(source) : TokensOf(source);
        _orders = [new EpochOrder(sizes), new EpochOrder(sizes)];
        _rowsPerEpoch = _packing == Packing.Pad ? sizes.Sum(rows => (long)rows) : (source.TokenCount - 1) / context;
        if (_rowsPerEpoch < 1)
        {
            throw new InvalidDataException(_packing == Packing.Pad
                ? $"'{source.Glob}' has no document of two tokens or more among its {source.DocumentCount}. Add data."
                : $"'{source.Glob}' has {source.TokenCount} tokens, but one row of data.context {context} takes {context + 1}. "
                + "Add data or lower data.context.");
        }
    }

    /// <summary>Number of the epoch that a row belongs to.</summary>
    public long EpochOf(long row) => PlaceOf(row).Epoch;

    /// <summary>Begins to read the window of a row, without waiting for it.</summary>
    public void Prefetch(long row)
    {
        var (epoch, place) = PlaceOf(row);
        var window = WindowOf(epoch, place);
        if (!IsAt(_window, epoch, window))
        {
            StartAhead(epoch, window);
        }
    }

    /// <summary>Reads row <paramref name="row"/> of the sequence over all epochs.</summary>
    /// <param name="row">Forward steps wait for the window that was read ahead at most; others read a window.</param>
    /// <param name="tokens">Receives the ids; room for context + 1.</param>
    /// <param name="documentStarts">Receives the places in [1, context] of the row at which a document begins; room for context.</param>
    /// <param name="origins">Receives what was read, where somebody wants to know.</param>
    public RowContent Read(long row, Span<int> tokens, Span<int> documentStarts, List<DocumentOrigin>? origins = null)
    {
        var (epoch, place) = PlaceOf(row);
        var offset = Seek(epoch, place);
        if (_packing == Packing.Pad)
        {
            var rest = _window.Document(_document)[(offset * _context)..];
            var part = rest[..Math.Min(rest.Length, _context + 1)];
            part.CopyTo(tokens);
            origins?.Add(_window.Origin(_document, offset * _context, part.Length));
            return new RowContent(part.Length, 0);
        }

        var written = 0;
        var startCount = 0;
        while (true)
        {
            var rest = _window.Document(_document)[offset..];
            var count = Math.Min(rest.Length, tokens.Length - written);
            rest[..count].CopyTo(tokens[written..]);
            written += count;
            if (count > 0)
            {
                origins?.Add(_window.Origin(_document, offset, count));
            }

            if (written == tokens.Length)
            {
                return new RowContent(written, startCount);
            }

            NextDocument();
            offset = 0;
            documentStarts[startCount++] = written;
        }
    }

    // Places of the epoch that the current document takes.
    private int CurrentSize
    {
        get
        {
            var length = _window.Length(_document);
            return _packing == Packing.Pad ? RowLayout.PaddedRows(length, _context) : length;
        }
    }

    private static int[] TokensOf(ShardSource source) => [.. source.Shards.SelectMany(shard => shard.RowGroups).Select(counts => counts.Tokens)];

    private static int[] PaddedRowsOf(ShardSource source) => [.. source.Shards.SelectMany(shard => shard.PaddedRows
        ?? throw new InvalidOperationException($"{shard.Path}: the catalog was opened without counting rows for data.packing: pad."))];

    private static bool IsAt(ShuffleWindow window, long epoch, int index) => window.Epoch == epoch && window.Index == index;

    private (long Epoch, long Place) PlaceOf(long row)
    {
        var (epoch, rowOfEpoch) = Math.DivRem(row, _rowsPerEpoch);
        return (epoch, _packing == Packing.Pad ? rowOfEpoch : rowOfEpoch * _context);
    }

    private int WindowOf(long epoch, long place) => OrderOf(epoch).SlotOf(place) / _windowRowGroups;

    private EpochOrder OrderOf(long epoch)
    {
        var order = _orders[epoch & 1];
        if (order.Epoch != epoch)
        {
            order.Shuffle(epoch, CounterRandom.Key(_key, (ulong)epoch));
        }

        return order;
    }

    /// <summary>Moves to the document that holds a place of an epoch, and returns how far behind the document's start it is.</summary>
    private int Seek(long epoch, long place)
    {
        var window = WindowOf(epoch, place);
        if (!IsAt(_window, epoch, window))
        {
            Enter(epoch, window);
        }
        else if (place < _documentStart)
        {
            Rewind();
        }

        for (int size; place - _documentStart >= (size = CurrentSize);)
        {
            _documentStart += size;
            _document++;
        }

        return (int)(place - _documentStart);
    }

    /// <summary>Moves to the next document that is not empty, in the next window if need be.</summary>
    private void NextDocument()
    {
        do
        {
            _documentStart += CurrentSize;
            _document++;
            if (_document == _window.DocumentCount)
            {
                Enter(_window.Epoch, WindowOf(_window.Epoch, _documentStart));
            }
        }
        while (CurrentSize == 0);
    }

    /// <summary>Makes a window the current one, and begins to read the one behind it.</summary>
    private void Enter(long epoch, int index)
    {
        StartAhead(epoch, index);
        _readers.WaitFor(_ahead);
        var order = OrderOf(epoch);
        _ahead.Shuffle(CounterRandom.Key(
            CounterRandom.Key(_key, (ulong)epoch), (ulong)order.RowGroupAt(index * _windowRowGroups)));
        (_window, _ahead) = (_ahead, _window);
        Rewind();

        var (nextEpoch, nextPlace) = (epoch, order.StartOf(index * _windowRowGroups + _window.RowGroupCount));
        var placesUsed = _packing == Packing.Pad ? _rowsPerEpoch : _rowsPerEpoch * _context + 1;
        if (nextPlace >= placesUsed)
        {
            (nextEpoch, nextPlace) = (epoch + 1, 0);
        }

        StartAhead(nextEpoch, WindowOf(nextEpoch, nextPlace));
    }

    private void Rewind()
    {
        _document = 0;
        _documentStart = OrderOf(_window.Epoch).StartOf(_window.Index * _windowRowGroups);
    }

    private void StartAhead(long epoch, int index)
    {
        if (IsAt(_ahead, epoch, index))
        {
            return;
        }

        // Its buffers may still be written to; a failure in a window that nobody wants any more is of no interest.
        _readers.WaitUntilIdle(_ahead);
        _ahead.Assign(epoch, index, OrderOf(epoch), _rowGroups);
        _readers.Start(_ahead);
    }
}
