using KvShiftScale.Trainer.Checkpoints;

namespace KvShiftScale.Trainer.ModelFiles;

/// <summary>The form of a model folder to write.</summary>
/// <param name="Naming">Whose names.</param>
/// <param name="DataType">Element type of the weights; null keeps each tensor's own.</param>
/// <param name="MaxShardBytes">Bytes of tensors after which another file begins; one tensor is never divided.</param>
/// <param name="DropShift">Leave the shift out, whatever it is.</param>
internal sealed record ExportOptions(ModelNaming Naming, SafetensorsType? DataType, long MaxShardBytes, bool DropShift);
