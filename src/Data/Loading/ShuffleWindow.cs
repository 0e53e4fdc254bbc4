using System.Runtime.ExceptionServices;
using KvShiftScale.Core.Numbers;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Loading;

/// <summary>
/// Row groups that are in memory together, and their documents in shuffled order. Buffers are kept for the next use.
/// </summary>
internal sealed class ShuffleWindow
{
    private readonly DocumentGroup[] _groups;
    private readonly (ShardSummary Shard, int RowGroup)[] _sources;
    private (int Group, int Document)[] _inFileOrder = [];
    private int[] _order = [];

    // Places of the window before each document of the shuffled order, and all of them at the end.
    private long[] _starts = [0];

    public ShuffleWindow(int rowGroups)
    {
        _sources = new (ShardSummary, int)[rowGroups];
        _groups = new DocumentGroup[rowGroups];
        for (var i = 0; i < rowGroups; i++)
        {
            _groups[i] = new DocumentGroup();
        }
    }

    /// <summary>The epoch that the window is of; -1 for a window without content.</summary>
    public long Epoch { get; private set; } = -1;

    /// <summary>Number of the window in its epoch.</summary>
    public int Index { get; private set; }

    /// <summary>Row groups of the window; not all of them have as many.</summary>
    public int RowGroupCount { get; private set; }

    /// <summary>Documents, empty ones included.</summary>
    public int DocumentCount { get; private set; }

    /// <summary>Row groups that are still to be read; belongs to <see cref="RowGroupReaders"/>.</summary>
    internal int Left { get; set; }

    /// <summary>Why reading failed; belongs to <see cref="RowGroupReaders"/>.</summary>
    internal ExceptionDispatchInfo? Failure { get; set; }

    /// <summary>Names the content, which is read afterwards.</summary>
    public void Assign(long epoch, int index, EpochOrder order, (ShardSummary Shard, int RowGroup)[] rowGroups)
    {
        Epoch = epoch;
        Index = index;
        DocumentCount = 0;
        var first = order.FirstSlotOf(index);
        RowGroupCount = order.FirstSlotOf(index + 1) - first;
        for (var slot = 0; slot < RowGroupCount; slot++)
        {
            _sources[slot] = rowGroups[order.RowGroupAt(first + slot)];
        }
    }

    /// <summary>Decodes one of the row groups.</summary>
    public void Read(int slot, OpenShards shards) => shards.Read(_sources[slot].Shard, _sources[slot].RowGroup, _groups[slot]);

    /// <summary>Puts the documents of the row groups, all of which have been read, into the order named by <paramref name="key"/>.</summary>
    /// <param name="key">Names the order.</param>
    /// <param name="packing">Says what the places of a window are: tokens, or the rows of padded documents.</param>
    /// <param name="context">Tokens of a row's input.</param>
    public void Shuffle(ulong key, Packing packing, int context)
    {
        var count = 0;
        for (var slot = 0; slot < RowGroupCount; slot++)
        {
            count += _groups[slot].DocumentCount;
        }

        if (_order.Length < count)
        {
            _order = new int[count];
            _inFileOrder = new (int, int)[count];
            _starts = new long[count + 1];
        }

        var next = 0;
        for (var slot = 0; slot < RowGroupCount; slot++)
        {
            for (var document = 0; document < _groups[slot].DocumentCount; document++)
            {
                _inFileOrder[next++] = (slot, document);
            }
        }

        CounterRandom.Permute(_order.AsSpan(0, count), key);
        DocumentCount = count;
        for (var place = 0; place < count; place++)
        {
            var length = Length(place);
            _starts[place + 1] = _starts[place] + (packing == Packing.Pad ? DocumentLengths.PaddedRows(length, context) : length);
        }
    }

    /// <summary>The document that holds a place of the window, by its own place in the shuffled order, and how far behind its start that is.</summary>
    public (int Document, long Offset) Find(long place)
    {
        // The last document that starts at or before the place; empty ones start where the next one does.
        var (low, high) = (0, DocumentCount - 1);
        while (low < high)
        {
            var middle = low + (high - low + 1) / 2;
            (low, high) = _starts[middle] <= place ? (middle, high) : (low, middle - 1);
        }

        return (low, place - _starts[low]);
    }

    /// <summary>Ids of a document, by its place in the shuffled order.</summary>
    public ReadOnlySpan<int> Document(int place)
    {
        var (group, document) = _inFileOrder[_order[place]];
        return _groups[group].Document(document);
    }

    /// <summary>Where tokens of a document come from.</summary>
    public DocumentOrigin Origin(int place, int firstToken, int tokens)
    {
        var (group, document) = _inFileOrder[_order[place]];
        var (shard, rowGroup) = _sources[group];
        return new DocumentOrigin(shard.Path, rowGroup, document, firstToken, tokens);
    }

    /// <summary>Tokens of a document.</summary>
    public int Length(int place)
    {
        var (group, document) = _inFileOrder[_order[place]];
        return _groups[group].Length(document);
    }
}
