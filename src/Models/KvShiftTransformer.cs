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

/// <summary>
/// A decoder-only transformer with KV shifting attention, or the layers of one that a stage of a pipeline computes, in one chunk or several. Parameters
/// carry the names of Llama checkpoints.
/// </summary>
public sealed class KvShiftTransformer : nn.Module
{
    private readonly TensorRegion _region;
    private readonly Embedding? _embedding;
    // By chunk.
    private readonly TransformerBlock[][] _blocks;
    private readonly RmsNorm? _norm;
    private readonly ParameterSlot? _head;
    private readonly Dictionary<int, RotaryTable> _rotary = [];

    /// <param name="config">Shape.</param>
    /// <param name="parameters">Where parameters are allocated; not initialised here.</param>
    /// <param name="context">The longest sequence that the model will see.</param>
    /// <param name="region">How tensor-parallel ranks divide each layer; nothing given: this rank holds all of it. Disposed with the model.</param>
    /// <param name="pipeline">How stages divide the layers; nothing given: this rank has all of them. Disposed with the model.</param>
    public KvShiftTransformer(ModelConfig config, ParameterBuckets parameters, int context, TensorRegion? region = null, PipelineRegion? pipeline = null)
        : base("model")
    {
        _region = region ?? TensorRegion.Whole();
        Pipeline = pipeline ?? PipelineRegion.Whole();
        Config = config;
        Plan = ParameterPlan.Of(config);
        Stage = StageChunks.Of(config.Layers, Pipeline.Stage, Pipeline.Stages, Pipeline.Chunks);
        var slots = new ModelParameters(Plan, parameters, _region, Pipeline, Stage);
        Parameters = parameters;
        Context = context;
        // A tied head on a stage of its own is allocated first there too: both ends come to its reduction last, and wait for each other least.
        var embedding = Stage.Holds(Plan["model.embed_tokens.weight"]) ? slots.Create("model.embed_tokens.weight") : null;
        if (Stage.HasEmbedding)
        {
            _embedding = new Embedding("model.embed_tokens", embedding!);
            register_module("embed_tokens", _embedding);
        }

        _blocks = [.. Stage.Chunks.Select(chunk => Enumerable.Range(chunk.FirstLayer, chunk.EndLayer - chunk.FirstLayer).Select(Block).ToArray())];
        if (!Stage.HasHead)
        {
            return;
        }

        _norm = new RmsNorm("model.norm", slots.Create("model.norm.weight"), config.NormEpsilon);
        register_module("norm", _norm);
        if (config.TieEmbeddings)
        {
            _head = embedding;
        }
        else
        {
            _head = slots.Create("lm_head.weight");
            register_parameter("lm_head", _head.Parameter);
        }

        TransformerBlock Block(int layer)
        {
            var shape = config.Attention(layer);
            if (!_rotary.TryGetValue(shape.HeadSize, out var rotary))
            {
                rotary = new RotaryTable(context, shape.HeadSize, config.RopeBase, parameters.DataType, parameters.Device);
                _rotary.Add(shape.HeadSize, rotary);
            }
            var block = new TransformerBlock(slots, layer, config, shape, rotary);
            register_module($"layers_{layer}", block);
            return block;
        }
    }

    /// <summary>Shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>What parameters the whole model has.</summary>
    public ParameterPlan Plan { get; }

    /// <summary>Elements of all parameters of the whole model.</summary>
    public long ParameterCount => ParameterCounts.Of(Plan).Total;

    /// <summary>The layers of this stage: all of them without a pipeline.</summary>
    public StageChunks Stage { get; }

    /// <summary>The stages of the model.</summary>
    public PipelineRegion Pipeline { get; }

    /// <summary>The parameters that this rank holds, and their gradients.</summary>
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

