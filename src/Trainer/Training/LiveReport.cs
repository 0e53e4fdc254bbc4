namespace KvShiftScale.Trainer.Training;

/// <summary>The report while the run goes on: written beside training, by one thread at a time. Training never waits for it.</summary>
/// <param name="write">Writes the report of a state.</param>
/// <param name="every">How often, and after a save.</param>
/// <param name="time">Clock.</param>
/// <param name="warn">Told when it could not be written.</param>
internal sealed class LiveReport(Action<TrainingState> write, TimeSpan every, TimeProvider time, Action<string> warn)
{
    // Saves that follow each other closely have one report.
    private static readonly TimeSpan LeastPause = TimeSpan.FromSeconds(10);

    private long _last = time.GetTimestamp();
    private Task _writing = Task.CompletedTask;

    /// <summary>Begins to write, where that is due and the one before is done.</summary>
    /// <param name="state">The run after a step.</param>
    /// <param name="isSaved">The step is one that is saved.</param>
    public void WriteIfDue(TrainingState state, bool isSaved)
    {
        var age = time.GetElapsedTime(_last);
        if (!_writing.IsCompleted || age < every && !(isSaved && age >= LeastPause))
        {
            return;
        }

        _last = time.GetTimestamp();
        _writing = Task.Run(() => Write(state));
    }

    /// <summary>Waits for what is being written.</summary>
    public void Finish() => _writing.Wait();

    private void Write(TrainingState state)
    {
        try
        {
            write(state);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            warn($"the report could not be written: {error.Message}");
        }
    }
}
