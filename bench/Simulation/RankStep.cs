using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Pipelines;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;

namespace KvShiftScale.Simulation;

/// <summary>
/// A rank's training step as the calls that <c>TrainingStep</c> and the schedule of micro-batches make. Ranks of one stage with the same part of the
/// matrices do the same.
/// </summary>
internal sealed class RankStep
{
    private readonly RunConfig _config;
    private readonly LaunchGroups _groups;
    private readonly OperationRecorder _recorder;
    private readonly StageChunks _chunks;
    private readonly BlockCalls _blocks;
    private readonly HeadCalls _ends;
    private readonly SimulatedSums _sums;
    private readonly CollectiveDataType _activationType;
    private readonly double _updateSeconds;
    private readonly int _stage;

    private RankStep(RunConfig config, LaunchGroups groups, int rank, HardwareProfile hardware, LinkTime links)
    {
        var parallel = config.Parallel;
        _config = config;
        _groups = groups;
        _recorder = new OperationRecorder(groups, rank, links);
        _stage = _recorder.IndexIn(groups.Pipeline);
        _chunks = StageChunks.Of(config.Model.Layers, _stage, parallel.Pipeline, parallel.VirtualStages);
        var bytes = ElementBytes.Of(config.Precision);
        var tensorRank = _recorder.IndexIn(groups.Tensor);
        var buckets = new RankBuckets(config.Model, parallel, groups, _stage, tensorRank, bytes.Wide);
        _activationType = config.Precision == Precision.Bf16 ? CollectiveDataType.BFloat16 : CollectiveDataType.Float32;
        _sums = new SimulatedSums(_recorder, buckets, groups, parallel, _activationType, CollectiveDataType.Float32);
        var time = new StageTime(config, hardware, links);
        _blocks = new BlockCalls(config, groups, _recorder, _sums, time, _activationType);
        _ends = new HeadCalls(config, _recorder, _blocks, _sums, time, groups.Tensor);
        var owned = buckets.Buckets.Sum(bucket => (double)bucket.Length) / (parallel.OptimizerSharding == OptimizerSharding.None ? 1 : _recorder.SizeOf(groups.Replicas));
        _updateSeconds = owned * PassTime.UpdateBytes(bytes) / PassTime.KernelRate(hardware);
    }

    /// <summary>What a rank does in each step.</summary>
    /// <param name="config">A run whose rules are kept and whose sums have no canonical order.</param>
    /// <param name="groups">The groups of the launch; those that it needs are formed.</param>
    /// <param name="timetable">What the stages do with micro-batches, and when.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="hardware">What computes.</param>
    /// <param name="links">What communicates.</param>
    public static RankProgram Of(RunConfig config, LaunchGroups groups, IReadOnlyList<IReadOnlyList<StageStep>> timetable, int rank, HardwareProfile hardware,
        LinkTime links)
    {
        var step = new RankStep(config, groups, rank, hardware, links);
        step._recorder.Begin();
        step.Write(timetable[step._stage]);
        return step._recorder.Program;
    }

    private void Write(IReadOnlyList<StageStep> steps)
    {
        var parallel = _config.Parallel;
        MicroBatches(steps);
        _sums.Finish();
        // Losses, counts and squares of gradients in one tensor; then numbers that all ranks decide by.
        var holders = parallel.OptimizerSharding != OptimizerSharding.None && _recorder.SizeOf(_groups.Replicas) > 1
            ? _groups.Layout.WorldSize : parallel.Pipeline * parallel.Tensor;
        _recorder.AllReduceNumbers(_groups.World, CollectiveDataType.Float64, _recorder.SizeOf(_groups.Replicas) + 2 + holders);
        _recorder.AllReduceNumbers(_groups.World, CollectiveDataType.Int64, 3, ReduceOperation.Max);
        _recorder.Compute(_updateSeconds);
        _sums.Gather();
    }

    // As OneForwardOneBackwardSchedule, and on one stage SequentialSchedule, of which the only difference is that nothing is received or sent.
    private void MicroBatches(IReadOnlyList<StageStep> steps)
    {
        var last = steps.Max(step => step.Pass.MicroBatch);
        foreach (var (action, pass) in steps)
        {
            var neighbour = action switch
            {
                StageAction.Receive => pass.Before(_stage, _config.Parallel.Pipeline, _chunks.Chunks.Count),
                StageAction.Send => pass.After(_stage, _config.Parallel.Pipeline, _chunks.Chunks.Count),
                _ => null,
            };
            switch (action)
            {
                case StageAction.Receive:
                    _recorder.Receive(_groups.Pipeline, _activationType, _blocks.OuterElements, neighbour!.Value.Stage);
                    break;
                case StageAction.Send:
                    _recorder.Send(_groups.Pipeline, _activationType, _blocks.OuterElements, neighbour!.Value.Stage);
                    break;
                case StageAction.Compute when pass.IsForward:
                    Forward(_chunks.Chunks[pass.Chunk]);
                    break;
                default:
                    _sums.BeginMicroBatch(isLast: pass.MicroBatch == last, pass.Chunk);
                    Backward(_chunks.Chunks[pass.Chunk]);
                    break;
            }
        }
    }

    private void Forward(StageRange range)
    {
        if (range.HasEmbedding)
        {
            _ends.EmbeddingForward();
        }

        for (var layer = range.FirstLayer; layer < range.EndLayer; layer++)
        {
            _blocks.Forward(layer);
        }

        if (range.HasHead)
        {
            _ends.HeadForward();
        }
    }

    private void Backward(StageRange range)
    {
        if (range.HasHead)
        {
            _ends.HeadBackward();
        }

        for (var layer = range.EndLayer - 1; layer >= range.FirstLayer; layer--)
        {
            _blocks.Backward(layer);
        }

        if (range.HasEmbedding)
        {
            _ends.EmbeddingBackward();
        }
    }
}
