using System.Runtime.ExceptionServices;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Shards;

namespace KvShiftScale.Data.Loading;

/// <summary>
/// Threads that decode row groups, in the order in which windows were handed in. What they read does not depend on their number.
/// </summary>
internal sealed class RowGroupReaders : IDisposable
{
    private readonly object _lock = new();
    private readonly Queue<(ShuffleWindow Window, int Slot)> _jobs = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly int? _vocabularySize;
    private readonly ReadAccess _access;
    private readonly Thread[] _threads;

    public RowGroupReaders(int threads, int? vocabularySize, ReadAccess access)
    {
        _vocabularySize = vocabularySize;
        _access = access;
        _threads = new Thread[threads];
        for (var i = 0; i < threads; i++)
        {
            _threads[i] = new Thread(Read) { IsBackground = true, Name = $"shards {i}" };
            _threads[i].Start();
        }
    }

    /// <summary>Begins to read all row groups of a window, which is left alone until it has been waited for.</summary>
    public void Start(ShuffleWindow window)
    {
        lock (_lock)
        {
            window.Left = window.RowGroupCount;
            window.Failure = null;
            for (var slot = 0; slot < window.RowGroupCount; slot++)
            {
                _jobs.Enqueue((window, slot));
            }

            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Returns when all row groups of a window have been read.</summary>
    /// <exception cref="InvalidDataException">One of them is damaged.</exception>
    /// <exception cref="IOException">One of them cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The readers are being closed.</exception>
    public void WaitFor(ShuffleWindow window)
    {
        WaitUntilIdle(window);
        window.Failure?.Throw();
    }

    /// <summary>The same without a look at how it went.</summary>
    public void WaitUntilIdle(ShuffleWindow window)
    {
        lock (_lock)
        {
            while (window.Left > 0)
            {
                if (_stopping.IsCancellationRequested)
                {
                    throw new OperationCanceledException("The readers of shards are closed.");
                }

                Monitor.Wait(_lock);
            }
        }
    }

    /// <summary>Stops after the row groups at work and closes the files.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _stopping.Cancel();
            Monitor.PulseAll(_lock);
        }

        foreach (var thread in _threads)
        {
            thread.Join();
        }

        _stopping.Dispose();
    }

    private void Read()
    {
        using var shards = new OpenShards(_vocabularySize, _access, _stopping.Token);
        while (Take() is { Window: { } window, Slot: var slot })
        {
            ExceptionDispatchInfo? failure = null;
            try
            {
                window.Read(slot, shards);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                // Whoever waits for the window throws it.
                failure = ExceptionDispatchInfo.Capture(exception);
            }

            lock (_lock)
            {
                window.Failure ??= failure;
                window.Left--;
                Monitor.PulseAll(_lock);
            }
        }
    }

    private (ShuffleWindow? Window, int Slot) Take()
    {
        lock (_lock)
        {
            while (_jobs.Count == 0 && !_stopping.IsCancellationRequested)
            {
                Monitor.Wait(_lock);
            }

            return _stopping.IsCancellationRequested ? default : _jobs.Dequeue();
        }
    }
}
