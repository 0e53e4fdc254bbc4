using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Optimization;

/// <summary>The optimizer's state of consecutive elements of one parameter, as flat views.</summary>
/// <param name="Start">First element, counted in what this rank holds of the parameter.</param>
/// <param name="Length">Elements.</param>
/// <param name="Master">Copy of the parameter in the gradients' type; null where the parameter is of that type itself.</param>
/// <param name="ExpAvg">First moment.</param>
/// <param name="ExpAvgSq">Second moment.</param>
public sealed record OptimizerSlice(long Start, long Length, Tensor? Master, Tensor ExpAvg, Tensor ExpAvgSq);
