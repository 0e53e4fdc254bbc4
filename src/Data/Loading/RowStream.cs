using KvShiftScale.Core.Numbers;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Loading;

/// <summary>
/// One source as an endless sequence of rows. In each epoch row groups come in an order of their own; some of them at a time form a
/// window, the documents of a window are shuffled together, and then the rows that they make. While one window is used, the next one is
/// read.
/// </summary>
/// <remarks>
/// Concatenated, documents are laid end to end and row i of an epoch is tokens [i * context, (i + 1) * context], both included, so that
/// every token but the first is a target once. What is left at the end of an epoch and is shorter than a row is dropped in that epoch.
/// Padded, a document of L tokens has ceil((L - 1) / context) rows; row k of it is its tokens [k * context, (k + 1) * context], both
/// included, as far as they go.
/// A row belongs to the window in which it begins. The rows that lie in it entirely are permuted; one that goes on in the next window
/// stays the last, so that no more than a window and the next one are needed at a time.
/// </remarks>
internal sealed class RowStream
{
    // Sets the order of a window's rows apart from that of its documents.
    private const ulong RowsOfWindow = 1;

    private readonly int _context;
    private readonly Packing _packing;
    private readonly RowOrder _rowOrder;
    private readonly ulong _key;
    private readonly RowGroupReaders _readers;
    private readonly (ShardSummary Shard, int RowGroup)[] _rowGroups;
    private readonly long _rowsPerEpoch;

    // Of even and of odd epochs: the window that is read ahead may belong to the next one.
    private readonly EpochOrder[] _orders;

    private ShuffleWindow _window;
    private ShuffleWindow _ahead;

    // Of the current window: the place of the epoch at which it begins, the first row of the epoch in it, how many rows are permuted, and how.
    private long _start;
    private long _firstRow;
    private long _permutedRows;
    private ulong _rowKey;

    /// <param name="source">Where the documents are; counted.</param>
    /// <param name="config">Context, packing, shuffling and order of rows.</param>
    /// <param name="key">Names the order; different for every source and seed.</param>
    /// <param name="readers">Decode the row groups; shared between streams.</param>
    /// <exception cref="InvalidDataException">The source has no row of this context.</exception>
    public RowStream(ShardSource source, DataConfig config, ulong key, RowGroupReaders readers)
    {
        _context = config.Context;
        _packing = config.Packing;
        _rowOrder = config.RowOrder ?? DataConfig.DefaultRowOrder;
        _key = key;
        _readers = readers;
        _rowGroups = [.. source.Shards.SelectMany(shard => Enumerable.Range(0, shard.RowGroups.Count).Select(group => (shard, group)))];
        var windowRowGroups = Math.Min(config.ShuffleRowGroups, Math.Max(_rowGroups.Length, 1));
        _window = new ShuffleWindow(windowRowGroups);
        _ahead = new ShuffleWindow(windowRowGroups);

        // Even windows keep a long document from filling a short one at the end of the epoch.
        var sizes = _packing == Packing.Pad ? PaddedRowsOf(source) : TokensOf(source);
        _orders = [.. Enumerable.Range(0, 2).Select(_ => new EpochOrder(sizes, windowRowGroups, evenWindows: _rowOrder == RowOrder.Shuffled))];
        _rowsPerEpoch = _packing == Packing.Pad ? sizes.Sum(rows => (long)rows) : (source.TokenCount - 1) / _context;
        if (_rowsPerEpoch < 1)
        {
            throw new InvalidDataException(_packing == Packing.Pad
                ? $"'{source.Glob}' has no document of two tokens or more among its {source.DocumentCount}. Add data."
                : $"'{source.Glob}' has {source.TokenCount} tokens, but one row of data.context {_context} takes {_context + 1}. "
                + "Add data or lower data.context.");
        }
    }

    /// <summary>Number of the epoch that a row belongs to.</summary>
    public long EpochOf(long row) => row / _rowsPerEpoch;

