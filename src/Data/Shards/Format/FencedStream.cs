using System.Runtime.ExceptionServices;
using KvShiftScale.Data.Files;

namespace KvShiftScale.Data.Shards.Format;

/// <summary>
/// A shard's file as the package reads it. The footer comes from memory, the pages of a chunk only after they have been checked, and the
/// exception with which a read ends is kept, of which the package hands only the text on. For one thread at a time.
/// </summary>
internal sealed class FencedStream(ShardFile file) : Stream
{
    private ReadOnlyMemory<byte> _footer;
    private long _footerStart = long.MaxValue;
    private ExceptionDispatchInfo? _failure;
    private ColumnChunk _chunk;
    private uint? _checksum;
    private bool _isAwaited;

    /// <summary>Bytes of the largest page of the chunk that was read last, when it is decompressed.</summary>
    public int LargestPage { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => file.Length;

    public override long Position { get; set; }

    /// <summary>Answers reads at and behind <paramref name="start"/> from memory; nothing is kept of an empty one.</summary>
    public void KeepFooter(long start, ReadOnlyMemory<byte> footer)
        => (_footer, _footerStart) = (footer, footer.IsEmpty ? long.MaxValue : start);

    /// <summary>Names the chunk that is read next.</summary>
    /// <param name="chunk">Its place, inside of the file.</param>
    /// <param name="checksum">CRC-32C of its bytes, where the writer has kept it.</param>
    public void Await(in ColumnChunk chunk, uint? checksum)
        => (_chunk, _checksum, _isAwaited, LargestPage) = (chunk, checksum, true, 0);

    /// <summary>Makes sure that the chunk has gone through here, and not past the checks.</summary>
    /// <exception cref="InvalidDataException">It has not: the package sees another footer than we do.</exception>
    public void RequireChecked()
    {
        if (_isAwaited)
        {
            throw new InvalidDataException("the package has not read the chunk where the footer places it, so that its pages went unchecked");
        }
    }

    /// <summary>Throws what a read ended with, if one did.</summary>
    public void ThrowFailure()
    {
        var failure = _failure;
        _failure = null;
        failure?.Throw();
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return ReadChecked(buffer);
        }
        catch (Exception exception) when (Keep(exception))
        {
            throw;
        }
    }

    // Whoever asked the package rethrows it.
    private bool Keep(Exception exception)
    {
        _failure = ExceptionDispatchInfo.Capture(exception);
        return true;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => Position,
        _ => Length,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int ReadChecked(Span<byte> buffer)
    {
        if (Position >= _footerStart)
        {
            var rest = _footer.Span[(int)Math.Min(Position - _footerStart, _footer.Length)..];
            var count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            Position += count;
            return count;
        }

        file.Position = Position;
        var isChunk = _isAwaited && Position == _chunk.Start && buffer.Length >= _chunk.StoredBytes;
        var read = isChunk ? file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false) : file.Read(buffer);
        Position += read;
        if (isChunk)
        {
            // In native memory by now, of which the package knows nothing before this returns.
            Check(buffer[..(int)_chunk.StoredBytes]);
            _isAwaited = false;
        }

        return read;
    }

    private void Check(ReadOnlySpan<byte> pages)
    {
        if (_checksum is { } stated && Crc32C.Of(pages) is var found && found != stated)
        {
            throw new InvalidDataException($"its {pages.Length} bytes have checksum {found:x8}, the file's metadata states {stated:x8}");
        }

        LargestPage = PageCheck.LargestPage(_chunk, pages);
    }
}
