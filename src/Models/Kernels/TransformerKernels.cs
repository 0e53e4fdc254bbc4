using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Models.Kernels;

/// <summary>Kernels of libkvshift for the transformer; parameters as in kvshift.h.</summary>
internal static partial class TransformerKernels
{
    private const string Library = "kvshift";

    static TransformerKernels() => KvShiftLibrary.ResolveFor(typeof(TransformerKernels).Assembly);

    [LibraryImport(Library)]
    internal static partial int kvs_rms_norm_forward(int dtype, long rows, long columns, nint x, nint residual, nint weight, double epsilon,
        nint sum, nint y, nint inverseRms);

    [LibraryImport(Library)]
    internal static partial int kvs_rms_norm_backward(int dtype, long rows, long columns, nint x, nint weight, nint inverseRms, nint dy,
        nint dsum, nint dx, nint dweight);

    [LibraryImport(Library)]
    internal static partial int kvs_shift_rope_forward(int dtype, long batch, long tokens, long heads, long headSize, nint x, long xStride,
        nint shift, long taps, nint positions, nint cosine, nint sine, nint y);

    [LibraryImport(Library)]
    internal static partial int kvs_shift_rope_backward(int dtype, long batch, long tokens, long heads, long headSize, nint x, long xStride,
        nint shift, long taps, nint positions, nint cosine, nint sine, nint dy, nint dx, long dxStride, nint dshift);

    [LibraryImport(Library)]
    internal static partial int kvs_attention_forward(int dtype, long batch, long tokens, long queryBegin, long queryCount, long heads, long kvHeads, long headSize, nint q,
        nint k, nint v, nint positions, long window, double scale, nint output, nint logSumExp);

    [LibraryImport(Library)]
    internal static partial int kvs_attention_backward(int dtype, long batch, long tokens, long queryBegin, long queryCount, long heads, long kvHeads, long headSize, nint q,
        nint k, nint v, nint positions, long window, double scale, nint output, nint logSumExp, nint doutput, nint dq, nint dk, nint dv);

    [LibraryImport(Library)]
    internal static partial int kvs_swiglu_forward(int dtype, long count, nint gate, nint up, nint y);

    [LibraryImport(Library)]
    internal static partial int kvs_swiglu_backward(int dtype, long count, nint gate, nint up, nint dy, nint dgate, nint dup);

    [LibraryImport(Library)]
    internal static partial int kvs_cross_entropy(int dtype, long rows, long vocabulary, nint logits, nint targets, int ignoreIndex,
        int writeGradient, double gradientScale, out double lossSum, out long valid);

    [LibraryImport(Library)]
    internal static partial int kvs_cross_entropy_part(int dtype, long rows, long columns, long firstId, nint logits, nint targets,
        nint statistics);

    [LibraryImport(Library)]
    internal static partial int kvs_cross_entropy_part_gradient(int dtype, long rows, long columns, long firstId, nint exponentials,
        nint targets, nint factors);
}
