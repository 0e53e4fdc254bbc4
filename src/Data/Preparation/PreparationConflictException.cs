using KvShiftScale.Core;

namespace KvShiftScale.Data.Preparation;

/// <summary>A folder holds shards of other text, of another tokenizer or of other settings than those asked for.</summary>
public sealed class PreparationConflictException(string message) : UsageException(message);
