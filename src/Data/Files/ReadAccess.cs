using System.Globalization;

namespace KvShiftScale.Data.Files;

/// <summary>
/// How shards are read from a file system that may be slow or fail for a while: a failed operation is repeated after a pause that
/// doubles each time, and told. Shared by the readers of a run; safe for several threads.
/// </summary>
public sealed class ReadAccess
{
    /// <summary>Repetitions unless configured otherwise: with <see cref="FirstPause"/>, 16 seconds in all.</summary>
    public const int DefaultRetries = 6;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private long _retryCount;

    /// <summary>Repetitions of an operation before it fails for good; 0 fails at once.</summary>
    public int Retries { get; init; } = DefaultRetries;

    /// <summary>Told, from the reading thread, of each repetition and each slow read.</summary>
    public Action<string>? Notice { get; init; }

    /// <summary>Repetitions so far, over all files.</summary>
    public long RetryCount => Interlocked.Read(ref _retryCount);

    internal FileSource Files { get; init; } = new();

    /// <summary>Pause before the first repetition.</summary>
    internal TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>A read that takes longer is told.</summary>
    internal TimeSpan SlowRead { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>After a failure: pauses, so that the caller may try again.</summary>
    /// <param name="failures">How often the operation has failed before.</param>
    /// <exception cref="ShardFileException">It has failed once more than <see cref="Retries"/> allows.</exception>
    /// <exception cref="OperationCanceledException">Cancelled during the pause.</exception>
    internal void AfterFailure(string path, string operation, int failures, IOException exception, CancellationToken cancellation)
    {
        if (failures >= Retries)
        {
            throw ShardFileException.Unreadable(path, operation, failures + 1, exception);
        }

        Interlocked.Increment(ref _retryCount);
        var pause = TimeSpan.FromTicks((long)Math.Min(FirstPause.Ticks * Math.Pow(2, failures), LongestPause.Ticks));
        Notice?.Invoke(string.Create(CultureInfo.InvariantCulture,
            $"{path}: {operation} failed: {exception.Message.TrimEnd('.')}. Repetition {failures + 1} of {Retries} in {pause.TotalSeconds:0.##} s."));
        cancellation.WaitHandle.WaitOne(pause);
        cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>After a success: tells when it took long.</summary>
    internal void AfterRead(string path, int bytes, TimeSpan taken)
    {
        if (taken > SlowRead)
        {
            Notice?.Invoke(string.Create(CultureInfo.InvariantCulture,
                $"{path}: reading {bytes} bytes took {taken.TotalSeconds:0.0} s; the file system is slow."));
        }
    }
}
