using System.Buffers;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Data.Files;

/// <summary>
/// A shard's file as a stream that repeats failed reads, opening the file anew, and refuses a file that is no longer the same. For one
/// thread at a time.
/// </summary>
internal sealed class ShardFile : Stream
{
    // Footers and page headers are read in small pieces, pages in large ones, which go past the buffer.
    private const int BufferBytes = 1 << 16;

    private readonly string _path;
    private readonly ReadAccess _access;
    private readonly CancellationToken _cancellation;
    private byte[]? _buffer;
    private readonly FileStamp _stamp;
    private SafeFileHandle? _file;
    private long _bufferStart;
    private int _bufferCount;
    private long _position;

    /// <param name="path">The file.</param>
    /// <param name="access">How often to repeat.</param>
    /// <param name="expected">What the file was when it was seen first; null when this is the first time.</param>
    /// <param name="cancellation">Ends a pause between repetitions.</param>
    /// <exception cref="FileNotFoundException">There is no such file, and there never was.</exception>
    /// <exception cref="ShardFileException">The file cannot be opened or is not as expected.</exception>
    public ShardFile(string path, ReadAccess access, FileStamp? expected, CancellationToken cancellation)
    {
        _path = path;
        _access = access;
        _cancellation = cancellation;
        _stamp = OpenRepeatedly(expected);
    }

    /// <summary>What the file was when it was opened first.</summary>
    public FileStamp Stamp => _stamp;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => _stamp.Length;

    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    /// <summary>Checks that the file is still the one that was opened. What was read before this returns is from one version of it.</summary>
    /// <exception cref="ShardFileException">It is not.</exception>
    public void RequireUnchanged() => OpenRepeatedly(_stamp);

    public override int Read(Span<byte> buffer)
    {
        if (_position >= _stamp.Length || buffer.IsEmpty)
        {
            return 0;
        }

        var count = buffer.Length < BufferBytes ? ReadBuffered(buffer) : ReadAt(buffer, _position);
        _position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Read(buffer.Span));
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => _position,
        _ => _stamp.Length,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        CloseHandle();
        if (_buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = null;
        }

        _bufferCount = 0;
        base.Dispose(disposing);
    }

    private int ReadBuffered(Span<byte> buffer)
    {
        var offset = _position - _bufferStart;
        if (offset < 0 || offset >= _bufferCount)
        {
            // Nothing is in the buffer while it is filled: filling may fail.
            _bufferCount = 0;
            _buffer ??= ArrayPool<byte>.Shared.Rent(BufferBytes);
            _bufferCount = ReadAt(_buffer, _position);
            _bufferStart = _position;
            offset = 0;
        }

        var count = Math.Min(buffer.Length, _bufferCount - (int)offset);
        _buffer.AsSpan((int)offset, count).CopyTo(buffer);
        return count;
    }

    private int ReadAt(Span<byte> target, long offset)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                if (_file is null)
                {
                    Open(_stamp);
                }

                var started = Stopwatch.GetTimestamp();
                var count = _access.Files.Read(_file!, target, offset);
                _access.AfterRead(_path, count, Stopwatch.GetElapsedTime(started));
                return count > 0 ? count : throw ShardFileException.Shrunk(_path, _stamp, offset);
            }
            catch (IOException exception) when (exception is not ShardFileException)
            {
                // A handle to a file system that failed may stay useless after it has recovered.
                CloseHandle();
                _access.AfterFailure(_path, $"reading {target.Length} bytes at byte {offset}", failures, exception, _cancellation);
            }
        }
    }

    private FileStamp OpenRepeatedly(FileStamp? expected)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                return Open(expected);
            }
            catch (IOException exception) when (exception is not ShardFileException && (expected is not null || !IsMissing(exception)))
            {
                _access.AfterFailure(_path, "opening it", failures, exception, _cancellation);
            }
        }
    }

    // A file that was there may come back; one that nobody has seen is a wrong name.
    private static bool IsMissing(IOException exception) => exception is FileNotFoundException or DirectoryNotFoundException;

    private FileStamp Open(FileStamp? expected)
    {
        try
        {
            _file ??= _access.Files.Open(_path);
            var stamp = _access.Files.StampOf(_file);
            return expected is { } before && stamp != before ? throw ShardFileException.Changed(_path, before, stamp) : stamp;
        }
        catch
        {
            CloseHandle();
            throw;
        }
    }

    private void CloseHandle()
    {
        _file?.Dispose();
        _file = null;
    }
}
