using KvShiftScale.Core.Faults;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Optimization;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>
/// The fault <c>flip</c>: one bit of this rank's memory changes after a step. Points: <c>parameter</c>, a matrix in the middle of the model;
/// <c>norm</c>, the weight of the last norm, which tensor-parallel ranks all hold; <c>moment</c>, the first moment of the matrix; <c>first</c>, the rank's first parameter, which is
/// a tied embedding at both ends of a pipeline.
/// </summary>
internal static class InjectedFlip
{
    private const byte Bit = 0x10;

    /// <summary>Commits what waits for this step.</summary>
    public static void Reach(long step, KvShiftTransformer model, AdamW optimizer)
    {
        if (!InjectedFaults.Any)
        {
            return;
        }

        var matrices = model.Parameters.Slots.Where(slot => slot.Shape.Count == 2).ToList();
        var matrix = matrices[matrices.Count / 2];
        if (InjectedFaults.Strikes("flip", "parameter", step))
        {
            Flip(matrix.Parameter);
        }

        if (InjectedFaults.Strikes("flip", "first", step))
        {
            Flip(model.Parameters.Slots[0].Parameter);
        }

        if (InjectedFaults.Strikes("flip", "norm", step))
        {
            Flip(model.Parameters.Slots.Last(slot => slot.Shape.Count == 1).Parameter);
        }

        if (InjectedFaults.Strikes("flip", "moment", step) && optimizer.StateOf(matrix) is { } state)
        {
            Flip(state.ExpAvg);
        }
    }

    private static unsafe void Flip(Tensor values)
        => ((byte*)TensorMemory.Address(values))[values.numel() / 2 * ReplicaHash.ByteSizeOf(values.dtype)] ^= Bit;
}
