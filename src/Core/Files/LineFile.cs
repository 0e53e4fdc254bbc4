using KvShiftScale.Core.Faults;
using Microsoft.Win32.SafeHandles;

namespace KvShiftScale.Core.Files;

/// <summary>A file of lines that has all of a line or nothing of it when the disk refuses. One process writes it.</summary>
public sealed class LineFile : IDisposable
{
    private readonly SafeFileHandle _file;
    private long _length;

    /// <summary>Opens the file, or makes it.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public LineFile(string path)
    {
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        _length = RandomAccess.GetLength(_file);
    }

    /// <summary>Adds a line with its end, which reaches the operating system before this returns.</summary>
    /// <exception cref="IOException">The disk refuses; the file is as it was.</exception>
    public void Append(ReadOnlySpan<byte> line)
    {
        try
        {
            InjectedFaults.Reach("line.write");
            RandomAccess.Write(_file, line, _length);
        }
        catch (IOException)
        {
            // A disk that becomes full takes the beginning of a line.
            RandomAccess.SetLength(_file, _length);
            throw;
        }
        _length += line.Length;
    }

    public void Dispose() => _file.Dispose();
}
