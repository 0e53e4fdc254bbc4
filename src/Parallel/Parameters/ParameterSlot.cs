using TorchSharp.Modules;
using KvShiftScale.Parallel.Native;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// A parameter and the place of its gradient in a bucket. Layers write gradients here from backward: the first of a step
/// overwrites, later ones (micro-batches, further uses) add, so that nothing is cleared between steps.
/// </summary>
public sealed class ParameterSlot : IDisposable
{
    private readonly ParameterBucket _bucket;
    private int _openUses;
    private bool _isLastMicroBatch;

    internal ParameterSlot(string name, long[] shape, Parameter parameter, Tensor gradient, ParameterBucket bucket, long offset)
    {
        Name = name;
        Shape = shape;
        Parameter = parameter;
        Gradient = gradient;
        Offset = offset;
        _bucket = bucket;
    }

    /// <summary>Full name: <c>model.layers.0.self_attn.q_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>Shape of the parameter and of its gradient.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The parameter: a view of its bucket.</summary>
    public Parameter Parameter { get; }

    /// <summary>The gradient: a view of its bucket. Meaningless while <see cref="HasGradient"/> is false.</summary>
    public Tensor Gradient { get; }

    /// <summary>First element in the bucket.</summary>
    public long Offset { get; }

    /// <summary>A gradient has arrived since the step began.</summary>
    public bool HasGradient { get; private set; }

    /// <summary>
    /// The parameter as an input of differentiable operations of libtorch; its gradient ends here and not in
    /// <c>Parameter.grad</c>.
    /// </summary>
    public Tensor AsInput()
    {
        if (!is_grad_enabled()) return Parameter;
        CountUse();
        return ParameterUse.Apply(this);
    }

    /// <summary>A forward pass uses the parameter; one gradient will arrive for it.</summary>
    public void CountUse()
    {
        if (is_grad_enabled()) _openUses++;
    }

    /// <summary>Takes one gradient of the parameter's shape.</summary>
    public void Accumulate(Tensor gradient)
    {
        using var mode = no_grad();
        if (HasGradient) Gradient.add_(gradient);
        else Gradient.copy_(gradient);
        Arrived();
    }

    /// <summary>Takes a gradient that is op(left) op(right), computed in place.</summary>
    public void AccumulateMatmul(Tensor left, bool transposeLeft, Tensor right, bool transposeRight)
    {
        using var mode = no_grad();
        DenseKernels.MatmulInto(Gradient, HasGradient ? 1 : 0, left, transposeLeft, right, transposeRight);
        Arrived();
    }

    /// <summary>Takes a gradient that adds rows of <paramref name="outputGradient"/> at <paramref name="ids"/>.</summary>
    public void AccumulateRows(Tensor ids, Tensor outputGradient)
    {
        using var mode = no_grad();
        if (!HasGradient) Gradient.zero_();
        DenseKernels.EmbeddingBackward(ids, outputGradient, Gradient);
        Arrived();
    }

    public void Dispose()
    {
        Parameter.Dispose();
        Gradient.Dispose();
    }

    internal void BeginStep()
    {
        HasGradient = false;
        _openUses = 0;
        _isLastMicroBatch = false;
    }

    internal void BeginLastMicroBatch() => _isLastMicroBatch = true;

    /// <summary>A parameter that no forward pass used has a zero gradient.</summary>
    internal void ZeroIfAbsent()
    {
        if (HasGradient) return;
        using var mode = no_grad();
        Gradient.zero_();
        HasGradient = true;
    }

    private void Arrived()
    {
        HasGradient = true;
        if (--_openUses == 0 && _isLastMicroBatch) _bucket.CountCompleteSlot();
    }
}
