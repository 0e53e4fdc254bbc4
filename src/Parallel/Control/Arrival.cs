using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Collectives;

namespace KvShiftScale.Parallel.Control;

/// <summary>
/// Whether all ranks of a group have come to one place, asked for now and then instead of waited for: a started sum of one number, which is done when
/// they have. One at a time.
/// </summary>
internal sealed unsafe class Arrival : IDisposable
{
    private readonly int* _token = (int*)NativeMemory.AllocZeroed(sizeof(int));
    private GroupLedger? _ledger;
    private GroupLedger.Recorded _call;
    private nint _work;
    private bool _isAwaited;
    private volatile bool _isOut;

    /// <summary>It was begun and has not ended: MPI still holds its memory.</summary>
    public bool IsOut => _isOut;

    /// <summary>This rank has come. Collective, like all that follow.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void Begin(ProcessGroup group, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        _isOut = true;
        _isAwaited = false;
        _ledger = group.Ledger;
        var call = _ledger.Begin(new CollectiveCall(CollectiveOperation.AllReduce, CollectiveDataType.Int32, 1, (int)ReduceOperation.Sum, file, line), sizeof(int));
        _work = CollectivesLibrary.StartAllReduce(group.Handle!, CollectiveDataType.Int32, ReduceOperation.Sum, (nint)_token, 1);
        _call = _ledger.Start(call);
    }

    /// <summary>Whether all have come, now or within that time, in which the caller sleeps.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public bool IsCompleteWithin(long microseconds) => CollectivesLibrary.TestFor(_work, microseconds);

    /// <summary>Records that the caller has nothing else to do.</summary>
    public void MarkAwaited()
    {
        if (!_isAwaited)
        {
            _isAwaited = true;
            _ledger!.Resume(_call);
        }
    }

    /// <summary>Ends it when all have come.</summary>
    /// <exception cref="CollectiveException">MPI failed.</exception>
    public void End()
    {
        var call = _ledger!.Resume(_call);
        CollectivesLibrary.Wait(_work);
        _ledger.End(call);
        _isOut = false;
    }

    public void Dispose()
    {
        // What was given up may still be written to.
        if (!_isOut)
        {
            NativeMemory.Free(_token);
        }
    }
}
