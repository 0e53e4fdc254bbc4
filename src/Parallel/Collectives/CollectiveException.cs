using KvShiftScale.Core;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// A collective or the forming of a group failed. The message has the rank, the operation, the number and type of the elements, and
/// MPI's own text. The group is not to be used afterwards: other ranks may wait in the failed operation for ever, so the usual
/// answer is <see cref="ParallelContext.Abort"/>.
/// </summary>
public sealed class CollectiveException : KvShiftException
{
    internal CollectiveException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <inheritdoc/>
    public override bool NeedsStack => true;
}
