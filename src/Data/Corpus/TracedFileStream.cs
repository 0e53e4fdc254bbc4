using System.Security.Cryptography;
using KvShiftScale.Data.Decompression;

namespace KvShiftScale.Data.Corpus;

/// <summary>A file that is read from its beginning, with the number and the SHA-256 of the bytes read so far.</summary>
internal sealed class TracedFileStream : ForwardStream
{
    private const int BytesBetweenReports = 16 << 20;

    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly Action? _report;
    private long _reported;

    /// <param name="path">The file.</param>
    /// <param name="report">Called by whoever reads, after some MiB each.</param>
    public TracedFileStream(string path, Action? report = null)
    {
        _report = report;
        _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0, FileOptions.SequentialScan);
        Modified = File.GetLastWriteTimeUtc(_file.SafeFileHandle);
    }

    /// <summary>When the file was changed last, as it was opened.</summary>
    public DateTime Modified { get; }

    /// <summary>Bytes read so far.</summary>
    public long BytesRead { get; private set; }

    public override int Read(Span<byte> buffer)
    {
        var count = _file.Read(buffer);
        _hash.AppendData(buffer[..count]);
        BytesRead += count;
        if (BytesRead - _reported >= BytesBetweenReports)
        {
            _reported = BytesRead;
            _report?.Invoke();
        }

        return count;
    }

    /// <summary>Reads what a decompressor left, and gives the hash of all bytes in lower-case hexadecimal.</summary>
    public string Finish()
    {
        var rest = new byte[1 << 16];
        while (Read(rest) > 0)
        {
        }

        return Convert.ToHexStringLower(_hash.GetHashAndReset());
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _file.Dispose();
            _hash.Dispose();
        }

        base.Dispose(disposing);
    }
}
