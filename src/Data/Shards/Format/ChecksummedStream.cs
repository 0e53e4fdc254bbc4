namespace KvShiftScale.Data.Shards.Format;

/// <summary>Writes on to another stream, from front to back, and knows the CRC-32C of what was written since it was last asked to start anew.</summary>
internal sealed class ChecksummedStream(Stream target) : Stream
{
    private uint _state = uint.MaxValue;

    public uint Checksum => ~_state;

    public override bool CanRead => false;

    // The writer asks for the position, and goes nowhere.
    public override bool CanSeek => true;

    public override bool CanWrite => true;

    public override long Length => target.Length;

    public override long Position
    {
        get => target.Position;
        set => throw new NotSupportedException();
    }

    public void Restart() => _state = uint.MaxValue;

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _state = Crc32C.Append(_state, buffer);
        target.Write(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush() => target.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
