using KvShiftScale.Data;
using KvShiftScale.Models;
using KvShiftScale.Parallel;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>The mean loss over documents, each standing alone, shared over the data-parallel ranks.</summary>
internal sealed class Validation(KvShiftTransformer model, ParallelContext ranks)
{
    /// <summary>Mean over all valid targets of all ranks, and how many there were.</summary>
    /// <param name="batches">This rank's share.</param>
    /// <param name="progress">Told after each batch how many targets this rank has counted and their mean loss.</param>
    public unsafe (double Loss, long Targets) Run(IEnumerable<TokenBatch> batches, Action<long, double>? progress = null)
    {
        using var mode = no_grad();
        var region = new ContextRegion(ranks.Context);
        var (lossSum, targets) = (0.0, 0L);
        foreach (var batch in batches)
        {
            using var scope = NewDisposeScope();
            using var inputs = new BatchTensors(batch, model.Parameters.Device, region);
            lossSum += model.LossSum(inputs.Ids, inputs.Targets, inputs.Layout).to(ScalarType.Float64).item<double>();
            if (ranks.Context.Rank == 0) targets += batch.ValidTargets;
            if (targets > 0) progress?.Invoke(targets, lossSum / targets);
            batch.Dispose();
        }

        var totals = stackalloc double[] { lossSum, targets };
        ranks.Replicas.AllReduce((nint)totals, 2, CollectiveDataType.Float64, ReduceOperation.Sum);
        if (totals[1] == 0) throw new InvalidDataException("the data has no document of two tokens or more, so nothing to predict");
        return (totals[0] / totals[1], (long)totals[1]);
    }
}
