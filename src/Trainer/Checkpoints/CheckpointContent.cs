namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>What a checkpoint's manifest says beside the list of files.</summary>
public sealed record CheckpointContent
{
    /// <summary>Versions of what wrote the checkpoint, by name.</summary>
    public IReadOnlyDictionary<string, string> Versions { get; init; } = new Dictionary<string, string>();

    /// <summary>The launch that wrote it; null for one that was imported.</summary>
    public CheckpointLayout? Layout { get; init; }

    /// <summary>Global tensors, in the order of their names.</summary>
    public IReadOnlyList<CheckpointTensor> Tensors { get; init; } = [];

    /// <summary>Logits that the model gave on a fixed row when it was saved; none where it was not asked.</summary>
    public IReadOnlyList<double> ProbeLogits { get; init; } = [];

    /// <summary>First tokens of that row among which the logits are; null: all of the model's context, as it was once.</summary>
    public int? ProbeTokens { get; init; }

    /// <summary>Sum of the hashes of parameters or of one kind of moment.</summary>
    /// <param name="prefix">Beginning of their names; empty for parameters.</param>
    public ulong HashOf(string prefix)
        => Tensors.Where(tensor => CheckpointTensor.KindOf(tensor.Name) == prefix).Aggregate(0UL, (sum, tensor) => unchecked(sum + tensor.Hash));
}
