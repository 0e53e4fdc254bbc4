using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>
/// For parameters and activations of fewer bits than float32, in host memory: libkvshift has no kernels for these, so they are composed;
/// logits, gradients of parameters and the optimizer's state are float32 and its own.
/// </summary>
public sealed class NarrowHostKernels(ScalarType dtype) : ComposedKernels(dtype)
{
    private readonly HostKernels _wide = new(ScalarType.Float32);

    public override void EmbeddingBackward(Tensor ids, Tensor outputGradient, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        _wide.EmbeddingBackward(ids, outputGradient.to(gradient.dtype), gradient);
    }

    public override void CrossEntropy(Tensor logits, Tensor targets, bool withGradient, Tensor lossSum)
        => _wide.CrossEntropy(logits, targets, withGradient, lossSum);

    public override Tensor CrossEntropyPart(Tensor logits, Tensor targets, long firstId) => _wide.CrossEntropyPart(logits, targets, firstId);

    public override void CrossEntropyPartGradient(Tensor exponentials, Tensor targets, long firstId, Tensor factors)
        => _wide.CrossEntropyPartGradient(exponentials, targets, firstId, factors);

    public override Tensor Scaled(Tensor values, Tensor factor) => _wide.Scaled(values, factor);

    public override void AddSquares(Tensor values, Tensor sum) => _wide.AddSquares(values, sum);

    public override void AdamW(Tensor parameter, Tensor gradient, Tensor expAvg, Tensor expAvgSq, double lr, double beta1, double beta2,
        double epsilon, double weightDecay, long step, double gradientScale)
        => _wide.AdamW(parameter, gradient, expAvg, expAvgSq, lr, beta1, beta2, epsilon, weightDecay, step, gradientScale);
}
