using System.Diagnostics;

namespace KvShiftScale.Data.Loading;

/// <summary>A bounded queue between the reading thread and the training thread.</summary>
/// <param name="capacity">Batches that fit.</param>
/// <param name="patience">A wait that is longer is told, and told again.</param>
/// <param name="stillWaiting">Told how long <see cref="Take"/> has waited so far.</param>
internal sealed class BatchQueue(int capacity, TimeSpan patience, Action<TimeSpan>? stillWaiting)
{
    private readonly object _lock = new();
    private readonly Queue<TokenBatch> _batches = new(capacity);
    private bool _isClosed;
    private long _waitTicks;

    /// <summary>Time that <see cref="Take"/> has waited in all.</summary>
    public TimeSpan Waited => Stopwatch.GetElapsedTime(0, Interlocked.Read(ref _waitTicks));

    /// <summary>Adds a batch, waiting for room. False when the queue is closed: the batch was not taken.</summary>
    public bool Put(TokenBatch batch)
    {
        lock (_lock)
        {
            while (_batches.Count == capacity && !_isClosed)
            {
                Monitor.Wait(_lock);
            }

            if (_isClosed)
            {
                return false;
            }

            _batches.Enqueue(batch);
            Monitor.PulseAll(_lock);
            return true;
        }
    }

    /// <summary>The next batch, waiting for one. Null when the queue is closed and empty.</summary>
    public TokenBatch? Take()
    {
        lock (_lock)
        {
            if (_batches.Count == 0 && !_isClosed)
            {
                var started = Stopwatch.GetTimestamp();
                while (_batches.Count == 0 && !_isClosed)
                {
                    if (!Monitor.Wait(_lock, patience))
                    {
                        stillWaiting?.Invoke(Stopwatch.GetElapsedTime(started));
                    }
                }

                Interlocked.Add(ref _waitTicks, Stopwatch.GetTimestamp() - started);
            }

            if (!_batches.TryDequeue(out var batch))
            {
                return null;
            }

            Monitor.PulseAll(_lock);
            return batch;
        }
    }

    /// <summary>Nothing is added any more; what is there can still be taken.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            Monitor.PulseAll(_lock);
        }
    }
}
