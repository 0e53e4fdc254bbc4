using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Simulation;

/// <summary>
/// What a block reads, gathers, sums and computes, forward and backward, in the order of <c>TransformerBlock</c> and of libtorch's engine: what was made last goes
/// backward first. A layer's seconds are half attention's and half the feed-forward's.
/// </summary>
internal sealed class BlockCalls
{
    private readonly LaunchGroups _groups;
    private readonly OperationRecorder _recorder;
    private readonly SimulatedSums _sums;
    private readonly StageTime _time;
    private readonly ModelConfig _model;
    private readonly ParallelConfig _parallel;
    private readonly ShiftPlan _shift;
    private readonly CollectiveDataType _type;
    private readonly bool _gathersAgain;

    /// <param name="config">The run.</param>
    /// <param name="groups">The launch's groups.</param>
    /// <param name="recorder">Where calls are written.</param>
    /// <param name="sums">What is told of parameters read and of gradients.</param>
    /// <param name="time">What a layer takes.</param>
    /// <param name="type">Type of activations.</param>
    public BlockCalls(RunConfig config, LaunchGroups groups, OperationRecorder recorder, SimulatedSums sums, StageTime time, CollectiveDataType type)
    {
        (_groups, _recorder, _sums, _time, _type) = (groups, recorder, sums, time, type);
        (_model, _parallel, _shift) = (config.Model, config.Parallel, ShiftPlan.Of(config.Model.KvShift));
        Tokens = (long)config.Data.MicroBatch * config.Data.Context / config.Parallel.Context;
        OuterElements = Tokens / (_parallel.IsSequenceParallel ? _parallel.Tensor : 1) * _model.HiddenSize;
        _gathersAgain = _parallel.IsSequenceParallel && _parallel.Recompute == Recompute.Selective;
    }

    /// <summary>Tokens of a micro-batch that this rank computes with its part of the weights.</summary>
    public long Tokens { get; }

    /// <summary>Elements of the residual stream that this rank holds between the matrices.</summary>
    public long OuterElements { get; }

    /// <summary>A block forward.</summary>
    public void Forward(int layer)
    {
        var shape = _model.Attention(layer);
        var (query, keyOrValue) = (Width(shape.Heads, shape.HeadSize), Width(shape.KvHeads, shape.HeadSize));
        Read(layer, "input_layernorm.weight");
        Enter();
        Project("q", query, _shift.Query, isGathered: _shift.Query);
        Project("k", keyOrValue, _shift.Key, isGathered: true);
        Project("v", keyOrValue, _shift.Value, isGathered: true);
        _recorder.Compute(_time.LayerForward(layer) / 2);
        Read(layer, "self_attn.o_proj.weight");
        Leave();
        Read(layer, "post_attention_layernorm.weight");
        Enter();
        Read(layer, "mlp.gate_proj.weight");
        Read(layer, "mlp.up_proj.weight");
        _recorder.Compute(_time.LayerForward(layer) / 2);
        Read(layer, "mlp.down_proj.weight");
        Leave();

        void Project(string name, long width, bool isShifted, bool isGathered)
        {
            Read(layer, $"self_attn.{name}_proj.weight");
            if (isGathered)
            {
                _recorder.AllGather(_groups.Context, _type, Tokens * width);
            }

            if (isShifted)
            {
                Read(layer, $"self_attn.{name}_shift");
            }
        }
    }

    /// <summary>A block backward, after its forward where that is made again.</summary>
    public void Backward(int layer)
    {
        if (_parallel.Recompute == Recompute.Full)
        {
            Forward(layer);
        }

        var shape = _model.Attention(layer);
        var (query, keyOrValue) = (Width(shape.Heads, shape.HeadSize), Width(shape.KvHeads, shape.HeadSize));
        LeaveBackward();
        Gradient(layer, "mlp.down_proj.weight");
        _recorder.Compute(_time.LayerBackward(layer) / 2);
        EnterAgain();
        Gradient(layer, "mlp.up_proj.weight");
        Gradient(layer, "mlp.gate_proj.weight");
        EnterBackward();
        Gradient(layer, "post_attention_layernorm.weight");
        LeaveBackward();
        Gradient(layer, "self_attn.o_proj.weight");
        _recorder.Compute(_time.LayerBackward(layer) / 2);
        Unproject("v", keyOrValue, _shift.Value, isGathered: true, isFirst: true);
        Unproject("k", keyOrValue, _shift.Key, isGathered: true);
        Unproject("q", query, _shift.Query, isGathered: _shift.Query);
        EnterBackward();
        Gradient(layer, "input_layernorm.weight");

        void Unproject(string name, long width, bool isShifted, bool isGathered, bool isFirst = false)
        {
            if (isShifted)
            {
                Gradient(layer, $"self_attn.{name}_shift");
            }

            if (isGathered)
            {
                _recorder.ReduceScatter(_groups.Context, _type, Tokens * width);
            }

            if (isFirst)
            {
                EnterAgain();
            }

            Gradient(layer, $"self_attn.{name}_proj.weight");
        }
    }

    /// <summary>All tokens, where a tensor-parallel region begins.</summary>
    public void Enter()
    {
        if (_parallel.IsSequenceParallel)
        {
            _recorder.AllGather(_groups.Tensor, _type, OuterElements);
        }
    }

    /// <summary>What the ranks' weights contributed to the gradient there.</summary>
    public void EnterBackward() => Join();

    /// <summary>The sum of the ranks' results, where it ends.</summary>
    public void Leave() => Join();

    /// <summary>The gradient of all tokens there.</summary>
    public void LeaveBackward() => Enter();

    private void Join()
    {
        if (_parallel.IsSequenceParallel)
        {
            _recorder.ReduceScatter(_groups.Tensor, _type, OuterElements);
        }
        else
        {
            _recorder.AllReduce(_groups.Tensor, _type, OuterElements);
        }
    }

    // Tokens of normalised rows that are made again are gathered again, for the first that needs them.
    private void EnterAgain()
    {
        if (_gathersAgain)
        {
            Enter();
        }
    }

    private long Width(int heads, int headSize) => Math.Max(1, heads / _parallel.Tensor) * (long)headSize;

    private void Read(int layer, string parameter) => _sums.Read($"model.layers.{layer}.{parameter}");

    private void Gradient(int layer, string parameter) => _sums.GradientOf($"model.layers.{layer}.{parameter}");
}
