using KvShiftScale.Core.Faults;
using KvShiftScale.Core.Progress;
using KvShiftScale.Data.Loading;
using KvShiftScale.Models;
using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Gradients;
using KvShiftScale.Parallel.Mesh;
using KvShiftScale.Parallel.Optimization;
using KvShiftScale.Trainer.BadNumbers;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Session;

/// <summary>
/// One optimizer step: micro-batches forward and backward, reduction, clipping, and an update unless all ranks find the numbers bad.
/// </summary>
internal sealed class TrainingStep(
    KvShiftTransformer model,
    ParallelContext ranks,
    IMicroBatchSchedule microBatches,
    GradientReducer reducer,
    AdamW optimizer,
    LearningRateSchedule learningRates,
    double clipNorm,
    StepGuard guard)
{
    /// <summary>The last step's micro-batches of this rank; none where another stage of a pipeline has their losses.</summary>
    public IReadOnlyList<MicroBatchLoss> Losses { get; private set; } = [];

    /// <summary>
    /// This rank's part of the last step's tokens: those of its rows, divided among the ranks that share them. The parts of all ranks add
    /// up to <see cref="StepOutcome.Tokens"/>.
    /// </summary>
    public long OwnTokens { get; private set; }

    /// <summary>Runs step <paramref name="step"/>, which counts from 1.</summary>
    /// <param name="step">Number of the step.</param>
    /// <param name="batches">This rank's micro-batches of the step.</param>
    /// <exception cref="DataFaultException">On all ranks: one of them had no data. Nothing is updated.</exception>
    public StepOutcome Run(long step, IMicroBatches batches)
    {
        using var scope = NewDisposeScope();
        model.Parameters.BeginStep();
        var sums = microBatches.Run(step, batches);
        OwnTokens = PartOf(sums.Batches.Sum(batch => batch.Tokens),
            ((ranks.Pipeline.Rank * ranks.Context.Size) + ranks.Context.Rank) * ranks.Tensor.Size + ranks.Tensor.Rank,
            ranks.Pipeline.Size * ranks.Context.Size * ranks.Tensor.Size);
        RunProgress.Enter(RunPhase.Reduce);
        reducer.Reduce();
        if (InjectedFaults.Strikes("poison", "gradient", step))
        {
            model.Parameters.Buckets[0].OwnedGradients().fill_(double.PositiveInfinity);
        }

        // The mean is over the valid targets of the whole global batch, whichever rank had them.
        var (loss, squares, targets, tokens) = Total(sums);
        var scale = 1.0 / Math.Max(1, targets);
        var norm = Math.Sqrt(squares) * scale;
        Span<double> joint = [loss * scale, norm, batches.Fault is null ? 0 : 1];
        JointNumber.Agree(ranks.World, joint);
        if (joint[2] > 0)
        {
            throw DataFaultException.Gather(ranks.World, batches.Fault);
        }

        var verdict = guard.Decide(joint[0], joint[1]);
        var learningRate = learningRates.At(step);
        if (!verdict.IsSkip)
        {
            var clip = Math.Min(GradientNorm.ClipFactor(joint[1], clipNorm), GradientNorm.ClipFactor(joint[1], verdict.NormBound ?? 0));
            // Moments are corrected by the updates that they are made of; the schedule goes on with the data.
            RunProgress.Enter(RunPhase.Optimizer);
            optimizer.Step(learningRate, scale * clip, step - guard.State.SkippedSteps);
            RunProgress.Enter(RunPhase.Gather);
            reducer.GatherParameters();
        }
        return new StepOutcome(joint[0], tokens, joint[1], learningRate, verdict);
    }

    /// <summary>
    /// Part <paramref name="index"/> of <paramref name="count"/> that differ by one at most and add up to <paramref name="total"/>.
    /// </summary>
    internal static long PartOf(long total, int index, int count) => (total * (index + 1L) / count) - (total * index / count);

    // The ranks that hold different gradients; one copy of the parameters where every replica has all of them.
    private ProcessGroup NormHolders => model.Parameters.IsShared && !reducer.IsCanonical ? ranks.World : ranks.Copy;

    // All numbers of the step in one small tensor, which ranks sum where it lies and the host reads once. Each has a place of its own for every rank
    // that has a part of it, so that the exchange adds only zeros and the order of the sums is the one below.
    private (double LossSum, double Squares, long Targets, long Tokens) Total(StepSums sums)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var (parts, holders) = (reducer.LeavesPerRank * ranks.Data.Size * ranks.Context.Size, NormHolders);
        var totals = zeros(parts + 2 + holders.Size, ScalarType.Float64, model.Parameters.Device);
        var speaks = model.Stage.HasHead && ranks.Tensor.Rank == 0;
        if (speaks)
        {
            var own = totals.narrow(0, 0, parts).view(ranks.Data.Size, reducer.LeavesPerRank, ranks.Context.Size).select(0, ranks.Data.Rank)
                .select(1, ranks.Context.Rank);
            for (var micro = 0L; micro < sums.LossSums.size(1); micro++)
            {
                own.add_(sums.LossSums.select(1, micro));
            }
        }

        // Ranks that share rows would count them twice.
        if (speaks && ranks.Context.Rank == 0)
        {
            totals.narrow(0, parts, 1).fill_(sums.Batches.Sum(batch => batch.ValidTargets));
            totals.narrow(0, parts + 1, 1).fill_(sums.Batches.Sum(batch => batch.Tokens));
        }

        // Of ranks with the same gradients one speaks; what another alone has that is not finite makes the sum so too.
        var squares = reducer.IsCanonical ? GradientNorm.CanonicalSquares(model.Parameters) : GradientNorm.Squares(model.Parameters);
        totals.narrow(0, parts + 2 + holders.Rank, 1).copy_(holders.Size == ranks.World.Size || ranks.Replicas.Rank == 0 ? squares : squares - squares);

        ranks.World.AllReduce(totals);
        using var read = cat([totals, sums.LossSums.view(-1)]).cpu().data<double>();
        var (lossSum, squaresOfAll) = (0.0, 0.0);
        for (var part = 0; part < parts; part++)
        {
            lossSum += read[part];
        }

        for (var holder = 0; holder < holders.Size; holder++)
        {
            squaresOfAll += read[parts + 2 + holder];
        }

        Losses = !model.Stage.HasHead ? []
            : [.. sums.Batches.Select((batch, i) => new MicroBatchLoss(batch.FirstRow, batch.Rows, read[parts + 2 + holders.Size + i], batch.ValidTargets))];
        // A loss that one rank alone has found bad is bad for all, also where others speak for it.
        lossSum += Losses.Where(loss => !double.IsFinite(loss.LossSum)).Sum(loss => loss.LossSum);
        return (lossSum, squaresOfAll, (long)read[parts], (long)read[parts + 1]);
    }
}
