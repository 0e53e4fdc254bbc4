using KvShiftScale.Core;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>Copies of a parameter or moment that should have the same bits do not; all ranks throw it at the same step.</summary>
internal sealed class ReplicasDifferException(string message) : KvShiftException(message);
