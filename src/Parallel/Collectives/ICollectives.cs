using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// Collectives over contiguous tensors, and messages between two ranks, for one group. Every rank of the group calls the same collectives in the
/// same order, one at a time; other groups may be busy meanwhile. Failures are <see cref="CollectiveException"/>s.
/// </summary>
/// <remarks>
/// What moves the data, and nothing else: callers go through <see cref="RecordedCollectives"/>, which has looked at shapes, types and ranks before.
/// </remarks>
public interface ICollectives : IDisposable
{
    /// <summary>Reduces a tensor in place; every rank has the same bits then.</summary>
    void AllReduce(Tensor tensor, ReduceOperation operation);

    /// <summary>Reduces <paramref name="whole"/>, [size * n] elements; rank r gets the r-th part of the result.</summary>
    /// <param name="whole">What is reduced.</param>
    /// <param name="part">[n] elements apart from it, or this rank's own part of it.</param>
    /// <param name="operation">How.</param>
    void ReduceScatter(Tensor whole, Tensor part, ReduceOperation operation);

    /// <summary>Gives every rank the parts of all, in the order of the ranks.</summary>
    /// <param name="part">[n] elements apart from <paramref name="whole"/>, or this rank's own part of it.</param>
    /// <param name="whole">[size * n] elements.</param>
    void AllGather(Tensor part, Tensor whole);

    /// <summary>Gives every rank the root's tensor.</summary>
    void Broadcast(Tensor tensor, int root);

    /// <summary>Sends to a rank, which receives as many elements of the same type. Returns when the tensor may change.</summary>
    void Send(Tensor tensor, int receiver);

    /// <summary>Receives what a rank sends, in the order in which that sends it.</summary>
    /// <exception cref="CollectiveException">It sent another type or number of elements. The text says which.</exception>
    void Receive(Tensor tensor, int sender);

    /// <summary>Starts <see cref="Send"/>.</summary>
    Work StartSend(Tensor tensor, int receiver);

    /// <summary>Starts <see cref="Receive"/>; what the sender sent instead is an exception of the work.</summary>
    Work StartReceive(Tensor tensor, int sender);

    /// <summary>
    /// Zeros, [elements], in memory where sums of this group are cheapest; a tensor that the caller owns. Null on every rank where no such memory is
    /// to be had, or some rank asks for no elements. Collective.
    /// </summary>
    Tensor? Allocate(long elementCount, ScalarType type);
}
