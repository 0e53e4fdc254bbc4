namespace KvShiftScale.Trainer.Replaying;

/// <summary>What a forward pass of one row gave.</summary>
/// <param name="Row">Its number in the global order.</param>
/// <param name="Loss">Mean loss over its valid targets.</param>
/// <param name="FirstNonFinite">The first part of the model whose output was not finite; null: all were.</param>
/// <param name="LargestActivation">Largest absolute output of a part before that, and the part.</param>
internal sealed record RowReplay(long Row, double Loss, string? FirstNonFinite, (double Value, string Part) LargestActivation);
