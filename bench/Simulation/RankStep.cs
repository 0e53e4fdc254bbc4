using KvShiftScale.Models.Configuration;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Planning;
using KvShiftScale.Trainer.Session;

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
    private readonly StageRange _range;
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
        _range = StageRange.Of(config.Model.Layers, _stage, parallel.Pipeline);
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
    /// <param name="rank">The rank.</param>
    /// <param name="hardware">What computes.</param>
    /// <param name="links">What communicates.</param>
    public static RankProgram Of(RunConfig config, LaunchGroups groups, int rank, HardwareProfile hardware, LinkTime links)
    {
        var step = new RankStep(config, groups, rank, hardware, links);
        step._recorder.Begin();
        step.Write();
        return step._recorder.Program;
    }

    private void Write()
    {
        var parallel = _config.Parallel;
        var microBatches = _config.Data.GlobalBatch / _groups.Layout.DegreeOf(MeshAxis.Data) / _config.Data.MicroBatch;
        MicroBatches(microBatches);
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
    private void MicroBatches(int microBatches)
    {
        var hasTaken = false;
        StagePass[] passes = [.. PipelineOrder.Of(_stage, _config.Parallel.Pipeline, microBatches)];
        foreach (var (number, pass) in passes.Index())
        {
            if (pass.IsForward)
            {
                if (!hasTaken)
                {
                    Take();
                }

                hasTaken = false;
                Forward();
                continue;
            }

            _sums.BeginMicroBatch(isLast: pass.MicroBatch == microBatches - 1);
            Backward();
            if (number + 1 < passes.Length && passes[number + 1].IsForward)
            {
                Take();
                hasTaken = true;
            }

            if (!_range.HasEmbedding)
            {
                _recorder.Send(_groups.Pipeline, _activationType, _blocks.OuterElements, _stage - 1);
            }
        }
    }

    private void Take()
    {
        if (!_range.HasEmbedding)
        {
            _recorder.Receive(_groups.Pipeline, _activationType, _blocks.OuterElements, _stage - 1);
        }
    }

    private void Forward()
    {
        if (_range.HasEmbedding)
        {
            _ends.EmbeddingForward();
        }

        for (var layer = _range.FirstLayer; layer < _range.EndLayer; layer++)
        {
            _blocks.Forward(layer);
        }

        if (_range.HasHead)
        {
            _ends.HeadForward();
        }
        else
        {
            _recorder.Send(_groups.Pipeline, _activationType, _blocks.OuterElements, _stage + 1);
        }
    }

    private void Backward()
    {
        if (_range.HasHead)
        {
            _ends.HeadBackward();
        }
        else
        {
            _recorder.Receive(_groups.Pipeline, _activationType, _blocks.OuterElements, _stage + 1);
        }

        for (var layer = _range.EndLayer - 1; layer >= _range.FirstLayer; layer--)
        {
            _blocks.Backward(layer);
        }

        if (_range.HasEmbedding)
        {
            _ends.EmbeddingBackward();
        }
    }
}
