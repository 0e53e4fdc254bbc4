namespace KvShiftScale.Parallel.Ledger;

/// <summary>
/// Ranks of a group have come to the same place with different collectives. Thrown on all of them before any data moves; the message
/// has what each differing rank asked for, and where.
/// </summary>
public sealed class CollectiveMismatchException : Exception
{
    internal CollectiveMismatchException(string message)
        : base(message)
    {
    }
}
