using System.Diagnostics;
using KvShiftScale.Checkpoints.Folders;

namespace KvShiftScale.Checkpoints.Saving;

/// <summary>A save that has begun: what it is of, and the stage that a thread of this rank works on.</summary>
/// <param name="step">Step of the run.</param>
/// <param name="documents">What is written beside the tensors.</param>
/// <param name="probeLogits">What the model gave then.</param>
/// <param name="draft">Where it is written; null on all ranks but the first.</param>
internal sealed class SaveInFlight(long step, IReadOnlyList<CheckpointDocument> documents, double[] probeLogits, CheckpointDraft? draft) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly long _started = Stopwatch.GetTimestamp();
    private TimeSpan? _duration;

    /// <summary>Step of the run.</summary>
    public long Step => step;

    /// <summary>What is written beside the tensors.</summary>
    public IReadOnlyList<CheckpointDocument> Documents => documents;

    /// <summary>What the model gave for a fixed row then.</summary>
    public double[] ProbeLogits => probeLogits;

    /// <summary>Where it is written; null on all ranks but the first.</summary>
    public CheckpointDraft? Draft => draft;

    /// <summary>All ranks have written their files; the first makes a checkpoint of them.</summary>
    public bool IsCommitting { get; set; }

    /// <summary>This rank's part of the stage.</summary>
    public required Task Work { get; set; }

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
        draft?.Dispose();
        _stop.Dispose();
    }
}
