namespace KvShiftScale.Data;

/// <summary>
/// The order in which one epoch reads a source's row groups, and where each begins in the epoch's stream of tokens. Reshuffling costs
/// O(row groups) and no reading.
/// </summary>
internal sealed class EpochOrder
{
    private readonly int[] _tokens;
    private readonly int[] _order;
    private readonly long[] _starts;

    /// <param name="tokens">Tokens of each row group, in file order.</param>
    public EpochOrder(int[] tokens)
    {
        _tokens = tokens;
        _order = new int[tokens.Length];
        _starts = new long[tokens.Length + 1];
    }

    /// <summary>Row groups, those without tokens included.</summary>
    public int Count => _order.Length;

    /// <summary>Puts the row groups into the order named by <paramref name="key"/>.</summary>
    public void Shuffle(ulong key)
    {
        CounterRandom.Permute(_order, key);
        for (var place = 0; place < _order.Length; place++)
        {
            _starts[place + 1] = _starts[place] + _tokens[_order[place]];
        }
    }

    /// <summary>The row group, in file order, at a place of the epoch.</summary>
    public int RowGroupAt(int place) => _order[place];

    /// <summary>Tokens of the epoch before a place.</summary>
    public long StartOf(int place) => _starts[place];

    /// <summary>The place whose row group holds token <paramref name="token"/> of the epoch.</summary>
    public int PlaceOf(long token)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)token, (ulong)_starts[^1]);

        // The last place that starts at or before the token; row groups without tokens start where the next one does.
        var low = 0;
        var high = _order.Length - 1;
        while (low < high)
        {
            var middle = low + (high - low + 1) / 2;
            if (_starts[middle] <= token)
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
