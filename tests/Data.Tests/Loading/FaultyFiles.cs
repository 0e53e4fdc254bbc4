using KvShiftScale.Data.Files;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Data.Tests.Loading;

/// <summary>The real file system, except that operations fail when a test says so.</summary>
internal sealed class FaultyFiles : FileSource
{
    private int _failures;
    private int _reads;

    /// <summary>Operations that failed.</summary>
    public int Failures => _failures;

    /// <summary>Asked before each read with the number of reads before it; true lets it fail.</summary>
    public Func<int, bool> FailsRead { get; set; } = _ => false;

    /// <summary>Asked before each opening; true lets it fail.</summary>
    public Func<string, bool> FailsOpen { get; set; } = _ => false;

    /// <summary>Bytes that a read gives at most.</summary>
    public int LargestRead { get; set; } = int.MaxValue;

    public override SafeFileHandle Open(string path)
    {
        FailIf(FailsOpen(path));
        return base.Open(path);
    }

    public override int Read(SafeFileHandle file, Span<byte> target, long offset)
    {
        var failing = FailsRead(Interlocked.Increment(ref _reads) - 1);
        if (failing)
        {
            // What a failed read leaves in the buffer must not be taken for data.
            target.Fill(0xA5);
        }

        FailIf(failing);
        return base.Read(file, target[..Math.Min(target.Length, LargestRead)], offset);
    }

    private void FailIf(bool failing)
    {
        if (failing)
        {
            Interlocked.Increment(ref _failures);
            throw new IOException("Input/output error");
        }
    }
}
