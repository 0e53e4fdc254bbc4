using KvShiftScale.Models.Configuration;
using KvShiftScale.Models.Layout;
using KvShiftScale.Models.Operations;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Kernels;
using KvShiftScale.Parallel.Layers;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Parameters;
using KvShiftScale.Parallel.Regions;
using static TorchSharp.torch;

namespace KvShiftScale.Models;

/// <summary>A decoder-only transformer with KV shifting attention. Parameters carry the names of Llama checkpoints.</summary>
public sealed class KvShiftTransformer : nn.Module
{
    private readonly TensorRegion _region;
    private readonly Embedding _embedding;
    private readonly List<TransformerBlock> _blocks = [];
    private readonly RmsNorm _norm;
    private readonly ParameterSlot _head;
    private readonly Dictionary<int, RotaryTable> _rotary = [];

    /// <param name="config">Shape.</param>
    /// <param name="parameters">Where parameters are allocated; not initialised here.</param>
    /// <param name="context">The longest sequence that the model will see.</param>
    /// <param name="region">How tensor-parallel ranks divide the model; nothing given: this rank holds all of it. Disposed with the model.</param>
    public KvShiftTransformer(ModelConfig config, ParameterBuckets parameters, int context, TensorRegion? region = null) : base("model")
    {
        _region = region ?? TensorRegion.Whole();
        Config = config;
        Plan = ParameterPlan.Of(config);
        var slots = new ModelParameters(Plan, parameters, _region);
        Parameters = parameters;
        Context = context;
        _embedding = new Embedding("model.embed_tokens", slots.Create("model.embed_tokens.weight"));
        register_module("embed_tokens", _embedding);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var shape = config.Attention(layer);
            if (!_rotary.TryGetValue(shape.HeadSize, out var rotary))
            {
                rotary = new RotaryTable(context, shape.HeadSize, config.RopeBase, parameters.DataType, parameters.Device);
                _rotary.Add(shape.HeadSize, rotary);
            }
            var block = new TransformerBlock(slots, layer, config, shape, rotary);
            _blocks.Add(block);
            register_module($"layers_{layer}", block);
        }
        _norm = new RmsNorm("model.norm", slots.Create("model.norm.weight"), config.NormEpsilon);
        register_module("norm", _norm);
        if (config.TieEmbeddings)
        {
            _head = _embedding.Weight;
        }
        else
        {
            _head = slots.Create("lm_head.weight");
            register_parameter("lm_head", _head.Parameter);
        }
    }

    /// <summary>Shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>What parameters it has.</summary>
    public ParameterPlan Plan { get; }

    /// <summary>All parameters and their gradients.</summary>
    public ParameterBuckets Parameters { get; }

    /// <summary>The longest sequence.</summary>
    public int Context { get; }

    /// <summary>Which activations are made again in backward.</summary>
    public Recompute Recompute
    {
        get;
        init
        {
            field = value;
            if (value != Recompute.Selective)
            {
                return;
            }

            foreach (var block in _blocks)
            {
                block.RecomputeSelectively();
            }
        }
    }

    /// <summary>Sum over valid targets of the negative log-likelihood, in nats.</summary>
    /// <param name="ids">int32 [batch * tokens].</param>
    /// <param name="targets">int32 [batch * tokens]; -100 where there is no target.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="observer">Shown every part on the way.</param>
    public Tensor LossSum(Tensor ids, Tensor targets, TokenLayout layout, ForwardObserver? observer = null)
        => LinearCrossEntropyOperation.Apply(Hidden(ids, layout, observer), _head, targets, _region.Group);

    /// <summary>[batch * tokens, vocabulary] logits.</summary>
    public Tensor Logits(Tensor ids, TokenLayout layout) => Head(Blocks(ids, layout));

    /// <summary>The final hidden states of the tokens that this rank's head is for, [batch * own tokens, hidden_size].</summary>
    /// <param name="ids">int32 [batch * own tokens].</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="observer">Shown every part on the way.</param>
    internal Tensor Hidden(Tensor ids, TokenLayout layout, ForwardObserver? observer = null)
        => _region.Enter(Blocks(ids, layout, caches: null, observer));

    /// <summary>How ranks divide the model.</summary>
    internal TensorRegion Region => _region;

    /// <summary>The output head: [vocabulary, hidden_size], or this rank's rows of it.</summary>
    internal ParameterSlot OutputHead => _head;

    /// <summary>
    /// [ids, hidden_size]: the product of a row with what is added to the residual stream is what that adds to the id's logit, up to the
    /// positive factor of the final norm. Collective over the ranks that divide the model.
    /// </summary>
    internal Tensor UnembeddingRows(Tensor ids)
    {
        var rows = Embedding.Rows(_head, ids);
        _region.Group.AllReduce(rows);
        return rows * _norm.Weight.Parameter;
    }

    /// <summary>
    /// Logits of a few tokens for the part of the vocabulary that this rank holds, [numbers, rows of <see cref="HeadShard"/>].
    /// </summary>
    /// <param name="ids">int32 [batch * own tokens].</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="numbers">int64: which of this rank's own tokens.</param>
    public Tensor LogitsAt(Tensor ids, TokenLayout layout, Tensor numbers)
        => Head(Hidden(ids, layout).index_select(0, numbers));

    /// <summary>Which rows of the output head this rank holds.</summary>
    public ParameterShard HeadShard => _head.Shard;

    /// <summary>Logits [tokens, vocabulary] of the next tokens of one sequence.</summary>
    /// <param name="ids">int32 [tokens]; they continue what the caches hold.</param>
    /// <param name="caches">One for each layer, from <see cref="NewCaches"/>.</param>
    public Tensor Decode(Tensor ids, IReadOnlyList<LayerCache> caches)
    {
        var tokens = ids.size(0);
        if (Config.SlidingWindow > 0 && tokens > Config.SlidingWindow)
        {
            // Caches of sliding layers take a window at a time.
            var rest = tokens - Config.SlidingWindow;
            return cat([Decode(ids.narrow(0, 0, Config.SlidingWindow), caches), Decode(ids.narrow(0, Config.SlidingWindow, rest), caches)], 0);
        }
        var length = caches[0].Length;
        using var layout = new TokenLayout(batch: 1, (int)tokens, arange(length, length + tokens, int32));
        return Head(Blocks(ids, layout, caches));
    }

    /// <summary>Empty caches for one sequence of at most <see cref="Context"/> tokens.</summary>
    public IReadOnlyList<LayerCache> NewCaches()
        => [.. _blocks.Select((_, layer) => new LayerCache(Context, Config.Attention(layer), ShiftPlan.Of(Config.KvShift),
            Parameters.DataType, Parameters.Device))];

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing)
        {
            return;
        }

        foreach (var rotary in _rotary.Values)
        {
            rotary.Dispose();
        }

        _region.Dispose();
        Parameters.Dispose();
    }

    private Tensor Blocks(Tensor ids, TokenLayout layout, IReadOnlyList<LayerCache>? caches = null, ForwardObserver? observer = null)
    {
        if (layout.Tokens > Context)
        {
            throw new ArgumentException($"rows of {layout.Tokens} tokens for a context of {Context}", nameof(layout));
        }

        var residual = _region.Leave(_embedding.call(ids));
        observer?.Part?.Invoke("model.embed_tokens", residual);
        Tensor? pending = null;
        var recompute = Recompute == Recompute.Full && is_grad_enabled() && observer is null;
        for (var layer = 0; layer < _blocks.Count; layer++)
        {
            // What backward needs is kept by the graph; nothing else of a block outlives it.
            using var scope = NewDisposeScope();
            var (nextResidual, nextPending) = recompute
                ? RecomputedBlock.Apply(_blocks[layer], residual, pending, layout)
                : _blocks[layer].Forward(residual, pending, layout, caches?[layer], observer);
            residual.Dispose();
            pending?.Dispose();
            residual = nextResidual.MoveToOuterDisposeScope();
            pending = nextPending.MoveToOuterDisposeScope();
        }

        var hidden = pending is null ? _norm.call(residual).Value : _norm.NormOfSum(residual, pending);
        observer?.Part?.Invoke("model.norm", hidden);
        return hidden;
    }

    private Tensor Head(Tensor hidden) => nn.functional.linear(hidden, _head.AsInput());
}
