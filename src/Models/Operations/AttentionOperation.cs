using KvShiftScale.Parallel.Autograd;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace KvShiftScale.Models.Operations;

/// <summary>Causal softmax attention inside documents, with grouped queries and, in sliding layers, over a window of keys.</summary>
internal sealed class AttentionOperation : SingleResultFunction<AttentionOperation>
{
    public override string Name => "Attention";

    /// <param name="kernels">What computes.</param>
    /// <param name="query">[batch * own tokens, heads * head_size].</param>
    /// <param name="key">[batch * tokens, kv_heads * head_size].</param>
    /// <param name="value">As the key.</param>
    /// <param name="shape">Heads, kv heads, which divide them, head size and window.</param>
    /// <param name="rows">Rows, tokens and documents.</param>
    /// <returns>[batch * own tokens, heads * head_size].</returns>
    public static Tensor Apply(IKernels kernels, Activation query, Activation key, Activation value, AttentionShape shape, PackedRows rows)
        => apply(query.Value, key.Value, value.Value, new Call(kernels, query, key, value, shape, rows));

    protected override Tensor Compute(AutogradContext context, object[] arguments)
    {
        var call = (Call)arguments[3];
        var result = call.Kernels.Attention((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], call.Shape, call.Rows);
        context.save_for_backward([.. call.Query.Keep(), .. call.Key.Keep(), .. call.Value.Keep(), .. result.ForBackward]);
        context.save_data("call", call);
        return result.Output;
    }

    protected override List<Tensor?> Differentiate(AutogradContext context, Tensor gradient)
    {
        var (saved, call) = (new Queue<Tensor>(context.get_saved_variables()), (Call)context.get_data("call"));
        var (query, key, value) = (call.Query.Take(saved), call.Key.Take(saved), call.Value.Take(saved));
        var (dquery, dkey, dvalue) = call.Kernels.AttentionBackward(query, key, value, [.. saved], gradient.contiguous(), call.Shape, call.Rows);
        call.Query.Release();
        call.Key.Release();
        call.Value.Release();
        return [dquery, dkey, dvalue, null];
    }

    private sealed record Call(IKernels Kernels, Activation Query, Activation Key, Activation Value, AttentionShape Shape, PackedRows Rows);
}
