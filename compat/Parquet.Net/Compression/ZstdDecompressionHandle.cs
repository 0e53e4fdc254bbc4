using System.Runtime.InteropServices;

namespace Parquet.Compression;

internal sealed class ZstdDecompressionHandle : SafeHandle
{
    public ZstdDecompressionHandle()
        : base(ZstdLibrary.ZSTD_createDCtx(), ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => ZstdLibrary.ZSTD_freeDCtx(handle) == 0;
}
