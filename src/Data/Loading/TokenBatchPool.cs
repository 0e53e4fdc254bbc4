namespace KvShiftScale.Data.Loading;

/// <summary>Batches that were disposed and wait to be filled again. Safe for several threads.</summary>
internal sealed class TokenBatchPool(int context)
{
    private readonly Lock _lock = new();

    // At most two sizes: full micro-batches and the remainder of a share.
    private readonly List<TokenBatch> _free = [];

    /// <summary>Batches made so far; all of them live as long as the pool.</summary>
    public int MadeCount { get; private set; }

    /// <summary>A batch of exactly <paramref name="rows"/> rows with undefined content.</summary>
    public TokenBatch Rent(int rows)
    {
        var batch = Take(rows);
        if (batch is null)
        {
            batch = new TokenBatch(rows, context, this);
            MadeCount++;
        }

        batch.MarkRented();
        return batch;
    }

    public void Return(TokenBatch batch)
    {
        lock (_lock)
        {
            _free.Add(batch);
        }
    }

    private TokenBatch? Take(int rows)
    {
        lock (_lock)
        {
            for (var i = _free.Count - 1; i >= 0; i--)
            {
                if (_free[i].Rows == rows)
                {
                    var batch = _free[i];
                    _free.RemoveAt(i);
                    return batch;
                }
            }
        }

        return null;
    }
}
