using KvShiftScale.Parallel.Parameters;

namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>Elements of a global tensor, packed as a tensor of a file.</summary>
/// <param name="File">Name of the file below the checkpoint.</param>
/// <param name="Entry">Name of the tensor in the file.</param>
/// <param name="Runs">Which elements of the global tensor they are, in its row-major order.</param>
/// <param name="Hash">Sum of their <see cref="ElementHash"/>.</param>
public sealed record TensorSlice(string File, string Entry, ElementRuns Runs, ulong Hash);
