using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// Any <see cref="ICollectives"/> with the ledger around them: a call is recorded with the place that it came from, which callers in between hand
/// through, compared with the other ranks' where these compare theirs, and counted.
/// </summary>
public sealed class RecordedCollectives : IDisposable
{
    private readonly ICollectives _inner;
    private readonly GroupLedger _ledger;

    private readonly int _rank;

    internal RecordedCollectives(ICollectives inner, GroupLedger ledger, int rank) => (_inner, _ledger, _rank) = (inner, ledger, rank);

    /// <inheritdoc cref="ICollectives.AllReduce"/>
    public void AllReduce(Tensor tensor, ReduceOperation operation = ReduceOperation.Sum, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var call = Begin(CollectiveOperation.AllReduce, tensor, tensor, (int)operation, file, line);
        _inner.AllReduce(tensor, operation);
        _ledger.End(call);
    }

    /// <inheritdoc cref="ICollectives.ReduceScatter"/>
    public void ReduceScatter(Tensor whole, Tensor part, ReduceOperation operation = ReduceOperation.Sum, [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        RequireParts(whole, part);
        var call = Begin(CollectiveOperation.ReduceScatter, part, whole, (int)operation, file, line);
        _inner.ReduceScatter(whole, part, operation);
        _ledger.End(call);
    }

    /// <inheritdoc cref="ICollectives.AllGather"/>
    public void AllGather(Tensor part, Tensor whole, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        RequireParts(whole, part);
        var call = Begin(CollectiveOperation.AllGather, part, whole, -1, file, line);
        _inner.AllGather(part, whole);
        _ledger.End(call);
    }

    /// <inheritdoc cref="ICollectives.Broadcast"/>
    public void Broadcast(Tensor tensor, int root, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        RequireRank(root, nameof(root));
        var call = Begin(CollectiveOperation.Broadcast, tensor, tensor, root, file, line);
        _inner.Broadcast(tensor, root);
        _ledger.End(call);
    }

    /// <inheritdoc cref="ICollectives.Send"/>
    public void Send(Tensor tensor, int receiver, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var call = BeginMessage(CollectiveOperation.Send, tensor, receiver, file, line);
        _inner.Send(tensor, receiver);
        _ledger.End(call);
    }

    /// <inheritdoc cref="ICollectives.Receive"/>
    public void Receive(Tensor tensor, int sender, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var call = BeginMessage(CollectiveOperation.Receive, tensor, sender, file, line);
        _inner.Receive(tensor, sender);
        _ledger.End(call);
    }

    /// <inheritdoc cref="ICollectives.StartSend"/>
    public Work StartSend(Tensor tensor, int receiver, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var call = BeginMessage(CollectiveOperation.Send, tensor, receiver, file, line);
        var work = _inner.StartSend(tensor, receiver);
        return new RecordedWork(work, _ledger, _ledger.Start(call));
    }

    /// <inheritdoc cref="ICollectives.StartReceive"/>
    public Work StartReceive(Tensor tensor, int sender, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        var call = BeginMessage(CollectiveOperation.Receive, tensor, sender, file, line);
        var work = _inner.StartReceive(tensor, sender);
        return new RecordedWork(work, _ledger, _ledger.Start(call));
    }

    /// <inheritdoc cref="ICollectives.Allocate"/>
    public Tensor? Allocate(long elementCount, ScalarType type) => _inner.Allocate(elementCount, type);

    public void Dispose() => _inner.Dispose();

    // counted: what each rank gives or gets; whole: what goes through the operation.
    private GroupLedger.Recorded Begin(CollectiveOperation operation, Tensor counted, Tensor whole, int variant, string file, int line)
        => _ledger.Begin(new CollectiveCall(operation, counted.ElementType(), counted.numel(), variant, file, line), whole.numel() * whole.element_size());

    private GroupLedger.Recorded BeginMessage(CollectiveOperation operation, Tensor tensor, int peer, string file, int line)
    {
        RequireRank(peer, nameof(peer));
        if (peer == _rank)
        {
            throw new InvalidOperationException($"rank {peer} of the {_ledger.Group.Name} group has nothing to tell itself");
        }

        return _ledger.BeginMessage(new CollectiveCall(operation, tensor.ElementType(), tensor.numel(), peer, file, line), tensor.numel() * tensor.element_size());
    }

    // What is wrong in the same way on every rank is found before any of them waits for another.
    private void RequireRank(int rank, string name)
    {
        var size = _ledger.Group.Members.Count;
        if (rank < 0 || rank >= size)
        {
            throw new ArgumentOutOfRangeException(name, rank, $"The {_ledger.Group.Name} group has ranks 0 to {size - 1}.");
        }
    }

    private void RequireParts(Tensor whole, Tensor part)
    {
        var size = _ledger.Group.Members.Count;
        if (whole.numel() != size * part.numel() || whole.dtype != part.dtype)
        {
            throw new ArgumentException($"{part.numel()} elements of {part.dtype} are no part of {whole.numel()} of {whole.dtype} for {size} ranks", nameof(part));
        }
    }

    private sealed class RecordedWork(Work work, GroupLedger ledger, GroupLedger.Recorded call) : Work
    {
        private bool _isEnded;

        public override bool IsCompleted => work.IsCompleted;

        public override void Wait()
        {
            if (_isEnded)
            {
                return;
            }

            _isEnded = true;
            var resumed = ledger.Resume(call);
            work.Wait();
            ledger.End(resumed);
        }
    }
}
