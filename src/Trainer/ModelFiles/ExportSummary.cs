namespace KvShiftScale.Trainer.ModelFiles;

/// <summary>What an export wrote.</summary>
/// <param name="Tensors">Tensors in the files.</param>
/// <param name="Elements">Elements of all tensors.</param>
/// <param name="Bytes">Bytes of all tensors.</param>
/// <param name="Files">Files of weights.</param>
internal sealed record ExportSummary(int Tensors, long Elements, long Bytes, int Files);
