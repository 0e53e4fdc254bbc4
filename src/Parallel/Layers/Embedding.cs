using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Parallel.Layers;

/// <summary>
/// Rows of W [vocabulary, hidden_size] by id: ids int32 [rows], result [rows, hidden_size]. A rank that holds some rows of W makes zeros
/// for the ids of the others; the sum over ranks is the result.
/// </summary>
public sealed class Embedding : nn.Module<Tensor, Tensor>
{
    /// <param name="name">Name of the layer.</param>
    /// <param name="weight">The part of W that this rank holds, divided by rows.</param>
    public Embedding(string name, ParameterSlot weight) : base(name)
    {
        Weight = weight;
        register_parameter("weight", Weight.Parameter);
    }

    /// <summary>The matrix, which a tied output head shares.</summary>
    public ParameterSlot Weight { get; }

    /// <summary>Rows of a matrix [vocabulary, hidden_size] by id; zeros where another rank holds the row.</summary>
    public static Tensor Rows(ParameterSlot weight, Tensor ids)
    {
        var shard = weight.Shard;
        return shard.Extent >= shard.GlobalShape[0] ? Lookup.apply(weight.Parameter, ids, weight) : PartialLookup.apply(weight.Parameter, ids, weight);
    }

    public override Tensor forward(Tensor ids) => Rows(Weight, ids);

    private sealed class Lookup : SingleResultFunction<Lookup>
    {
        public override string Name => nameof(Embedding);

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var ids = (Tensor)arguments[1];
            context.save_for_backward([ids]);
            context.save_data("slot", arguments[2]);
            return ((Tensor)arguments[0]).index_select(0, ids);
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            ((ParameterSlot)context.get_data("slot")).AccumulateRows(context.get_saved_variables()[0], gradient.contiguous());
            return [null, null, null];
        }
    }

    private sealed class PartialLookup : SingleResultFunction<PartialLookup>
    {
        public override string Name => nameof(Embedding);

        protected override Tensor Compute(AutogradContext context, object[] arguments)
        {
            var (weight, ids, slot) = ((Tensor)arguments[0], (Tensor)arguments[1], (ParameterSlot)arguments[2]);
            var local = ids - slot.Shard.Start;
            // 1 where the row is here; elsewhere row 0 stands in and is multiplied by 0.
            var here = local.gt(-1).to(ScalarType.Int32) - local.gt(slot.Shard.Extent - 1).to(ScalarType.Int32);
            local = local * here;
            var factor = here.to(weight.dtype).view(-1, 1);
            context.save_for_backward([local, factor]);
            context.save_data("slot", slot);
            return weight.index_select(0, local) * factor;
        }

        protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
        {
            var saved = context.get_saved_variables();
            ((ParameterSlot)context.get_data("slot")).AccumulateRows(saved[0], gradient * saved[1]);
            return [null, null, null];
        }
    }
}
