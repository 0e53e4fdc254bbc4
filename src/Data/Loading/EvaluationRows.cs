using KvShiftScale.Data.Configuration;

namespace KvShiftScale.Data.Loading;

/// <summary>Packs windows into rows, in order, and the rows of one share into batches.</summary>
internal sealed class EvaluationRows(int context, int batchRows, DataShare share, long rowLimit, TokenBatchPool pool)
{
    // The batch being filled and its finished rows; the row being filled and the part of it that is taken.
    private TokenBatch? _batch;
    private int _rowsInBatch;
    private long _row;
    private int _used;

    /// <summary>Whether a window of this many inputs goes into the current row.</summary>
    public bool HasRoom(int inputs) => _used + inputs <= context;

    /// <summary>Whether the row limit is reached.</summary>
    public bool IsFull => _row >= rowLimit;

    private bool IsMine => _row % share.Count == share.Index;

    /// <summary>Adds a window of at most context inputs; its ids are one more, each the target of the one before it.</summary>
    public void Add(ReadOnlySpan<int> ids)
    {
        var count = ids.Length - 1;
        if (IsMine)
        {
            if (_batch is null)
            {
                _batch = pool.Rent(batchRows);
                _batch.ValidTargets = 0;
                _batch.TokenCount = 0;
            }

            var at = _rowsInBatch * context + _used;
            ids[..^1].CopyTo(_batch.Inputs.AsSpan(at));
            ids[1..].CopyTo(_batch.Targets.AsSpan(at));
            RowLayout.CountUp(_batch.Positions.AsSpan(at, count));
            _batch.ValidTargets += count;
            _batch.TokenCount += count;
        }

        _used += count;
    }

    /// <summary>Pads the current row, if it has a window, and goes to the next one. Returns the batch that this completes.</summary>
    public TokenBatch? EndRow()
    {
        if (_used == 0)
        {
            return null;
        }

        TokenBatch? complete = null;
        if (IsMine && _batch is not null)
        {
            var at = _rowsInBatch * context + _used;
            var rest = context - _used;
            RowLayout.Pad(_batch.Inputs.AsSpan(at, rest), _batch.Targets.AsSpan(at, rest), _batch.Positions.AsSpan(at, rest));
            if (++_rowsInBatch == batchRows)
            {
                complete = _batch;
                _batch = null;
                _rowsInBatch = 0;
            }
        }

        _row++;
        _used = 0;
        return complete;
    }

    /// <summary>The rows that do not fill a batch, as a batch of their number.</summary>
    public TokenBatch? Rest()
    {
        if (_batch is null)
        {
            return null;
        }

        var rest = pool.Rent(_rowsInBatch);
        var count = _rowsInBatch * context;
        _batch.Inputs.AsSpan(0, count).CopyTo(rest.Inputs);
        _batch.Targets.AsSpan(0, count).CopyTo(rest.Targets);
        _batch.Positions.AsSpan(0, count).CopyTo(rest.Positions);
        rest.ValidTargets = _batch.ValidTargets;
        rest.TokenCount = _batch.TokenCount;
        _batch.Dispose();
        _batch = null;
        _rowsInBatch = 0;
        return rest;
    }
}
