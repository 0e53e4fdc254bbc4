using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace EagerBenchmark;

/// <summary>
/// The model of bench/StepBenchmark as one writes it with TorchSharp's own operations: q, k and v in one product, gate and up in one, scaled dot
/// product attention, rotary tables made once.
/// </summary>
internal sealed class EagerTransformer
{
    private const int HeadSize = Hidden / Heads;
    private const int Hidden = 512;
    private const int Heads = 8;
    private const int Layers = 8;
    private const int Ffn = 1408;
    private const double RopeBase = 100000;
    private const double Epsilon = 1e-6;

    private readonly ScalarType _dtype;
    private readonly List<Parameter> _parameters = [];
    private readonly List<Block> _blocks = [];
    private readonly Parameter _embedding;
    private readonly Parameter _finalNorm;
    private readonly Parameter _head;
    private readonly Tensor _cosine;
    private readonly Tensor _sine;

    public EagerTransformer(int vocabulary, int context, ScalarType dtype)
    {
        _dtype = dtype;
        _embedding = Normal(vocabulary, Hidden);
        for (var layer = 0; layer < Layers; layer++)
        {
            // The shift begins as none: 0 of the token before, 1 of the token itself.
            _blocks.Add(new Block(Ones(Hidden), Normal(3 * Hidden, Hidden), Own(tensor(Shift(), [Heads, 2])), Own(tensor(Shift(), [Heads, 2])),
                Normal(Hidden, Hidden), Ones(Hidden), Normal(2 * Ffn, Hidden), Normal(Hidden, Ffn)));
        }
        _finalNorm = Ones(Hidden);
        _head = Normal(vocabulary, Hidden);

        using var scope = NewDisposeScope();
        var frequency = pow(RopeBase, -arange(0, HeadSize, 2, ScalarType.Float32) / HeadSize);
        var angle = outer(arange(context, ScalarType.Float32), frequency).view(1, 1, context, HeadSize / 2);
        _cosine = angle.cos().to(dtype).DetachFromDisposeScope();
        _sine = angle.sin().to(dtype).DetachFromDisposeScope();
    }

    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>Mean loss; ids and targets int64 [batch, tokens].</summary>
    public Tensor Loss(Tensor ids, Tensor targets)
    {
        var (batch, tokens) = (ids.size(0), ids.size(1));
        var x = _embedding.index_select(0, ids.view(-1)).view(batch, tokens, Hidden);
        foreach (var block in _blocks)
        {
            var qkv = Norm(x, block.AttentionNorm).matmul(block.QueryKeyValue.t()).view(batch, tokens, 3, Heads, HeadSize).permute(2, 0, 3, 1, 4);
            var mixed = F.scaled_dot_product_attention(Rotate(qkv[0]), Rotate(Shifted(qkv[1], block.KeyShift)), Shifted(qkv[2], block.ValueShift),
                is_casual: true);
            x = x + mixed.transpose(1, 2).reshape(batch, tokens, Hidden).matmul(block.Output.t());
            var gateUp = Norm(x, block.FfnNorm).matmul(block.GateUp.t());
            x = x + (F.silu(gateUp.narrow(2, 0, Ffn)) * gateUp.narrow(2, Ffn, Ffn)).matmul(block.Down.t());
        }
        var logits = Norm(x, _finalNorm).matmul(_head.t()).view(batch * tokens, -1).to(ScalarType.Float32);
        return F.cross_entropy(logits, targets.view(-1));
    }

    private static float[] Shift() => [.. Enumerable.Repeat(new[] { 0f, 1f }, Heads).SelectMany(pair => pair)];

    private Tensor Norm(Tensor x, Tensor weight)
        => x * (x * x).mean([-1], keepdim: true, ScalarType.Float32).add(Epsilon).rsqrt().to(_dtype) * weight;

    // [batch, heads, tokens, head_size].
    private Tensor Rotate(Tensor x)
    {
        var (first, second) = (x.narrow(3, 0, HeadSize / 2), x.narrow(3, HeadSize / 2, HeadSize / 2));
        return cat([first * _cosine - second * _sine, second * _cosine + first * _sine], 3);
    }

    private static Tensor Shifted(Tensor x, Tensor shift)
    {
        var before = F.pad(x.narrow(2, 0, x.size(2) - 1), [0, 0, 1, 0]);
        return x * shift.narrow(1, 1, 1).view(1, Heads, 1, 1) + before * shift.narrow(1, 0, 1).view(1, Heads, 1, 1);
    }

    private Parameter Normal(params long[] shape) => Own(randn(shape) * 0.02);

    private Parameter Ones(long size) => Own(ones(size));

    private Parameter Own(Tensor values)
    {
        var parameter = new Parameter(values.to(_dtype));
        _parameters.Add(parameter);
        return parameter;
    }

    private sealed record Block(Tensor AttentionNorm, Tensor QueryKeyValue, Tensor KeyShift, Tensor ValueShift, Tensor Output, Tensor FfnNorm,
        Tensor GateUp, Tensor Down);
}
