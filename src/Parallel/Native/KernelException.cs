using KvShiftScale.Core;

namespace KvShiftScale.Parallel.Native;

/// <summary>A kernel of libkvshift refused its arguments or failed.</summary>
public sealed class KernelException(int status, string text) : KvShiftException($"libkvshift: {text} (status {status})")
{
    /// <inheritdoc/>
    public override bool NeedsStack => true;
}
