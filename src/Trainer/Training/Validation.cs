using System.Diagnostics;
using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Regions;
using KvShiftScale.Trainer.Session;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Training;

/// <summary>The mean loss over documents, each standing alone, shared over the data-parallel ranks.</summary>
internal sealed class Validation(KvShiftTransformer model, ParallelContext ranks)
{
    // Ranks ask each other about once in this time whether all of them shall go on.
    private const double RoundSeconds = 1;

    /// <summary>Mean over all valid targets of all ranks, and how many there were; null when all ranks gave up. Collective.</summary>
    /// <exception cref="DataFaultException">On all ranks: one of them could not read its share.</exception>
    /// <param name="batches">This rank's share.</param>
    /// <param name="progress">Told after each batch how many targets this rank has counted and their mean loss.</param>
    /// <param name="givesUp">Asked about once a second by all ranks together; they have to agree. Nothing given: never.</param>
    public (double Loss, long Targets)? Run(IEnumerable<TokenBatch> batches, Action<long, double>? progress = null, Func<bool>? givesUp = null)
    {
        using var mode = no_grad();
        var region = new ContextRegion(ranks.Context);
        var (lossSum, targets) = (0.0, 0L);
        Span<double> largest = stackalloc double[3];
        Exception? fault = null;
        using var source = batches.GetEnumerator();
        // Ranks that share a model meet in each batch, so they have to make rounds of equally many.
        for (var (isLeft, round) = (true, 1); isLeft;)
        {
            var (start, done) = (Stopwatch.GetTimestamp(), 0);
            for (isLeft = true; done < round && (isLeft = MoveNext(source, ref fault)); done++)
            {
                using var scope = NewDisposeScope();
                using var batch = source.Current;
                using var inputs = new BatchTensors(batch, model.Parameters.Device, region);
                if (model.ThroughStages(inputs.Ids, inputs.Layout, input => model.LossSum(input, inputs.Targets, inputs.Layout)) is { } loss)
                {
                    lossSum += loss.to(ScalarType.Float64).item<double>();
                    targets += ranks.Context.Rank == 0 ? batch.ValidTargets : 0;
                }

                RunProgress.Advance();
                InjectedFaults.Reach("validation.batch");
                if (targets > 0)
                {
                    progress?.Invoke(targets, lossSum / targets);
                }
            }
            // Whether any rank has more, the slowest rank's time for a batch, and whether any rank's data is bad.
            (largest[0], largest[1]) = (isLeft ? 1 : 0, Stopwatch.GetElapsedTime(start).TotalSeconds / Math.Max(1, done));
            largest[2] = fault is null ? 0 : 1;
            ranks.World.Max(largest);
            if (largest[2] > 0)
            {
                throw DataFaultException.Gather(ranks.World, fault);
            }

            isLeft = largest[0] > 0;
            round = (int)Math.Clamp(RoundSeconds / Math.Max(largest[1], 1e-6), 1, int.MaxValue);
            if (isLeft && givesUp is not null && givesUp())
            {
                return null;
            }
        }

        Span<double> totals = [lossSum, targets];
        ranks.Replicas.Sum(totals);
        // The last stage has them, and all have to hear of them.
        ranks.Pipeline.Sum(totals);
        if (totals[1] == 0)
        {
            throw new InvalidDataException("the data has no document of two tokens or more, so nothing to predict");
        }

        return (totals[0] / totals[1], (long)totals[1]);
    }

    // Ranks that share a model read the same rows; where one of them cannot, the others do not begin a batch without it.
    private bool MoveNext(IEnumerator<TokenBatch> source, ref Exception? fault)
    {
        var hasNext = false;
        try
        {
            hasNext = source.MoveNext();
        }
        catch (Exception exception) when (DataFaultException.IsFaultOfData(exception))
        {
            fault = exception;
        }

        return !ranks.Pipeline.Any(ranks.Context.Any(ranks.Tensor.Any(fault is not null))) && hasNext;
    }
}
