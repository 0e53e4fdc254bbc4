namespace Parquet.Columns;

/// <summary>The bytes of a file, by position.</summary>
internal abstract class ByteSource : IAsyncDisposable
{
    /// <summary>What error messages call the file.</summary>
    public abstract string Name { get; }

    public abstract long Length { get; }

    /// <summary>Fills all of <paramref name="target"/> from byte <paramref name="offset"/> on.</summary>
    public async ValueTask ReadAsync(long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        while (target.Length > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = await ReadSomeAsync(offset, target, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                throw new ParquetException($"{Name}: the file ends at byte {offset}, {target.Length} bytes early; it was cut meanwhile.");
            }

            offset += read;
            target = target[read..];
        }
    }

    public abstract ValueTask DisposeAsync();

    protected abstract ValueTask<int> ReadSomeAsync(long offset, Memory<byte> target, CancellationToken cancellationToken);
}
