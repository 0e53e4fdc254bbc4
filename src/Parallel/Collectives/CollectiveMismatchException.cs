using KvShiftScale.Core;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// Ranks of a group have come to the same place with different collectives. Thrown on all of them before any data moves; the message
/// has what each differing rank asked for, and where.
/// </summary>
public sealed class CollectiveMismatchException : KvShiftException
{
    internal CollectiveMismatchException(string message)
        : base(message)
    {
    }

    /// <inheritdoc/>
    public override bool NeedsStack => true;
}
