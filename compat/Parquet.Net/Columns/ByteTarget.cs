namespace Parquet.Columns;

/// <summary>Appends to a stream and counts, so that the stream need not be able to seek.</summary>
internal sealed class ByteTarget(Stream stream)
{
    /// <summary>Bytes written so far: the position in the file.</summary>
    public long Position { get; private set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        Position += bytes.Length;
    }

    public Task FlushAsync() => stream.FlushAsync();
}
