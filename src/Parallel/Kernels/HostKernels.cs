using System.Runtime.InteropServices;
using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>
/// Kernels of libkvshift: float32, float64 and bfloat16 in host memory. Products that it or the processor is without, always those in float64, are
/// libtorch's.
/// </summary>
public sealed class HostKernels : IKernels
{
    private const int Float32 = 0;
    private const int Float64 = 1;
    private const int BFloat16 = 2;

    private readonly int _type;
    // Of gradients of parameters, logits, statistics and the optimizer's state.
    private readonly int _wideType;
    private readonly ScalarType _wide;
    private readonly ComposedKernels _composed;
    private readonly bool _hasMatmul;

    /// <param name="dtype">Element type of parameters and activations.</param>
    /// <exception cref="NotSupportedException">There are no kernels for it.</exception>
    public HostKernels(ScalarType dtype)
    {
        _type = dtype switch
        {
            ScalarType.Float32 => Float32,
            ScalarType.Float64 => Float64,
            ScalarType.BFloat16 => BFloat16,
            _ => throw new NotSupportedException($"libkvshift has kernels for Float32, Float64 and BFloat16, not for {dtype}"),
        };
        (_wideType, _wide) = _type == Float64 ? (Float64, ScalarType.Float64) : (Float32, ScalarType.Float32);
        DataType = dtype;
        _composed = new ComposedKernels(dtype);
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_matmul_available(_type, out var available));
        _hasMatmul = available != 0;
    }

    /// <summary>Instruction set that the kernels chose on this machine.</summary>
    public static string InstructionSet => Marshal.PtrToStringUTF8(KernelLibrary.kvs_kernel_isa())!;

    public ScalarType DataType { get; }

    /// <summary>Threads of every kernel that this process starts from now on.</summary>
    public static void SetThreads(int threads) => KernelStatus.ThrowIfFailed(KernelLibrary.kvs_set_threads(threads));

    /// <summary>
    /// Makes the C allocator keep freed memory for the next step instead of returning it to the system, which would cost a page
    /// fault for every 4 KiB of every activation.
    /// </summary>
    public static void RetainMemory() => KernelStatus.ThrowIfFailed(KernelLibrary.kvs_retain_memory());

    public Tensor Matmul(Tensor left, bool transposeLeft, Tensor right, bool transposeRight)
    {
        if (!_hasMatmul)
        {
            return _composed.Matmul(left, transposeLeft, right, transposeRight);
        }

        var result = empty(left.size(transposeLeft ? 1 : 0), right.size(transposeRight ? 0 : 1), DataType);
        MatmulInto(result, 0, left, transposeLeft, right, transposeRight);
        return result;
    }

    public void MatmulInto(Tensor destination, double beta, Tensor left, bool transposeLeft, Tensor right, bool transposeRight)
    {
        if (!_hasMatmul)
        {
            _composed.MatmulInto(destination, beta, left, transposeLeft, right, transposeRight);
            return;
        }

        var m = left.size(transposeLeft ? 1 : 0);
        var k = left.size(transposeLeft ? 0 : 1);
        var n = right.size(transposeRight ? 0 : 1);
        var (resultType, result) = destination.dtype == DataType ? (_type, Address(destination)) : (_wideType, WideAddress(destination));
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_matmul(_type, resultType, transposeLeft ? 1 : 0, transposeRight ? 1 : 0, m, n, k, 1,
            Address(left), left.size(1), Address(right), right.size(1), beta, result, n));
        GC.KeepAlive(left);
        GC.KeepAlive(right);
        GC.KeepAlive(destination);
    }

    public void EmbeddingBackward(Tensor ids, Tensor outputGradient, Tensor gradient)
    {
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_embedding_backward(_type, ids.numel(), gradient.size(1), gradient.size(0),
            TensorMemory.Address(ids), Address(outputGradient), WideAddress(gradient)));
        GC.KeepAlive(ids);
        GC.KeepAlive(outputGradient);
        GC.KeepAlive(gradient);
    }

    public (Tensor Sum, Tensor Normalised, Tensor InverseRms) RmsNorm(Tensor x, Tensor? residual, Tensor weight, double epsilon)
    {
        var (rows, columns) = (x.size(0), x.size(1));
        var sum = residual is null ? x : empty(rows, columns, DataType);
        var y = empty(rows, columns, DataType);
        var inverseRms = empty(rows, _wide);
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_rms_norm_forward(_type, rows, columns, Address(x), AddressOrNull(residual),
            Address(weight), epsilon, residual is null ? 0 : Address(sum), Address(y), WideAddress(inverseRms)));
        GC.KeepAlive(x);
        GC.KeepAlive(residual);
        GC.KeepAlive(weight);
        return (sum, y, inverseRms);
    }

    public (Tensor Sum, Tensor Weight) RmsNormBackward(Tensor sum, Tensor weight, Tensor inverseRms, Tensor dnormalised, Tensor? dsum)
    {
        var (rows, columns) = (sum.size(0), sum.size(1));
        var dx = empty(rows, columns, DataType);
        var dweight = empty(columns, _wide);
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_rms_norm_backward(_type, rows, columns, Address(sum), Address(weight),
            WideAddress(inverseRms), Address(dnormalised), AddressOrNull(dsum), Address(dx), WideAddress(dweight)));
        GC.KeepAlive(sum);
        GC.KeepAlive(weight);
        GC.KeepAlive(inverseRms);
        GC.KeepAlive(dnormalised);
        GC.KeepAlive(dsum);
        return (dx, dweight);
    }

    public Tensor ShiftRotate(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows)
    {
        var y = empty(x.size(0), x.size(1), DataType);
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_shift_rope_forward(_type, rows.Batch, rows.Tokens, heads, x.size(1) / heads,
            Address(x), x.size(1), AddressOrNull(weights), weights?.size(1) ?? 0, TensorMemory.Address(rows.Positions),
            AddressOrNull(rotary?.Cosine), AddressOrNull(rotary?.Sine), Address(y)));
        GC.KeepAlive(x);
        GC.KeepAlive(weights);
        GC.KeepAlive(rotary);
        GC.KeepAlive(rows);
        return y;
    }

    public (Tensor X, Tensor? Weights) ShiftRotateBackward(Tensor? x, Tensor dy, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows)
    {
        var dx = empty(dy.size(0), dy.size(1), DataType);
        var dweights = weights is null ? null : empty(weights.size(0), weights.size(1), DataType);
        // Without a shift the input has no part in its own gradient; the kernel still wants an address.
        var input = x ?? dy;
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_shift_rope_backward(_type, rows.Batch, rows.Tokens, heads, dy.size(1) / heads,
            Address(input), dy.size(1), AddressOrNull(weights), weights?.size(1) ?? 0, TensorMemory.Address(rows.Positions),
            AddressOrNull(rotary?.Cosine), AddressOrNull(rotary?.Sine), Address(dy), Address(dx), dy.size(1), AddressOrNull(dweights)));
        GC.KeepAlive(input);
        GC.KeepAlive(dy);
        GC.KeepAlive(weights);
        GC.KeepAlive(rotary);
        GC.KeepAlive(rows);
        return (dx, dweights);
    }

    public AttentionResult Attention(Tensor query, Tensor key, Tensor value, AttentionShape shape, PackedRows rows)
    {
        var output = empty(query.size(0), query.size(1), DataType);
        List<Tensor> forBackward = [output];
        foreach (var part in AttentionPart.Of(rows))
        {
            var (partQuery, partOutput) = (part.Of(query), part.Of(output));
            var logSumExp = empty((long)rows.Batch * shape.Heads * part.Count, _wide);
            KernelStatus.ThrowIfFailed(KernelLibrary.kvs_attention_forward(_type, rows.Batch, rows.Tokens, part.Begin, part.Count,
                shape.Heads, shape.KvHeads, shape.HeadSize, Address(partQuery), Address(key), Address(value),
                TensorMemory.Address(rows.Positions), shape.Window, 1 / Math.Sqrt(shape.HeadSize), Address(partOutput), WideAddress(logSumExp)));
            GC.KeepAlive(partQuery);
            part.Return(partOutput, output);
            forBackward.Add(logSumExp);
        }
        GC.KeepAlive(query);
        GC.KeepAlive(key);
        GC.KeepAlive(value);
        GC.KeepAlive(rows);
        return new AttentionResult(output, forBackward);
    }

    public (Tensor Query, Tensor Key, Tensor Value) AttentionBackward(Tensor query, Tensor key, Tensor value, IReadOnlyList<Tensor> forBackward,
        Tensor doutput, AttentionShape shape, PackedRows rows)
    {
        var output = forBackward[0];
        var dq = empty(query.size(0), query.size(1), DataType);
        Tensor? dk = null, dv = null;
        foreach (var part in AttentionPart.Of(rows))
        {
            var (partQuery, partOutput, partGradient, partDq) = (part.Of(query), part.Of(output), part.Of(doutput), part.Of(dq));
            var (partDk, partDv) = (empty(key.size(0), key.size(1), DataType), empty(key.size(0), key.size(1), DataType));
            KernelStatus.ThrowIfFailed(KernelLibrary.kvs_attention_backward(_type, rows.Batch, rows.Tokens, part.Begin, part.Count,
                shape.Heads, shape.KvHeads, shape.HeadSize, Address(partQuery), Address(key), Address(value),
                TensorMemory.Address(rows.Positions), shape.Window, 1 / Math.Sqrt(shape.HeadSize), Address(partOutput),
                WideAddress(forBackward[1 + part.Index]), Address(partGradient), Address(partDq), Address(partDk), Address(partDv)));
            GC.KeepAlive(partQuery);
            GC.KeepAlive(partOutput);
            GC.KeepAlive(partGradient);
            part.Return(partDq, dq);
            dk = dk is null ? partDk : dk.add_(partDk);
            dv = dv is null ? partDv : dv.add_(partDv);
        }
        GC.KeepAlive(query);
        GC.KeepAlive(key);
        GC.KeepAlive(value);
        GC.KeepAlive(forBackward);
        GC.KeepAlive(doutput);
        GC.KeepAlive(rows);
        return (dq, dk!, dv!);
    }

    public Tensor SwiGlu(Tensor gate, Tensor up)
    {
        var y = empty(gate.size(0), gate.size(1), DataType);
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_swiglu_forward(_type, gate.numel(), Address(gate), Address(up), Address(y)));
        GC.KeepAlive(gate);
        GC.KeepAlive(up);
        return y;
    }

    public (Tensor Gate, Tensor Up) SwiGluBackward(Tensor gate, Tensor up, Tensor dy)
    {
        var dgate = empty(gate.size(0), gate.size(1), DataType);
        var dup = empty(gate.size(0), gate.size(1), DataType);
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_swiglu_backward(_type, gate.numel(), Address(gate), Address(up), Address(dy),
            Address(dgate), Address(dup)));
        GC.KeepAlive(gate);
        GC.KeepAlive(up);
        GC.KeepAlive(dy);
        return (dgate, dup);
    }

    public void CrossEntropy(Tensor logits, Tensor targets, bool withGradient, Tensor lossSum)
    {
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_cross_entropy(_wideType, logits.size(0), logits.size(1), WideAddress(logits),
            TensorMemory.Address(targets), IKernels.IgnoredTarget, withGradient ? 1 : 0, 1.0, out var sum, out _));
        Add(sum, lossSum);
        GC.KeepAlive(logits);
        GC.KeepAlive(targets);
    }

    public Tensor CrossEntropyPart(Tensor logits, Tensor targets, long firstId)
    {
        var statistics = empty(3, logits.size(0), _wide);
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_cross_entropy_part(_wideType, logits.size(0), logits.size(1), firstId, WideAddress(logits),
            TensorMemory.Address(targets), WideAddress(statistics)));
        GC.KeepAlive(logits);
        GC.KeepAlive(targets);
        return statistics;
    }

    public void CrossEntropyPartGradient(Tensor exponentials, Tensor targets, long firstId, Tensor factors)
    {
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_cross_entropy_part_gradient(_wideType, exponentials.size(0), exponentials.size(1), firstId,
            WideAddress(exponentials), TensorMemory.Address(targets), WideAddress(factors)));
        GC.KeepAlive(exponentials);
        GC.KeepAlive(targets);
        GC.KeepAlive(factors);
    }

    // The loss of a step is a plain sum, whose gradient is 1; reading that waits for nobody in host memory.
    public Tensor Scaled(Tensor values, Tensor factor)
    {
        var number = factor.to(ScalarType.Float64).item<double>();
        return number == 1 ? values : values * number;
    }

    public void AddSquares(Tensor values, Tensor sum)
    {
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_sum_of_squares(_wideType, values.numel(), WideAddress(values), out var squares));
        Add(squares, sum);
        GC.KeepAlive(values);
    }

    public void AdamW(Tensor parameter, Tensor gradient, Tensor expAvg, Tensor expAvgSq, double lr, double beta1, double beta2,
        double epsilon, double weightDecay, long step, double gradientScale)
    {
        KernelStatus.ThrowIfFailed(KernelLibrary.kvs_adamw(_wideType, parameter.numel(), WideAddress(parameter), WideAddress(gradient), WideAddress(expAvg),
            WideAddress(expAvgSq), lr, beta1, beta2, epsilon, weightDecay, step, gradientScale));
        GC.KeepAlive(parameter);
        GC.KeepAlive(gradient);
        GC.KeepAlive(expAvg);
        GC.KeepAlive(expAvgSq);
    }

    // In place, so that a sum costs no tensor.
    private static unsafe void Add(double number, Tensor sum)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(sum.dtype, ScalarType.Float64);
        *(double*)TensorMemory.Address(sum) += number;
        GC.KeepAlive(sum);
    }

    private nint Address(Tensor tensor) => Address(tensor, DataType);

    private nint WideAddress(Tensor tensor) => Address(tensor, _wide);

    // A tensor of another type would be read as if it were of this one.
    private nint Address(Tensor tensor, ScalarType wanted) => tensor.dtype == wanted
        ? TensorMemory.Address(tensor)
        : throw new ArgumentException($"kernels of {DataType} were given a tensor of {tensor.dtype} where one of {wanted} is wanted", nameof(tensor));

    private nint AddressOrNull(Tensor? tensor) => tensor is null ? 0 : Address(tensor);
}
