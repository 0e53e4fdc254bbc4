using System.Globalization;
using System.Text;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>
/// <c>log.txt</c> of a run: what the console says, each line with its time, one launch after the other. Training does without it where the
/// disk refuses.
/// </summary>
/// <param name="warn">Told once that lines are no longer kept.</param>
/// <param name="time">Clock of the lines.</param>
internal sealed class RunLog(Action<string> warn, TimeProvider time) : IDisposable
{
    private readonly Lock _lock = new();

    // What is said before a launch has the folder for its own.
    private readonly List<string> _before = [];
    private StreamWriter? _file;
    private bool _isRefused;

    /// <summary>Begins to write, with what was said before. Later calls do nothing.</summary>
    public void Open(string path)
    {
        lock (_lock)
        {
            if (_file is not null || _isRefused)
            {
                return;
            }

            Try(() =>
            {
                _file = new StreamWriter(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite), new UTF8Encoding(false)) { AutoFlush = true };
                foreach (var line in _before)
                {
                    _file.WriteLine(line);
                }
            });
            _before.Clear();
        }
    }

    /// <summary>Adds a line.</summary>
    public void Add(string sentence)
    {
        var line = string.Create(CultureInfo.InvariantCulture, $"{time.GetLocalNow():yyyy-MM-dd HH:mm:ss} {sentence}");
        lock (_lock)
        {
            if (_file is not null)
            {
                Try(() => _file.WriteLine(line));
            }
            else if (!_isRefused)
            {
                _before.Add(line);
            }
        }
    }

    /// <summary>Ends the file; what is still said is not kept.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isRefused = true;
            Try(Close);
        }
    }

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _isRefused = true;
            warn($"the log is no longer written: {error.Message}");
            Close();
        }
    }

    // Every line has reached the system before.
    private void Close()
    {
        var file = _file;
        _file = null;
        file?.Dispose();
    }
}
