using System.Runtime.InteropServices;

namespace KvShiftScale.Data.Text.Compression;

/// <summary>A decompression context of libzstd.</summary>
internal sealed class ZstdStreamHandle : SafeHandle
{
    public ZstdStreamHandle() : base(0, ownsHandle: true)
    {
        SetHandle(ZstdLibrary.ZSTD_createDStream());
        if (IsInvalid)
        {
            throw new InsufficientMemoryException("zstd could not set memory aside for its work.");
        }
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        _ = ZstdLibrary.ZSTD_freeDStream(handle);
        return true;
    }
}
