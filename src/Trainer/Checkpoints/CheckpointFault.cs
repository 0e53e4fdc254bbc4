namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>Something in a checkpoint that is not as it was written.</summary>
/// <param name="File">Name of the file below the checkpoint.</param>
/// <param name="Tensor">The global tensor that is changed; null where the fault is not in a tensor.</param>
/// <param name="Reason">What is wrong.</param>
public sealed record CheckpointFault(string File, string? Tensor, string Reason)
{
    /// <summary>File, tensor and reason as one line of text.</summary>
    public override string ToString() => Tensor is null ? $"{File}: {Reason}" : $"{File}: tensor '{Tensor}' {Reason}";
}
