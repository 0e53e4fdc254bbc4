namespace KvShiftScale.Parallel.Kernels;

/// <summary>Shape of one layer's attention.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key and value heads.</param>
/// <param name="HeadSize">Width of one head.</param>
/// <param name="Window">Keys that a query sees, its own counted; 0 is all of its document so far.</param>
public readonly record struct AttentionShape(int Heads, int KvHeads, int HeadSize, int Window);
