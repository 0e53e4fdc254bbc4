using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// A <c>kvs_group</c>. Freed by Dispose alone: freeing a group is collective, and the finalizer's thread must not call MPI, so a group
/// that nobody disposed stays until the process ends.
/// </summary>
internal sealed class GroupHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    public GroupHandle()
        : base(ownsHandle: true)
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing)
        {
            SetHandleAsInvalid();
        }

        base.Dispose(disposing);
    }

    protected override bool ReleaseHandle() => CollectivesLibrary.Free(handle);
}
