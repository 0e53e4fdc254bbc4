using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>
/// One pre-norm block: h = x + attention(norm(x)); y = h + ffn(norm(h)). The addition that ends a half is done by the norm that
/// begins the next, so a block takes (residual, what is still to be added) and returns the same pair.
/// </summary>
public sealed class TransformerBlock : nn.Module
{
    private readonly int _layer;
    private readonly string _name;
    private readonly RmsNorm _attentionNorm;
    private readonly KvShiftAttention _attention;
    private readonly RmsNorm _ffnNorm;
    private readonly FeedForward _ffn;

    internal TransformerBlock(ModelParameters parameters, int layer, ModelConfig config, AttentionShape shape, RotaryTable rotary)
        : base($"model.layers.{layer}")
    {
        _layer = layer;
        _name = $"model.layers.{layer}";
        _attentionNorm = Norm("input_layernorm");
        _attention = new KvShiftAttention(parameters, $"{_name}.self_attn", config.KvShift, shape, rotary);
        _ffnNorm = Norm("post_attention_layernorm");
        _ffn = new FeedForward(parameters, $"{_name}.mlp");
        register_module("input_layernorm", _attentionNorm);
        register_module("self_attn", _attention);
        register_module("post_attention_layernorm", _ffnNorm);
        register_module("mlp", _ffn);

        RmsNorm Norm(string norm) => new($"{_name}.{norm}", parameters.Create($"{_name}.{norm}.weight"), config.NormEpsilon);
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
    /// <param name="cache">Where the tokens continue a sequence: what this layer has kept of it. They are added to it.</param>
    /// <param name="observer">Shown each part of the block.</param>
    public (Tensor Residual, Tensor Pending) Forward(Tensor residual, Tensor? pending, TokenLayout layout, LayerCache? cache = null,
        ForwardObserver? observer = null)
    {
        Activation x;
        (residual, x) = pending is null ? (residual, _attentionNorm.call(residual)) : _attentionNorm.AddNorm(residual, pending);
        Show(observer, "input_layernorm", x.Value);
        if (observer?.Attention is { } look)
        {
            using var scope = NewDisposeScope();
            look(_layer, _attention.View(x, layout));
        }

        var attended = cache is null ? _attention.call(x, layout) : _attention.Decode(x.Value, layout, cache);
        Show(observer, "self_attn", attended);
        (residual, x) = _ffnNorm.AddNorm(residual, attended);
        Show(observer, "post_attention_layernorm", x.Value);
        var fed = _ffn.call(x);
        Show(observer, "mlp", fed);
        return (residual, fed);
    }

    private void Show(ForwardObserver? observer, string part, Tensor output) => observer?.Part?.Invoke($"{_name}.{part}", output);
}
