using System.Runtime.InteropServices;

namespace Parquet.Compression;

internal sealed class ZstdCompressionHandle : SafeHandle
{
    public ZstdCompressionHandle()
        : base(ZstdLibrary.ZSTD_createCCtx(), ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => ZstdLibrary.ZSTD_freeCCtx(handle) == 0;
}
