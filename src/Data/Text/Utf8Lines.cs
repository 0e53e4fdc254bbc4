namespace KvShiftScale.Data.Text;

/// <summary>Lines of bytes, ended by \n or \r\n, of any length up to that of an array.</summary>
internal sealed class Utf8Lines(Stream stream)
{
    private byte[] _buffer = new byte[1 << 17];
    private int _start;
    private int _end;
    private bool _ended;

    /// <summary>Goes to the next line and shows it without its end; it stays in place until the next call.</summary>
    /// <exception cref="InvalidDataException">The line is longer than an array can be.</exception>
    public bool TryRead(out ReadOnlySpan<byte> line)
    {
        var searched = 0;
        while (true)
        {
            var at = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (at >= 0)
            {
                line = _buffer.AsSpan(_start, searched + at);
                _start += searched + at + 1;
                break;
            }

            searched = _end - _start;
            if (_ended)
            {
                line = _buffer.AsSpan(_start, searched);
                _start = _end;
                if (searched == 0)
                {
                    return false;
                }

                break;
            }

            Fill();
        }

        if (line.EndsWith("\r"u8))
        {
            line = line[..^1];
        }

        return true;
    }

    private void Fill()
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        _end -= _start;
        _start = 0;
        if (_end == _buffer.Length)
        {
            if (_end == Array.MaxLength)
            {
                throw new InvalidDataException($"A line has more than {Array.MaxLength} bytes; divide it into documents.");
            }

            Array.Resize(ref _buffer, (int)Math.Min(2L * _buffer.Length, Array.MaxLength));
        }

        var count = stream.Read(_buffer, _end, _buffer.Length - _end);
        _end += count;
        _ended = count == 0;
    }
}
