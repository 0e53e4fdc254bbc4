using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Native;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>Functions of libkvshift's kernels; parameters as in kvshift.h.</summary>
internal static partial class KernelLibrary
{
    static KernelLibrary() => KvShiftLibrary.ResolveFor(typeof(KernelLibrary).Assembly);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_set_threads(int threads);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_retain_memory();

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial nint kvs_kernel_isa();

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_matmul_available(int dtype, out int available);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_matmul(int dtype, int resultDtype, int transposeA, int transposeB, long m, long n, long k, double alpha,
        nint a, long lda, nint b, long ldb, double beta, nint c, long ldc);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_embedding_backward(int dtype, long rows, long columns, long vocabulary, nint ids, nint dy, nint dweight);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_rms_norm_forward(int dtype, long rows, long columns, nint x, nint residual, nint weight, double epsilon,
        nint sum, nint y, nint inverseRms);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_rms_norm_backward(int dtype, long rows, long columns, nint x, nint weight, nint inverseRms, nint dy,
        nint dsum, nint dx, nint dweight);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_shift_rope_forward(int dtype, long batch, long tokens, long heads, long headSize, nint x, long xStride,
        nint shift, long taps, nint positions, nint cosine, nint sine, nint y);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_shift_rope_backward(int dtype, long batch, long tokens, long heads, long headSize, nint x, long xStride,
        nint shift, long taps, nint positions, nint cosine, nint sine, nint dy, nint dx, long dxStride, nint dshift);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_attention_forward(int dtype, long batch, long tokens, long queryBegin, long queryCount, long heads,
        long kvHeads, long headSize, nint q, nint k, nint v, nint positions, long window, double scale, nint output, nint logSumExp);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_attention_backward(int dtype, long batch, long tokens, long queryBegin, long queryCount, long heads,
        long kvHeads, long headSize, nint q, nint k, nint v, nint positions, long window, double scale, nint output, nint logSumExp,
        nint doutput, nint dq, nint dk, nint dv);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_swiglu_forward(int dtype, long count, nint gate, nint up, nint y);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_swiglu_backward(int dtype, long count, nint gate, nint up, nint dy, nint dgate, nint dup);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_cross_entropy(int dtype, long rows, long vocabulary, nint logits, nint targets, int ignoreIndex,
        int writeGradient, double gradientScale, out double lossSum, out long valid);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_cross_entropy_part(int dtype, long rows, long columns, long firstId, nint logits, nint targets,
        nint statistics);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_cross_entropy_part_gradient(int dtype, long rows, long columns, long firstId, nint exponentials,
        nint targets, nint factors);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_sum_of_squares(int dtype, long count, nint x, out double sum);

    [LibraryImport(KvShiftLibrary.Kernels)]
    internal static partial int kvs_adamw(int dtype, long count, nint parameter, nint gradient, nint expAvg, nint expAvgSq, double lr,
        double beta1, double beta2, double epsilon, double weightDecay, long step, double gradientScale);
}
