using KvShiftScale.Core.Numbers;
using KvShiftScale.Data.Loading;

namespace KvShiftScale.Data.Synthetic;

/// <summary>
/// Batches of fresh sequences of an induction task, without end. Sequence i of a stream depends on (seed, stream, i) alone, so batches of
/// any size cut the same sequences. For one thread.
/// </summary>
public sealed class InductionBatches : IMicroBatches
{
    private readonly InductionTask _task;
    private readonly InductionSequences _sequences;
    private readonly TokenBatchPool _pool;
    private readonly ulong _key;
    private readonly int _rows;
    private ulong _next;

    /// <param name="task">Sizes and generator.</param>
    /// <param name="seed">Names all streams.</param>
    /// <param name="stream">Training, evaluation and so on have streams of their own.</param>
    /// <param name="rowsPerStep">Sequences of one step.</param>
    /// <param name="rowsPerBatch">Sequences of one micro-batch; divides the former.</param>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    public InductionBatches(InductionTask task, long seed, int stream, int rowsPerStep, int rowsPerBatch)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rowsPerBatch);
        if (rowsPerStep < rowsPerBatch || rowsPerStep % rowsPerBatch != 0)
        {
            throw new ArgumentException($"{rowsPerStep} sequences a step in batches of {rowsPerBatch}; wanted a multiple");
        }

        _task = task;
        _sequences = new InductionSequences(task);
        _pool = new TokenBatchPool(task.Context);
        _key = CounterRandom.Key(unchecked((ulong)seed), unchecked((ulong)stream));
        _rows = rowsPerBatch;
        MicroBatchesPerStep = rowsPerStep / rowsPerBatch;
    }

    /// <inheritdoc/>
    public int MicroBatchesPerStep { get; }

    /// <inheritdoc/>
    public TokenBatch Next()
    {
        var batch = _pool.Rent(_rows);
        var (context, asked) = (_task.Context, 0L);
        for (var row = 0; row < _rows; row++)
        {
            asked += _sequences.Fill(CounterRandom.Key(_key, _next++), batch.Inputs.AsSpan(row * context, context),
                batch.Targets.AsSpan(row * context, context));
            for (var i = 0; i < context; i++)
            {
                batch.Positions[row * context + i] = i;
            }
        }
        batch.ValidTargets = asked;
        return batch;
    }
}