            foreach (var block in _blocks.SelectMany(chunk => chunk))
            {
                block.RecomputeSelectively();
            }
        }
    }

    /// <summary>Sum over valid targets of the negative log-likelihood, in nats. On the stage with the head alone, of its last chunk.</summary>
    /// <param name="input">int32 [batch * own tokens] ids, or what the stage before gives.</param>
    /// <param name="targets">int32 [batch * tokens]; -100 where there is no target.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="observer">Shown every part on the way.</param>
    public Tensor LossSum(Tensor input, Tensor targets, TokenLayout layout, ForwardObserver? observer = null)
        => LinearCrossEntropyOperation.Apply(Hidden(input, layout, observer), OutputHead, targets, _region.Group);

    /// <summary>
    /// What a chunk of this stage gives the next stage: the residual stream after its layers, [batch * own tokens, hidden_size] or this rank's part of
    /// the tokens.
    /// </summary>
    /// <param name="input">int32 [batch * own tokens] ids, or what the stage before gives.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="chunk">From 0; not the last of the stage with the head.</param>
    /// <param name="observer">Shown every part on the way.</param>
    public Tensor Activation(Tensor input, TokenLayout layout, int chunk, ForwardObserver? observer = null)
    {
        var (residual, pending) = Blocks(input, layout, chunk, observer: observer);
        return pending is null ? residual : residual + pending;
    }

    /// <summary>Room for an activation between two stages.</summary>
    /// <param name="layout">Rows and tokens.</param>
    public Tensor EmptyActivation(TokenLayout layout)
    {
        var tokens = (long)layout.Batch * layout.OwnTokens / (_region.IsSequenceParallel ? _region.Size : 1);
        return empty([tokens, Config.HiddenSize], Parameters.DataType, Parameters.Device);
    }

    /// <summary>
    /// A forward pass without gradients through all stages, each of which calls it with the same batch: the last one does with its input what is
    /// wanted of the model, the others hand their activations on.
    /// </summary>
    /// <param name="ids">int32 [batch * own tokens].</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="last">What the last stage does in the end, for example <see cref="LossSum"/>.</param>
    /// <param name="observer">Shown every part on the way to that.</param>
    /// <returns>What that gives; null on the other stages.</returns>
    public Tensor? ThroughStages(Tensor ids, TokenLayout layout, Func<Tensor, Tensor> last, ForwardObserver? observer = null)
    {
        foreach (var (chunk, range) in Stage.Chunks.Index())
        {
            var input = ids;
            if (!range.HasEmbedding)
            {
                Pipeline.ReceiveActivation(input = EmptyActivation(layout));
            }

            if (range.HasHead)
            {
                return last(input);
            }

            using var activation = Activation(input, layout, chunk, observer);
            Pipeline.SendActivation(activation);
        }

        return null;
    }

    /// <summary>[batch * tokens, vocabulary] logits.</summary>
    public Tensor Logits(Tensor ids, TokenLayout layout) => Head(Normalised(ids, layout));

    /// <summary>The final hidden states of the tokens that this rank's head is for, [batch * own tokens, hidden_size].</summary>
    /// <param name="input">int32 [batch * own tokens] ids, or what the stage before gives.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="observer">Shown every part on the way.</param>
    internal Tensor Hidden(Tensor input, TokenLayout layout, ForwardObserver? observer = null)
        => _region.Enter(Normalised(input, layout, caches: null, observer));

    /// <summary>How ranks divide the model.</summary>
    internal TensorRegion Region => _region;

    /// <summary>The output head: [vocabulary, hidden_size], or this rank's rows of it.</summary>
    /// <exception cref="InvalidOperationException">Another stage has it.</exception>
    internal ParameterSlot OutputHead
        => _head ?? throw new InvalidOperationException($"the output head is on the last of {Pipeline.Stages} stages, and this is stage {Pipeline.Stage}");

    /// <summary>
    /// [ids, hidden_size]: the product of a row with what is added to the residual stream is what that adds to the id's logit, up to the
    /// positive factor of the final norm. Collective over the ranks that divide the model, those of all its stages.
    /// </summary>
    internal Tensor UnembeddingRows(Tensor ids)
    {
        var rows = empty([ids.size(0), Config.HiddenSize], Parameters.DataType, Parameters.Device);
        if (Stage.HasHead)
        {
            rows = Embedding.Rows(OutputHead, ids);
            _region.Group.AllReduce(rows);
            rows = rows * _norm!.Weight.Parameter;
        }

        Pipeline.BroadcastFromLast(rows);
        return rows;
    }

    /// <summary>
    /// Logits of a few tokens for the part of the vocabulary that this rank holds, [numbers, rows of <see cref="HeadShard"/>].
    /// </summary>
    /// <param name="input">int32 [batch * own tokens] ids, or what the stage before gives.</param>
    /// <param name="layout">Rows, tokens and documents.</param>
    /// <param name="numbers">int64: which of this rank's own tokens.</param>
    public Tensor LogitsAt(Tensor input, TokenLayout layout, Tensor numbers)
        => Head(Hidden(input, layout).index_select(0, numbers));

    /// <summary>Which rows of the output head this rank holds, on the stage that has it.</summary>
    public ParameterShard HeadShard => OutputHead.Shard;

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
        return Head(Normalised(ids, layout, caches));
    }

    /// <summary>Empty caches for one sequence of at most <see cref="Context"/> tokens.</summary>
    public IReadOnlyList<LayerCache> NewCaches()
        => [.. _blocks.SelectMany(chunk => chunk).Select((_, layer) => new LayerCache(Context, Config.Attention(layer), ShiftPlan.Of(Config.KvShift),
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
        Pipeline.Dispose();
        Parameters.Dispose();
    }

    private Tensor Normalised(Tensor input, TokenLayout layout, IReadOnlyList<LayerCache>? caches = null, ForwardObserver? observer = null)
    {
        var (residual, pending) = Blocks(input, layout, _blocks.Length - 1, caches, observer);
        var hidden = pending is null ? _norm!.call(residual).Value : _norm!.NormOfSum(residual, pending);
        observer?.Part?.Invoke("model.norm", hidden);
        return hidden;
    }

    // The residual stream after the blocks of a chunk, and what is still to be added to it.
    private (Tensor Residual, Tensor? Pending) Blocks(Tensor input, TokenLayout layout, int chunk, IReadOnlyList<LayerCache>? caches = null,
        ForwardObserver? observer = null)
    {
        if (layout.Tokens > Context)
        {
            throw new ArgumentException($"rows of {layout.Tokens} tokens for a context of {Context}", nameof(layout));
        }

        Tensor residual;
        if (_embedding is not null && chunk == 0)
        {
            residual = _region.Leave(_embedding.call(input));
            observer?.Part?.Invoke("model.embed_tokens", residual);
        }
        else
        {
            // The input stays the caller's.
            residual = input.alias();
        }

        Tensor? pending = null;
        var recompute = Recompute == Recompute.Full && is_grad_enabled() && observer is null;
        var blocks = _blocks[chunk];
        for (var layer = 0; layer < blocks.Length; layer++)
        {
            // What backward needs is kept by the graph; nothing else of a block outlives it.
            using var scope = NewDisposeScope();
            var (nextResidual, nextPending) = recompute
                ? RecomputedBlock.Apply(blocks[layer], residual, pending, layout)
                : blocks[layer].Forward(residual, pending, layout, caches?[layer], observer);
            residual.Dispose();
            pending?.Dispose();
            residual = nextResidual.MoveToOuterDisposeScope();
            pending = nextPending.MoveToOuterDisposeScope();
        }

        return (residual, pending);
    }

    private Tensor Head(Tensor hidden) => nn.functional.linear(hidden, OutputHead.AsInput());
}
