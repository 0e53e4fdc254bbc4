using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>One part of each row's queries, which a kernel takes as tensors of their own.</summary>
/// <param name="Rows">Which rows.</param>
/// <param name="Index">Number of the part, from 0.</param>
/// <param name="Begin">Its first token in a row.</param>
/// <param name="Count">Its tokens.</param>
/// <param name="At">Where it begins among this rank's own tokens of a row.</param>
internal readonly record struct AttentionPart(PackedRows Rows, int Index, int Begin, int Count, int At)
{
    /// <summary>The parts of rows, in order.</summary>
    public static IEnumerable<AttentionPart> Of(PackedRows rows)
    {
        var at = 0;
        for (var index = 0; index < rows.OwnParts.Count; index++)
        {
            var (begin, count) = rows.OwnParts[index];
            yield return new AttentionPart(rows, index, begin, count, at);
            at += count;
        }
    }

    /// <summary>[batch * count, columns] of [batch * own tokens, columns]: a view where its rows lie together, a copy otherwise.</summary>
    public Tensor Of(Tensor own) => Count == Rows.OwnTokens ? own : Slice(own).contiguous();

    /// <summary>What was written into a copy goes back.</summary>
    public void Return(Tensor part, Tensor own)
    {
        if (Count == Rows.OwnTokens)
        {
            return;
        }

        var slice = Slice(own);
        if (TensorMemory.Address(part) != TensorMemory.Address(slice.narrow(0, 0, 1)))
        {
            slice.copy_(part.view(Rows.Batch, Count, own.size(1)));
        }
    }

    private Tensor Slice(Tensor own) => own.view(Rows.Batch, Rows.OwnTokens, own.size(1)).narrow(1, At, Count);
}
