namespace Parquet.Columns;

/// <summary>A stream that can seek. Its position is shared, so one read at a time.</summary>
internal sealed class StreamByteSource(Stream stream, bool leaveOpen) : ByteSource
{
    public override string Name { get; } = stream is FileStream file ? file.Name : "the stream";

    public override long Length => stream.Length;

    public override ValueTask DisposeAsync() => leaveOpen ? ValueTask.CompletedTask : stream.DisposeAsync();

    protected override ValueTask<int> ReadSomeAsync(long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        stream.Position = offset;
        return stream.ReadAsync(target, cancellationToken);
    }
}
