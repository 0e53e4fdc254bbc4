using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>Kernels of libkvshift for dense layers and the optimizer: matrix product, embedding gradient, AdamW, sum of squares.</summary>
public static partial class DenseKernels
{
    private static readonly Lazy<bool> Float32Matmul = new(static () =>
    {
        KernelStatus.ThrowIfFailed(kvs_matmul_available(0, out var available));
        return available != 0;
    });

    static DenseKernels() => KvShiftLibrary.ResolveFor(typeof(DenseKernels).Assembly);

    /// <summary>Threads of every kernel that this process starts from now on.</summary>
    public static void SetThreads(int threads) => KernelStatus.ThrowIfFailed(kvs_set_threads(threads));

    /// <summary>
    /// Makes the C allocator keep freed memory for the next step instead of returning it to the system, which would cost a page
    /// fault for every 4 KiB of every activation.
    /// </summary>
    public static void RetainMemory() => KernelStatus.ThrowIfFailed(kvs_retain_memory());

    /// <summary>Instruction set that the kernels chose on this machine.</summary>
    public static string InstructionSet => Marshal.PtrToStringUTF8(kvs_kernel_isa())!;

    /// <summary>
    /// op(left) op(right), [m, k] x [k, n]. float32 in host memory runs on the library's tuned product, anything else on libtorch's.
    /// </summary>
    public static Tensor Matmul(Tensor left, bool transposeLeft, Tensor right, bool transposeRight)
    {
        var m = left.size(transposeLeft ? 1 : 0);
        var n = right.size(transposeRight ? 0 : 1);
        if (!IsTuned(left))
        {
            return mm(transposeLeft ? left.t() : left, transposeRight ? right.t() : right);
        }

        var result = empty(m, n, left.dtype);
        Run(left, transposeLeft, right, transposeRight, result, beta: 0);
        return result;
    }

    /// <summary>destination = beta * destination + op(left) op(right); beta 0 does not read the destination.</summary>
    public static void MatmulInto(Tensor destination, double beta, Tensor left, bool transposeLeft, Tensor right, bool transposeRight)
    {
        if (IsTuned(left))
        {
            Run(left, transposeLeft, right, transposeRight, destination, beta);
            return;
        }
        using var scope = NewDisposeScope();
        if (destination.dtype != left.dtype)
        {
            // A product of fewer bits, added in the destination's type.
            var product = Matmul(left, transposeLeft, right, transposeRight);
            if (beta == 0)
            {
                destination.copy_(product);
            }
            else
            {
                destination.mul_(beta).add_(product);
            }

            return;
        }
        destination.addmm_(transposeLeft ? left.t() : left, transposeRight ? right.t() : right, (float)beta);
    }

    /// <summary>gradient[ids[r]] += outputGradient[r]; ids int32 [rows], outputGradient [rows, columns], gradient [vocabulary, columns].</summary>
    public static void EmbeddingBackward(Tensor ids, Tensor outputGradient, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        // Activations of fewer bits.
        if (outputGradient.dtype != gradient.dtype)
        {
            outputGradient = outputGradient.to(gradient.dtype);
        }

        if (!KernelDataType.Supports(gradient))
        {
            gradient.index_add_(0, ids.to(ScalarType.Int64), outputGradient, 1);
            return;
        }
        KernelStatus.ThrowIfFailed(kvs_embedding_backward(KernelDataType.Of(gradient), ids.numel(), gradient.size(1), gradient.size(0),
            TensorMemory.Address(ids), TensorMemory.Address(outputGradient), TensorMemory.Address(gradient)));
        GC.KeepAlive(ids);
        GC.KeepAlive(outputGradient);
        GC.KeepAlive(gradient);
    }

    /// <summary>Sum of squares of all elements, in float64.</summary>
    public static double SumOfSquares(Tensor tensor)
    {
        if (!KernelDataType.Supports(tensor))
        {
            using var scope = NewDisposeScope();
            return tensor.to(ScalarType.Float64).pow(2).sum().item<double>();
        }
        KernelStatus.ThrowIfFailed(kvs_sum_of_squares(KernelDataType.Of(tensor), tensor.numel(), TensorMemory.Address(tensor), out var sum));
        GC.KeepAlive(tensor);
        return sum;
    }

    /// <summary>One AdamW update of flat tensors of equal length; see <c>kvs_adamw</c> for the formula.</summary>
    public static void AdamW(Tensor parameter, Tensor gradient, Tensor expAvg, Tensor expAvgSq, double lr, double beta1, double beta2,
        double epsilon, double weightDecay, long step, double gradientScale)
    {
        KernelStatus.ThrowIfFailed(kvs_adamw(KernelDataType.Of(parameter), parameter.numel(), TensorMemory.Address(parameter),
            TensorMemory.Address(gradient), TensorMemory.Address(expAvg), TensorMemory.Address(expAvgSq), lr, beta1, beta2, epsilon,
            weightDecay, step, gradientScale));
        GC.KeepAlive(parameter);
        GC.KeepAlive(gradient);
        GC.KeepAlive(expAvg);
        GC.KeepAlive(expAvgSq);
    }

    private static bool IsTuned(Tensor tensor)
        => tensor.dtype == ScalarType.Float32 && tensor.device_type == DeviceType.CPU && Float32Matmul.Value;

    private static void Run(Tensor left, bool transposeLeft, Tensor right, bool transposeRight, Tensor destination, double beta)
    {
        var m = left.size(transposeLeft ? 1 : 0);
        var k = left.size(transposeLeft ? 0 : 1);
        var n = right.size(transposeRight ? 0 : 1);
        KernelStatus.ThrowIfFailed(kvs_matmul(0, transposeLeft ? 1 : 0, transposeRight ? 1 : 0, m, n, k, 1,
            TensorMemory.Address(left), left.size(1), TensorMemory.Address(right), right.size(1), beta,
            TensorMemory.Address(destination), n));
        GC.KeepAlive(left);
        GC.KeepAlive(right);
        GC.KeepAlive(destination);
    }

    [LibraryImport("kvshift")]
    private static partial int kvs_set_threads(int threads);

    [LibraryImport("kvshift")]
    private static partial int kvs_retain_memory();

    [LibraryImport("kvshift")]
    private static partial nint kvs_kernel_isa();

    [LibraryImport("kvshift")]
    private static partial int kvs_matmul_available(int dtype, out int available);

    [LibraryImport("kvshift")]
    private static partial int kvs_matmul(int dtype, int transposeA, int transposeB, long m, long n, long k, double alpha, nint a, long lda,
        nint b, long ldb, double beta, nint c, long ldc);

    [LibraryImport("kvshift")]
    private static partial int kvs_embedding_backward(int dtype, long rows, long columns, long vocabulary, nint ids, nint dy, nint dweight);

    [LibraryImport("kvshift")]
    private static partial int kvs_sum_of_squares(int dtype, long count, nint x, out double sum);

    [LibraryImport("kvshift")]
    private static partial int kvs_adamw(int dtype, long count, nint parameter, nint gradient, nint expAvg, nint expAvgSq, double lr,
        double beta1, double beta2, double epsilon, double weightDecay, long step, double gradientScale);
}
