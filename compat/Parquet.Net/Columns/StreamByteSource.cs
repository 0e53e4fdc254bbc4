namespace Parquet.Columns;

/// <summary>A stream that can seek. Its position is shared, so one read at a time.</summary>
internal sealed class StreamByteSource(Stream stream, bool leaveOpen) : ByteSource
{
    // A file opened for synchronous reads would otherwise be read on a thread of the pool, with a task for each read.
    private readonly FileStream? _synchronousFile = stream is FileStream { IsAsync: false } file ? file : null;

    public override string Name { get; } = stream is FileStream named ? named.Name : "the stream";

    public override long Length => stream.Length;

    public override ValueTask DisposeAsync() => leaveOpen ? ValueTask.CompletedTask : stream.DisposeAsync();

    protected override ValueTask<int> ReadSomeAsync(long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        stream.Position = offset;
        return _synchronousFile != null ? ValueTask.FromResult(_synchronousFile.Read(target.Span)) : stream.ReadAsync(target, cancellationToken);
    }
}
