using System.Runtime.InteropServices;

namespace Parquet.Compression;

internal sealed class ZstdDecompressionHandle : SafeHandle
{
    public ZstdDecompressionHandle()
        : base(0, ownsHandle: true)
    {
        SetHandle(ZstdLibrary.ZSTD_createDCtx());
        if (IsInvalid)
        {
            throw new InsufficientMemoryException("zstd could not set memory aside for its work.");
        }
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => ZstdLibrary.ZSTD_freeDCtx(handle) == 0;
}
