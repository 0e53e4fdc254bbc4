using KvShiftScale.Parallel.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Parameters;

/// <summary>
/// A parameter and the place of its gradient in a bucket. Layers write gradients here from backward: the first of a step
/// overwrites, later ones (micro-batches, further uses) add, so that nothing is cleared between steps.
/// </summary>
public sealed class ParameterSlot : IDisposable
{
    private readonly ParameterBucket _bucket;
    private readonly Parameter _parameter;
    private Tensor? _gradient;

    internal ParameterSlot(string name, ParameterShard shard, int uses, ParameterBucket bucket, Parameter parameter, long offset)
    {
        Name = name;
        Shard = shard;
        Uses = uses;
        _bucket = bucket;
        _parameter = parameter;
        Offset = offset;
    }

    /// <summary>Full name: <c>model.layers.0.self_attn.q_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>Which part of the parameter this is.</summary>
    public ParameterShard Shard { get; }

    /// <summary>Shape of this part and of its gradient.</summary>
    public IReadOnlyList<long> Shape => Shard.Shape;

    /// <summary>The parameter: a view of its bucket. Waits where other ranks' updates are still on their way.</summary>
    public Parameter Parameter
    {
        get
        {
            _bucket.AwaitParameters();
            return _parameter;
        }
    }

    /// <summary>The gradient: a view of its bucket. Meaningless while <see cref="HasGradient"/> is false.</summary>
    /// <exception cref="InvalidOperationException">The rank keeps a part of the sums only, and no backward is writing to this bucket.</exception>
    public Tensor Gradient => _gradient ?? throw new InvalidOperationException(
        $"the gradient of {Name} is whole only from its backward to the sum over ranks; {nameof(ParameterBucket)}.{nameof(ParameterBucket.OwnedGradients)} has this rank's part");

    /// <summary>Its element type.</summary>
    public ScalarType GradientType => ParameterBucket.GradientTypeOf(Kernels.DataType);

    /// <summary>Gradients that one backward gives it.</summary>
    public int Uses { get; }

    /// <summary>What computes with it.</summary>
    public IKernels Kernels => _bucket.Kernels;

    /// <summary>First element in the bucket.</summary>
    public long Offset { get; }

    /// <summary>A gradient has arrived since the step began.</summary>
    public bool HasGradient { get; private set; }

    /// <summary>Who learns of gradients; null: nobody.</summary>
    internal IGradientListener? Listener { get; set; }

    /// <summary>
    /// The parameter as an input of differentiable operations of libtorch; its gradient ends here and not in
    /// <c>Parameter.grad</c>.
    /// </summary>
    public Tensor AsInput() => is_grad_enabled() ? ParameterUse.Apply(this) : Parameter;

    /// <summary>Takes one gradient of the parameter's shape.</summary>
    public void Accumulate(Tensor gradient)
    {
        using var mode = no_grad();
        Listener?.GradientComes();
        if (HasGradient)
        {
            Gradient.add_(gradient);
        }
        else
        {
            Gradient.copy_(gradient);
        }

        HasGradient = true;
        Listener?.GradientCame();
    }

    /// <summary>Takes a gradient that is op(left) op(right), computed in place.</summary>
    public void AccumulateMatmul(Tensor left, bool transposeLeft, Tensor right, bool transposeRight)
    {
        using var mode = no_grad();
        Listener?.GradientComes();
        Kernels.MatmulInto(Gradient, HasGradient ? 1 : 0, left, transposeLeft, right, transposeRight);
        HasGradient = true;
        Listener?.GradientCame();
    }

    /// <summary>Takes a gradient that adds rows of <paramref name="outputGradient"/> at <paramref name="ids"/>.</summary>
    public void AccumulateRows(Tensor ids, Tensor outputGradient)
    {
        using var mode = no_grad();
        Listener?.GradientComes();
        if (!HasGradient)
        {
            Gradient.zero_();
        }

        Kernels.EmbeddingBackward(ids, outputGradient, Gradient);
        HasGradient = true;
        Listener?.GradientCame();
    }

    public void Dispose()
    {
        _parameter.Dispose();
        _gradient?.Dispose();
    }

    /// <summary>The gradient is that view from here on; null: it has no memory.</summary>
    internal void MoveGradient(Tensor? gradient)
    {
        _gradient?.Dispose();
        _gradient = gradient;
    }

    internal void BeginStep() => HasGradient = false;

    /// <summary>A parameter that no forward pass used has a zero gradient.</summary>
    internal void ZeroIfAbsent()
    {
        if (HasGradient)
        {
            return;
        }

        using var mode = no_grad();
        Gradient.zero_();
        HasGradient = true;
    }
}
