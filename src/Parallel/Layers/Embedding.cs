using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Layers;

/// <summary>Rows of W [vocabulary, hidden_size] by id: ids int32 [rows], result [rows, hidden_size].</summary>
public sealed class Embedding : nn.Module<Tensor, Tensor>
{
    public Embedding(ParameterBuckets parameters, string name, long vocabularySize, long hiddenSize) : base(name)
    {
        Weight = parameters.Create($"{name}.weight", weightDecay: true, vocabularySize, hiddenSize);
        register_parameter("weight", Weight.Parameter);
    }

    /// <summary>The matrix, which a tied output head shares.</summary>
    public ParameterSlot Weight { get; }

    public override Tensor forward(Tensor ids)
    {
        return Lookup.apply(Weight.Parameter, ids, Weight);
    }

    private sealed class Lookup : SingleTensorFunction<Lookup>
    {
        public override string Name => nameof(Embedding);

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var ids = (Tensor)vars[1];
            ctx.save_for_backward([ids]);
            ctx.save_data("slot", vars[2]);
            return ((Tensor)vars[0]).index_select(0, ids);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            ((ParameterSlot)ctx.get_data("slot")).AccumulateRows(ctx.get_saved_variables()[0], grad_output.contiguous());
            return [null!, null!, null!];
        }
    }
}
