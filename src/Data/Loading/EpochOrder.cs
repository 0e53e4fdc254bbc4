using KvShiftScale.Core.Numbers;

namespace KvShiftScale.Data.Loading;

/// <summary>
/// The order in which one epoch reads a source's row groups, where each begins in the epoch, and which of them are a window together.
/// Places of an epoch are tokens where documents are concatenated, and rows where they are padded. Reshuffling costs O(row groups) and
/// no reading.
/// </summary>
internal sealed class EpochOrder
{
    private readonly int[] _sizes;
    private readonly int[] _order;
    private readonly long[] _starts;
    private readonly int _windowRowGroups;
    private readonly bool _evenWindows;

    /// <param name="sizes">Places that each row group takes, in file order.</param>
    /// <param name="windowRowGroups">Most row groups of a window.</param>
    /// <param name="evenWindows">
    /// Windows have the same number of row groups to within one; otherwise all but the last are full, and that one may be a single row group.
    /// </param>
    public EpochOrder(int[] sizes, int windowRowGroups, bool evenWindows)
    {
        _windowRowGroups = windowRowGroups;
        _evenWindows = evenWindows;
        WindowCount = (int)(((long)sizes.Length + windowRowGroups - 1) / windowRowGroups);
        _sizes = sizes;
        _order = new int[sizes.Length];
        _starts = new long[sizes.Length + 1];
    }

    /// <summary>The epoch that the order is of; -1 before the first <see cref="Shuffle"/>.</summary>
    public long Epoch { get; private set; } = -1;

    /// <summary>Windows of an epoch.</summary>
    public int WindowCount { get; }

    /// <summary>Puts the row groups into the order of an epoch.</summary>
    /// <param name="epoch">Its number.</param>
    /// <param name="key">Names the order.</param>
    public void Shuffle(long epoch, ulong key)
    {
        CounterRandom.Permute(_order, key);
        for (var slot = 0; slot < _order.Length; slot++)
        {
            _starts[slot + 1] = _starts[slot] + _sizes[_order[slot]];
        }

        Epoch = epoch;
    }

    /// <summary>The row group, in file order, at a slot of the epoch.</summary>
    public int RowGroupAt(int slot) => _order[slot];

    /// <summary>Places of the epoch before a slot.</summary>
    public long StartOf(int slot) => _starts[slot];

    /// <summary>The first slot of a window; that of the window behind the last one is the number of row groups, empty ones included.</summary>
    public int FirstSlotOf(int window)
        => _evenWindows ? (int)((long)window * _order.Length / WindowCount) : (int)Math.Min((long)window * _windowRowGroups, _order.Length);

    /// <summary>The window whose row groups hold a place of the epoch.</summary>
    public int WindowOf(long place)
    {
        var slot = SlotOf(place);
        return _evenWindows ? (int)(((slot + 1L) * WindowCount - 1) / _order.Length) : slot / _windowRowGroups;
    }

    // The slot whose row group holds a place of the epoch.
    private int SlotOf(long place)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)place, (ulong)_starts[^1]);

        // The last slot that starts at or before the place; row groups without places start where the next one does.
        var low = 0;
        var high = _order.Length - 1;
        while (low < high)
        {
            var middle = low + (high - low + 1) / 2;
            if (_starts[middle] <= place)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return low;
    }
}
