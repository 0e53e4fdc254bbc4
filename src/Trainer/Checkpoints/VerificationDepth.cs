namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>How much of a checkpoint is compared with its manifest.</summary>
public enum VerificationDepth
{
    /// <summary>That files are there, with their lengths.</summary>
    Lengths,

    /// <summary>All but the slices of tensors, whose hashes whoever loads them has to compare.</summary>
    AllButSlices,

    /// <summary>Every byte.</summary>
    Everything,
}
