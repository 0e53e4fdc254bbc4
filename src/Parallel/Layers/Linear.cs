using KvShiftScale.Parallel.Native;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Layers;

/// <summary>
/// y = x W^T without bias: x [rows, input_size], W [output_size, input_size], y [rows, output_size]. A rank that holds some rows of W
/// makes some columns of y (column parallel); one that holds some columns of W takes some columns of x and makes a part of the sum y
/// (row parallel).
/// </summary>
public sealed class Linear : nn.Module<Activation, Tensor>
{
    private readonly ParameterSlot _weight;

    /// <param name="parameters">Where the weight is allocated.</param>
    /// <param name="name">Name of the layer.</param>
    /// <param name="weight">The part of W [output_size, input_size] that this rank holds.</param>
    public Linear(ParameterBuckets parameters, string name, ParameterShard weight) : base(name)
    {
        _weight = parameters.Create($"{name}.weight", weightDecay: true, weight);
        register_parameter("weight", _weight.Parameter);
    }

    /// <summary>[output_size, input_size].</summary>
    public ParameterSlot Weight => _weight;

    public override Tensor forward(Activation input) => Product.Apply(input, _weight);

    private sealed class Product : SingleTensorFunction<Product>
    {
        public override string Name => nameof(Linear);

        public static Tensor Apply(Activation input, ParameterSlot weight) => apply(input.Value, weight.Parameter, weight, input);

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (input, weight) = ((Tensor)vars[0], (Tensor)vars[1]);
            var activation = (Activation)vars[3];
            ctx.save_for_backward([weight, .. activation.Keep()]);
            ctx.save_data("slot", vars[2]);
            ctx.save_data("input", activation);
            return DenseKernels.Matmul(input, false, weight, true);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            var saved = new Queue<Tensor>(ctx.get_saved_variables());
            var (weight, input) = (saved.Dequeue(), (Activation)ctx.get_data("input"));
            var gradient = grad_output.contiguous();
            ((ParameterSlot)ctx.get_data("slot")).AccumulateMatmul(gradient, true, input.Take(saved), false);
            input.Release();
            return [DenseKernels.Matmul(gradient, false, weight, false), null!, null!, null!];
        }
    }
}
