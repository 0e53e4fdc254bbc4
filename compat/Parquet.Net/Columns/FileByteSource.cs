using Microsoft.Win32.SafeHandles;

namespace Parquet.Columns;

/// <summary>A file opened by path. Reads are positional and block the caller: pages come from the page cache or a local disk.</summary>
internal sealed class FileByteSource(string path) : ByteSource
{
    private readonly SafeFileHandle _file = File.OpenHandle(path);

    public override string Name => path;

    public override long Length => RandomAccess.GetLength(_file);

    public override ValueTask DisposeAsync()
    {
        _file.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override ValueTask<int> ReadSomeAsync(long offset, Memory<byte> target, CancellationToken cancellationToken)
        => ValueTask.FromResult(RandomAccess.Read(_file, target.Span, offset));
}
