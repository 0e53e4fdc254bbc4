using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>
/// Kernels composed of libtorch's operations, for any floating-point type on any device, and the reference that every other set is compared
/// with. Norms, shifts and attention are taken in float32 at least, sums of losses and squares in float64. Nothing is read back from the device.
/// </summary>
public sealed class ComposedKernels : IKernels
{
    // Float32 at least: the gradients' type.
    private readonly ScalarType _wide;

    /// <param name="dtype">Element type of parameters and activations.</param>
    /// <exception cref="NotSupportedException">It is no floating-point type.</exception>
    public ComposedKernels(ScalarType dtype)
    {
        if (dtype is not (ScalarType.Float64 or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
        {
            throw new NotSupportedException($"a model computes in floating-point numbers, not in {dtype}");
        }

        DataType = dtype;
        _wide = dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
    }

    public ScalarType DataType { get; }

    public Tensor Matmul(Tensor left, bool transposeLeft, Tensor right, bool transposeRight)
        => mm(transposeLeft ? left.t() : left, transposeRight ? right.t() : right);

    public void MatmulInto(Tensor destination, double beta, Tensor left, bool transposeLeft, Tensor right, bool transposeRight)
    {
        using var scope = NewDisposeScope();
        if (destination.dtype == left.dtype)
        {
            destination.addmm_(transposeLeft ? left.t() : left, transposeRight ? right.t() : right, (float)beta);
            return;
        }

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
    }

    public void EmbeddingBackward(Tensor ids, Tensor outputGradient, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        gradient.index_add_(0, ids.to(ScalarType.Int64), outputGradient.to(gradient.dtype), 1);
    }

    public (Tensor Sum, Tensor Normalised, Tensor InverseRms) RmsNorm(Tensor x, Tensor? residual, Tensor weight, double epsilon)
    {
        var sum = residual is null ? x : residual + x;
        var factor = (sum.pow(2).mean([-1], keepdim: true) + epsilon).rsqrt();
        return (sum, sum * factor * weight, factor);
    }

    // dsum' = weight dy / rms - x / rms^3 mean(weight dy x) + dsum.
    public (Tensor Sum, Tensor Weight) RmsNormBackward(Tensor sum, Tensor weight, Tensor inverseRms, Tensor dnormalised, Tensor? dsum)
    {
        using var scope = NewDisposeScope();
        var (x, factor, gradient) = (sum.to(_wide), inverseRms.to(_wide), dnormalised.to(_wide));
        var dweight = (gradient * x * factor).sum(dim: 0);
        gradient = gradient * weight.to(_wide);
        var mean = (gradient * x).mean([-1], keepdim: true);
        var dx = factor * (gradient - x * (factor * factor * mean));
        if (dsum is not null)
        {
            dx = dx + dsum.to(_wide);
        }

        return (dx.to(DataType).MoveToOuterDisposeScope(), dweight.MoveToOuterDisposeScope());
    }

    public Tensor ShiftRotate(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows)
        => ComposedShift.Forward(x, heads, weights, rotary, rows);

    public (Tensor X, Tensor? Weights) ShiftRotateBackward(Tensor? x, Tensor dy, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows)
        => ComposedShift.Backward(x, dy, heads, weights, rotary, rows, _wide);

    public AttentionResult Attention(Tensor query, Tensor key, Tensor value, AttentionShape shape, PackedRows rows)
        => new(new BlockedAttention(query, key, value, shape, rows, _wide).Forward(), []);

    public (Tensor Query, Tensor Key, Tensor Value) AttentionBackward(Tensor query, Tensor key, Tensor value, IReadOnlyList<Tensor> forBackward,
        Tensor doutput, AttentionShape shape, PackedRows rows)
        => new BlockedAttention(query, key, value, shape, rows, _wide).Backward(doutput);

    public Tensor SwiGlu(Tensor gate, Tensor up) => gate.silu() * up;

    // With s = sigmoid(gate): dgate = dy up s (1 + gate (1 - s)), dup = dy gate s.
    public (Tensor Gate, Tensor Up) SwiGluBackward(Tensor gate, Tensor up, Tensor dy)
    {
        using var scope = NewDisposeScope();
        var (x, gradient) = (gate.to(_wide), dy.to(_wide));
        var sigmoid = x.sigmoid();
        var dgate = gradient * up.to(_wide) * sigmoid * (x * (-sigmoid + 1) + 1);
        var dup = gradient * x * sigmoid;
        return (dgate.to(DataType).MoveToOuterDisposeScope(), dup.to(DataType).MoveToOuterDisposeScope());
    }

    public void CrossEntropy(Tensor logits, Tensor targets, bool withGradient, Tensor lossSum)
    {
        using var scope = NewDisposeScope();
        var none = targets.lt(0).view(-1, 1);
        var ids = targets.to(ScalarType.Int64).view(-1, 1).masked_fill(none, 0);
        var logProbabilities = logits.log_softmax(1);
        lossSum.sub_(logProbabilities.gather(1, ids).to(ScalarType.Float64).masked_fill(none, 0).sum());
        if (withGradient)
        {
            logits.copy_(logProbabilities.exp_().scatter_add_(1, ids, full_like(ids, -1, dtype: logits.dtype)).masked_fill_(none, 0));
        }
    }

    public Tensor CrossEntropyPart(Tensor logits, Tensor targets, long firstId)
    {
        using var scope = NewDisposeScope();
        var statistics = zeros([3, logits.size(0)], logits.dtype, logits.device);
        if (logits.size(1) == 0)
        {
            statistics.narrow(0, 0, 1).fill_(double.NegativeInfinity);
            return statistics.MoveToOuterDisposeScope();
        }

        var (ids, absent) = Local(targets, firstId, logits.size(1));
        statistics.narrow(0, 2, 1).copy_(logits.gather(1, ids).masked_fill(absent, 0).t());
        var largest = logits.amax([1], keepdim: true);
        statistics.narrow(0, 0, 1).copy_(largest.t());
        logits.sub_(largest).exp_();
        statistics.narrow(0, 1, 1).copy_(logits.sum(1, keepdim: true).t());
        return statistics.MoveToOuterDisposeScope();
    }

    public void CrossEntropyPartGradient(Tensor exponentials, Tensor targets, long firstId, Tensor factors)
    {
        if (exponentials.size(1) == 0)
        {
            return;
        }

        using var scope = NewDisposeScope();
        var (ids, absent) = Local(targets, firstId, exponentials.size(1));
        exponentials.mul_(factors.view(-1, 1)).scatter_add_(1, ids, absent.to(exponentials.dtype) - 1).masked_fill_(targets.lt(0).view(-1, 1), 0);
    }

    public Tensor Scaled(Tensor values, Tensor factor) => values.mul_(factor);

    public void AddSquares(Tensor values, Tensor sum)
    {
        using var scope = NewDisposeScope();
        sum.add_(values.to(ScalarType.Float64).pow(2).sum());
    }

    public void AdamW(Tensor parameter, Tensor gradient, Tensor expAvg, Tensor expAvgSq, double lr, double beta1, double beta2,
        double epsilon, double weightDecay, long step, double gradientScale)
    {
        using var scope = NewDisposeScope();
        gradient = gradient * gradientScale;
        expAvg.mul_(beta1).add_(gradient, 1 - beta1);
        expAvgSq.mul_(beta2).add_(gradient * gradient, 1 - beta2);
        var first = expAvg / (1 - Math.Pow(beta1, step));
        var second = (expAvgSq / (1 - Math.Pow(beta2, step))).sqrt() + epsilon;
        parameter.mul_(1 - lr * weightDecay).add_(first / second, -lr);
    }

    // Both [rows, 1]: the column of each target, 0 where the target is absent from the columns.
    private static (Tensor Ids, Tensor Absent) Local(Tensor targets, long firstId, long columns)
    {
        var local = targets.to(ScalarType.Int64).view(-1, 1) - firstId;
        var absent = local.lt(0) | local.gt(columns - 1);
        return (local.masked_fill(absent, 0), absent);
    }
}
