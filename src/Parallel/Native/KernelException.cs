namespace KvShiftScale.Parallel.Native;

/// <summary>A kernel of libkvshift refused its arguments or failed.</summary>
public sealed class KernelException(int status, string text) : Exception($"libkvshift: {text} (status {status})");
