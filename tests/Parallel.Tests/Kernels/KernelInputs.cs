using KvShiftScale.Parallel.Kernels;
using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Tests.Kernels;

/// <summary>Inputs of one operation in a set's types, of the same numbers for every set that is compared.</summary>
/// <param name="kernels">The set.</param>
/// <param name="rounding">Numbers are rounded to this type first.</param>
internal sealed class KernelInputs(IKernels kernels, ScalarType rounding)
{
    private int _made;

    public IKernels Kernels => kernels;

    /// <summary>Parameters or activations, other numbers with each call.</summary>
    public Tensor Values(params long[] shape) => Numbers(shape).to(kernels.DataType);

    /// <summary>Logits, gradients of parameters or the optimizer's state.</summary>
    public Tensor Wide(params long[] shape) => Numbers(shape).to(kernels.DataType == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32);

    public Tensor Ids(params int[] ids) => tensor(ids);

    /// <summary>A sum that has begun.</summary>
    public Tensor Sum() => tensor(new[] { 0.25 }).view([]);

    // Between -1 and 1, without a pattern that sums could hide.
    private Tensor Numbers(long[] shape)
    {
        var first = 1000.0 * ++_made;
        var values = new double[shape.Aggregate(1L, (product, size) => product * size)];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = Math.Sin((first + i) * 1.7 + i * i * 0.013);
        }

        return values.Length == 0 ? zeros(shape, ScalarType.Float64) : tensor(values).view(shape).to(rounding).to(ScalarType.Float64);
    }
}
