using System.Diagnostics;
using KvShiftScale.Checkpoints.Folders;

namespace KvShiftScale.Checkpoints.Saving;

/// <summary>A save that has begun: what it is of, and the stage that a thread of this rank works on.</summary>
internal sealed class SaveInFlight : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly long _started = Stopwatch.GetTimestamp();
    private TimeSpan? _duration;

    /// <summary>Step of the run.</summary>
    public required long Step { get; init; }

    /// <summary>What is written beside the tensors.</summary>
    public required IReadOnlyList<CheckpointDocument> Documents { get; init; }

    /// <summary>What the model gave for a fixed row then.</summary>
    public required double[] ProbeLogits { get; init; }

    /// <summary>Where it is written; null on all ranks but the first.</summary>
    public required CheckpointDraft? Draft { get; init; }

    /// <summary>All ranks have written their files; the first makes a checkpoint of them.</summary>
    public bool IsCommitting { get; set; }

    /// <summary>This rank's part of the stage.</summary>
    public Task Work { get; set; } = Task.CompletedTask;

    /// <summary>What a person should know of a save that has succeeded; to be told from the thread that trains, once the work is over.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Asks the work to end.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>Time from its beginning to the finished checkpoint, or until now where this rank does not know of one.</summary>
    public TimeSpan Elapsed => _duration ?? Stopwatch.GetElapsedTime(_started);

    /// <summary>There is a checkpoint; what comes after it, the deletion of older ones, is no part of the save.</summary>
    public void TakeDuration() => _duration = Stopwatch.GetElapsedTime(_started);

    /// <summary>Waits for this rank's part of the stage, however it ends.</summary>
    public void Wait() => Task.WaitAny(Work);

    /// <summary>Ends the work between two pieces and waits for that.</summary>
    /// <returns>It has ended in time.</returns>
    public bool Cancel(TimeSpan patience)
    {
        _stop.Cancel();
        return Task.WaitAny([Work], patience) >= 0;
    }

    public void Dispose()
    {
        Draft?.Dispose();
        _stop.Dispose();
    }
}
