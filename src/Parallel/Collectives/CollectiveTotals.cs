namespace KvShiftScale.Parallel.Collectives;

/// <summary>What one operation of a group has cost this rank so far.</summary>
/// <param name="Operation">The operation, its blocking and its started form together.</param>
/// <param name="Calls">Number of calls.</param>
/// <param name="ByteCount">Bytes of the whole buffer, summed over calls: all parts of a scattered or gathered one.</param>
/// <param name="Seconds">
/// Time in which the caller could do nothing else: of a started operation the start and the wait, not what ran beside them.
/// </param>
public readonly record struct CollectiveTotals(CollectiveOperation Operation, long Calls, long ByteCount, double Seconds)
{
    /// <summary>Name of the operation in the words of MPI and NCCL: <c>all_reduce</c>.</summary>
    public string Name => CollectiveCall.NameOf(Operation);
}
