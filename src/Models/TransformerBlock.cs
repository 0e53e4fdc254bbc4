using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// One pre-norm block: h = x + attention(norm(x)); y = h + ffn(norm(h)). The addition that ends a half is done by the norm that
/// begins the next, so a block takes (residual, what is still to be added) and returns the same pair.
/// </summary>
public sealed class TransformerBlock : nn.Module
{
    private readonly RmsNorm _attentionNorm;
    private readonly KvShiftAttention _attention;
    private readonly RmsNorm _ffnNorm;
    private readonly FeedForward _ffn;

    internal TransformerBlock(ModelParameters parameters, string name, ModelConfig config, AttentionShape shape, RotaryTable rotary) : base(name)
    {
        _attentionNorm = Norm("input_layernorm");
        _attention = new KvShiftAttention(parameters, $"{name}.self_attn", config.KvShift, shape, rotary);
        _ffnNorm = Norm("post_attention_layernorm");
        _ffn = new FeedForward(parameters, $"{name}.mlp");
        register_module("input_layernorm", _attentionNorm);
        register_module("self_attn", _attention);
        register_module("post_attention_layernorm", _ffnNorm);
        register_module("mlp", _ffn);

        RmsNorm Norm(string norm) => new($"{name}.{norm}", parameters.Create($"{name}.{norm}.weight"), config.NormEpsilon);
    }

    /// <summary>
    /// From now on, what costs little to make again is not kept for backward: normalised rows, the product of the feed-forward's halves,
    /// and whatever is shifted.
    /// </summary>
    public void RecomputeSelectively()
    {
        _attentionNorm.IsRemade = true;
        _attention.ShiftedIsRemade = true;
        _ffnNorm.IsRemade = true;
        _ffn.ProductIsRemade = true;
    }

    /// <param name="residual">[rows, hidden_size].</param>
    /// <param name="pending">What the block before left to add; null in the first block.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    public (Tensor Residual, Tensor Pending) Forward(Tensor residual, Tensor? pending, TokenLayout layout)
    {
        (residual, var x) = Enter(residual, pending);
        (residual, x) = _ffnNorm.AddNorm(residual, _attention.call(x, layout));
        return (residual, _ffn.call(x));
    }

    /// <summary>As <see cref="Forward"/>, and shows what the attention sees.</summary>
    internal (Tensor Residual, Tensor Pending) Observe(Tensor residual, Tensor? pending, TokenLayout layout, Action<AttentionView> look)
    {
        (residual, var x) = Enter(residual, pending);
        using (NewDisposeScope())
        {
            look(_attention.View(x, layout));
        }

        (residual, x) = _ffnNorm.AddNorm(residual, _attention.call(x, layout));
        return (residual, _ffn.call(x));
    }

    /// <summary>As <see cref="Forward"/>, and shows what each part of the block gives, under its name in the block.</summary>
    internal (Tensor Residual, Tensor Pending) Trace(Tensor residual, Tensor? pending, TokenLayout layout, Action<string, Tensor> look)
    {
        (residual, var normalised) = Enter(residual, pending);
        look("input_layernorm", normalised.Value);
        var x = _attention.call(normalised, layout);
        look("self_attn", x);
        (residual, normalised) = _ffnNorm.AddNorm(residual, x);
        look("post_attention_layernorm", normalised.Value);
        x = _ffn.call(normalised);
        look("mlp", x);
        return (residual, x);
    }

    /// <summary>As <see cref="Forward"/>, for the next tokens of one cached sequence.</summary>
    public (Tensor Residual, Tensor Pending) Decode(Tensor residual, Tensor? pending, LayerCache cache)
    {
        (residual, var x) = Enter(residual, pending);
        (residual, x) = _ffnNorm.AddNorm(residual, _attention.Decode(x.Value, cache));
        return (residual, _ffn.call(x));
    }

    private (Tensor Residual, Activation Normalised) Enter(Tensor residual, Tensor? pending)
        => pending is null ? (residual, _attentionNorm.call(residual)) : _attentionNorm.AddNorm(residual, pending);
}
