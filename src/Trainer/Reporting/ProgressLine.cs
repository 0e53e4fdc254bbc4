using System.Diagnostics;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>
/// One line on standard error that tells how far long work is: rewritten in place on a terminal, a new line every few seconds
/// elsewhere. Standard output stays for results.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private static readonly TimeSpan TerminalInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(5);

    private readonly bool _isTerminal = !Console.IsErrorRedirected;
    private readonly Lock _lock = new();
    private long _last = Stopwatch.GetTimestamp();
    private int _width;

    /// <summary>Shows the text, unless the last one is too recent.</summary>
    public void Update(string text)
    {
        lock (_lock)
        {
            if (Stopwatch.GetElapsedTime(_last) < (_isTerminal ? TerminalInterval : PlainInterval))
            {
                return;
            }

            _last = Stopwatch.GetTimestamp();
            Write(text);
        }
    }

    /// <summary>Shows the last text and ends the line.</summary>
    public void Done(string text)
    {
        lock (_lock)
        {
            Write(text);
            if (_isTerminal)
            {
                Console.Error.WriteLine();
            }

            _width = 0;
        }
    }

    public void Dispose()
    {
        if (_isTerminal && _width > 0)
        {
            Console.Error.WriteLine();
        }
    }

    private void Write(string text)
    {
        // A line that wraps could not be written over.
        if (_isTerminal && text.Length >= Console.BufferWidth && Console.BufferWidth > 1)
        {
            text = text[..(Console.BufferWidth - 1)];
        }

        if (_isTerminal)
        {
            Console.Error.Write("\r" + text.PadRight(_width));
        }
        else
        {
            Console.Error.WriteLine(text);
        }

        _width = text.Length;
    }
}
