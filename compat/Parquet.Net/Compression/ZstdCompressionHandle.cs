using System.Runtime.InteropServices;

namespace Parquet.Compression;

internal sealed class ZstdCompressionHandle : SafeHandle
{
    public ZstdCompressionHandle()
        : base(0, ownsHandle: true)
    {
        SetHandle(ZstdLibrary.ZSTD_createCCtx());
        if (IsInvalid)
        {
            throw new InsufficientMemoryException("zstd could not set memory aside for its work.");
        }
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => ZstdLibrary.ZSTD_freeCCtx(handle) == 0;
}
