using System.Globalization;

namespace KvShiftScale.Data.Files;

/// <summary>What tells that a file is no longer the one that was seen before, without reading it.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="WrittenAt">Last modification, UTC.</param>
public readonly record struct FileStamp(long Length, DateTime WrittenAt)
{
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"{Length} bytes, written {WrittenAt:yyyy-MM-dd HH:mm:ss.fff} UTC");
}
