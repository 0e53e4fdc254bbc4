namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>A finished checkpoint on disk.</summary>
/// <param name="Directory">Its folder.</param>
/// <param name="Manifest">What belongs to it.</param>
public sealed record Checkpoint(string Directory, CheckpointManifest Manifest)
{
    /// <summary>Optimizer steps done.</summary>
    public long Step => Manifest.Step;

    /// <summary>Path of one of its files.</summary>
    public string PathOf(string fileName) => Path.Combine(Directory, fileName);
}
