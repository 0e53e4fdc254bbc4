using System.Runtime.ExceptionServices;
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

    /// <summary>Row groups of the window; the last one of an epoch may have fewer.</summary>
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
        var first = index * _groups.Length;
        RowGroupCount = Math.Min(_groups.Length, order.Count - first);
        for (var slot = 0; slot < RowGroupCount; slot++)
        {
            _sources[slot] = rowGroups[order.RowGroupAt(first + slot)];
        }
    }

    /// <summary>Decodes one of the row groups.</summary>
    public void Read(int slot, OpenShards shards) => shards.Read(_sources[slot].Shard, _sources[slot].RowGroup, _groups[slot]);

    /// <summary>Puts the documents of the row groups, all of which have been read, into the order named by <paramref name="key"/>.</summary>
    public void Shuffle(ulong key)
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