    /// <summary>Begins to read the window of a row, without waiting for it.</summary>
    public void Prefetch(long row)
    {
        var (epoch, rowOfEpoch) = Math.DivRem(row, _rowsPerEpoch);
        var window = OrderOf(epoch).WindowOf(PlaceOf(rowOfEpoch));
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
        var (epoch, rowOfEpoch) = Math.DivRem(row, _rowsPerEpoch);
        var window = OrderOf(epoch).WindowOf(PlaceOf(rowOfEpoch));
        if (!IsAt(_window, epoch, window))
        {
            Enter(epoch, window);
        }

        var (document, placesIn) = _window.Find(PlaceOf(Permuted(rowOfEpoch)) - _start);
        if (_packing == Packing.Pad)
        {
            var offset = (int)placesIn * _context;
            var rest = _window.Document(document)[offset..];
            var part = rest[..Math.Min(rest.Length, _context + 1)];
            part.CopyTo(tokens);
            origins?.Add(_window.Origin(document, offset, part.Length));
            return new RowContent(part.Length, 0);
        }

        return ReadOn(document, (int)placesIn, tokens, documentStarts, origins);
    }

    private static int[] TokensOf(ShardSource source) => [.. source.Shards.SelectMany(shard => shard.RowGroups).Select(counts => counts.Tokens)];

    private static int[] PaddedRowsOf(ShardSource source) => [.. source.Shards.SelectMany(shard => shard.PaddedRows
        ?? throw new InvalidOperationException($"{shard.Path}: the catalog was opened without counting rows for data.packing: pad."))];

    private static bool IsAt(ShuffleWindow window, long epoch, int index) => window.Epoch == epoch && window.Index == index;

    // Fills a row from a token of a document on with what follows, in the next windows if need be.
    private RowContent ReadOn(int document, int offset, Span<int> tokens, Span<int> documentStarts, List<DocumentOrigin>? origins)
    {
        var (written, startCount) = (0, 0);
        while (true)
        {
            var rest = _window.Document(document)[offset..];
            var count = Math.Min(rest.Length, tokens.Length - written);
            rest[..count].CopyTo(tokens[written..]);
            written += count;
            if (count > 0)
            {
                origins?.Add(_window.Origin(document, offset, count));
            }

            if (written == tokens.Length)
            {
                return new RowContent(written, startCount);
            }

            document = DocumentAfter(document);
            offset = 0;
            documentStarts[startCount++] = written;
        }
    }

    private long PlaceOf(long rowOfEpoch) => _packing == Packing.Pad ? rowOfEpoch : rowOfEpoch * _context;

    // The row of the epoch that comes in the place of one of the current window.
    private long Permuted(long rowOfEpoch)
    {
        var row = rowOfEpoch - _firstRow;
        return _rowOrder == RowOrder.Shuffled && row < _permutedRows
            ? _firstRow + CounterRandom.Permuted(row, _permutedRows, _rowKey)
            : rowOfEpoch;
    }

    private EpochOrder OrderOf(long epoch)
    {
        var order = _orders[epoch & 1];
        if (order.Epoch != epoch)
        {
            order.Shuffle(epoch, CounterRandom.Key(_key, (ulong)epoch));
        }

        return order;
    }

    // The next document that is not empty, in the next window if need be.
    private int DocumentAfter(int document)
    {
        do
        {
            if (++document == _window.DocumentCount)
            {
                var order = OrderOf(_window.Epoch);
                Enter(_window.Epoch, order.WindowOf(order.StartOf(order.FirstSlotOf(_window.Index + 1))));
                document = 0;
            }
        }
        while (_window.Length(document) == 0);
        return document;
    }

    /// <summary>Makes a window the current one, and begins to read the one behind it.</summary>
    private void Enter(long epoch, int index)
    {
        StartAhead(epoch, index);
        _readers.WaitFor(_ahead);
        var order = OrderOf(epoch);
        var firstSlot = order.FirstSlotOf(index);
        var key = CounterRandom.Key(CounterRandom.Key(_key, (ulong)epoch), (ulong)order.RowGroupAt(firstSlot));
        _ahead.Shuffle(key, _packing, _context);
        (_window, _ahead) = (_ahead, _window);

        _start = order.StartOf(firstSlot);
        var end = order.StartOf(firstSlot + _window.RowGroupCount);
        _firstRow = _packing == Packing.Pad ? _start : (_start + _context - 1) / _context;
        // A row has its last token in common with the next one, which may begin the next window.
        _permutedRows = (_packing == Packing.Pad ? end : (end - 1) / _context) - _firstRow;
        _rowKey = CounterRandom.Key(key, RowsOfWindow);

        var (nextEpoch, nextPlace) = (epoch, end);
        var placesUsed = _packing == Packing.Pad ? _rowsPerEpoch : _rowsPerEpoch * _context + 1;
        if (nextPlace >= placesUsed)
        {
            (nextEpoch, nextPlace) = (epoch + 1, 0);
        }

        StartAhead(nextEpoch, OrderOf(nextEpoch).WindowOf(nextPlace));
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
