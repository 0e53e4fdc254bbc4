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
    /// <summary>The last step's micro-batches of this rank.</summary>
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
        Losses = sums.Losses;
        OwnTokens = PartOf(sums.RowTokens, (ranks.Context.Rank * ranks.Tensor.Size) + ranks.Tensor.Rank, ranks.Context.Size * ranks.Tensor.Size);
        RunProgress.Enter(RunPhase.Reduce);
        reducer.Reduce();

        // The mean is over the valid targets of the whole global batch, whichever rank had them.
        var (loss, targets, tokens) = Sum(sums);
        var scale = 1.0 / Math.Max(1, targets);
        var squares = reducer.IsCanonical
            ? GradientNorm.CanonicalSquares(model.Parameters, ranks.Tensor) : GradientNorm.Squares(model.Parameters, NormHolders);
        var norm = Math.Sqrt(squares.item<double>()) * scale;
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

    private ProcessGroup NormHolders => model.Parameters.IsShared ? ranks.World : ranks.Tensor;

    // Sums in the order of the leaves: each number has one rank, so the exchange adds only zeros.
    private (double LossSum, long Targets, long Tokens) Sum(StepSums sums)
    {
        double[] totals = [.. sums.LeafLosses, sums.ValidTargets, sums.Tokens];
        ranks.Replicas.Sum<double>(totals);
        var lossSum = 0.0;
        for (var leaf = 0; leaf < sums.LeafLosses.Length; leaf++)
        {
            lossSum += totals[leaf];
        }

        return (lossSum, (long)totals[^2], (long)totals[^1]);
    }
}
