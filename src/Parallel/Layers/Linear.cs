using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Parallel.Regions;
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

    /// <param name="name">Name of the layer.</param>
    /// <param name="weight">The part of W [output_size, input_size] that this rank holds.</param>
    public Linear(string name, ParameterSlot weight) : base(name)
    {
        _weight = weight;
        register_parameter("weight", _weight.Parameter);
    }

    /// <summary>[output_size, input_size].</summary>
    public ParameterSlot Weight => _weight;

    public override Tensor forward(Activation input) => Product.Apply(input, _weight);

    private sealed class Product : SingleResultFunction<Product>
    {
        public override string Name => nameof(Linear);

        public static Tensor Apply(Activation input, ParameterSlot weight) => apply(input.Value, weight.Parameter, weight, input);

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (input, weight) = ((Tensor)arguments[0], (Tensor)arguments[1]);
            var (slot, activation) = ((ParameterSlot)arguments[2], (Activation)arguments[3]);
            context.save_for_backward([weight, .. activation.Keep()]);
            context.save_data("slot", slot);
            context.save_data("input", activation);
            return slot.Kernels.Matmul(input, false, weight, true);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var saved = new Queue<Tensor>(context.get_saved_variables());
            var (weight, slot, input) = (saved.Dequeue(), (ParameterSlot)context.get_data("slot"), (Activation)context.get_data("input"));
            gradient = gradient.contiguous();
            slot.AccumulateMatmul(gradient, true, input.Take(saved), false);
            input.Release();
            return [slot.Kernels.Matmul(gradient, false, weight, false), null, null, null];
        }
    }
}
