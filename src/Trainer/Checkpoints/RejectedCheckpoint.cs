namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>A folder that looks like a checkpoint but cannot be gone on from.</summary>
/// <param name="Directory">The folder.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record RejectedCheckpoint(string Directory, string Reason)
{
    /// <summary>Folder and reason as one line of text.</summary>
    public override string ToString() => $"{Directory}: {Reason}";
}
