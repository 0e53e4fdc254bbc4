using System.Text.Json;
using KvShiftScale.Core.Files;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// <c>metrics.jsonl</c> of a run: one JSON object a logged step, each step once. Every line reaches the operating system before
/// <see cref="Append"/> returns, so that a kill loses at most the line being written. Where the disk refuses, which training can do without,
/// lines are kept in memory until it takes them.
/// </summary>
public sealed class MetricsLog : IDisposable
{
    // Some megabytes: days of training at a line a minute.
    private const int MostWaiting = 10_000;

    private readonly string _path;
    private readonly LineFile _file;
    private readonly Action<string> _warn;
    private readonly Queue<byte[]> _waiting = [];
    private long _lost;
    private bool _isRefused;

    private MetricsLog(string path, Action<string> warn)
    {
        _path = path;
        _file = new LineFile(path);
        _warn = warn;
    }

    /// <summary>
    /// Opens the log of a run, or makes it. Lines beyond the step that the run goes on from are dropped, as is a last line that a kill
    /// cut short; the file changes from its old content to the new one at once.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="resumeStep">Step of the checkpoint that the run goes on from; 0 for a new run.</param>
    /// <param name="warn">Told when lines have to wait or are lost. Nothing given: nobody is.</param>
    /// <exception cref="InvalidDataException">A line other than the last is not a step record.</exception>
    public static MetricsLog Open(string path, long resumeStep, Action<string>? warn = null)
    {
        var content = File.Exists(path) ? File.ReadAllBytes(path) : [];
        var keptBytes = 0;
        foreach (var (record, end) in Lines(path, content))
        {
            if (record.Step > resumeStep)
            {
                break;
            }

            keptBytes = end;
        }

        if (keptBytes < content.Length)
        {
            DurableFile.Replace(path, content.AsSpan(0, keptBytes));
        }

        return new MetricsLog(path, warn ?? (_ => { }));
    }

    /// <summary>Reads the records of a log in order; a last line that a kill cut short is left out.</summary>
    /// <exception cref="InvalidDataException">A line other than the last is not a step record.</exception>
    public static IReadOnlyList<StepRecord> Read(string path) => [.. Lines(path, File.ReadAllBytes(path)).Select(line => line.Record)];

    /// <summary>Adds a line, behind those that wait.</summary>
    public void Append(StepRecord record)
    {
        _waiting.Enqueue(StepRecordJson.Write(record));
        if (_waiting.Count > MostWaiting)
        {
            _waiting.Dequeue();
            _lost++;
        }
        Write();
    }

    /// <summary>Closes the file, after a last attempt at the lines that wait.</summary>
    public void Dispose()
    {
        if (_waiting.Count > 0)
        {
            Write();
        }

        _lost += _waiting.Count;
        if (_lost > 0)
        {
            _warn($"{_lost} lines of {_path} are lost");
        }

        _lost = 0;
        _waiting.Clear();
        _file.Dispose();
    }

    private void Write()
    {
        try
        {
            while (_waiting.TryPeek(out var line))
            {
                _file.Append(line);
                _waiting.Dequeue();
            }
            _isRefused = false;
        }
        catch (IOException error)
        {
            if (!_isRefused)
            {
                _warn($"{_path} cannot be written: {error.Message}. Training goes on; lines wait in memory until the disk takes them");
            }

            _isRefused = true;
        }
    }

    /// <summary>Whole lines with the offset of the byte behind each.</summary>
    private static IEnumerable<(StepRecord Record, int End)> Lines(string path, byte[] content)
    {
        var start = 0;
        for (var line = 1; start < content.Length; line++)
        {
            var length = content.AsSpan(start).IndexOf((byte)'\n');
            if (length < 0)
            {
                yield break;
            }

            var end = start + length + 1;
            StepRecord? record = null;
            try
            {
                record = StepRecordJson.Read(content.AsSpan(start, length));
            }
            catch (JsonException error) when (end < content.Length)
            {
                throw new InvalidDataException(
                    $"{path}, line {line}: expected a JSON object with the fields of a logged step, found something else " +
                    $"({error.Message}). Remove the line, or move the file away to begin a new one.", error);
            }
            catch (JsonException)
            {
                yield break;
            }

            yield return (record, end);
            start = end;
        }
    }
}
