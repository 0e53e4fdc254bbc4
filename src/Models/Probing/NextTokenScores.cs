using KvShiftScale.Parallel.Collectives;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Parameters;
using static TorchSharp.torch;

namespace KvShiftScale.Models.Probing;

/// <summary>Loss and hits of predictions, where ranks may divide the vocabulary.</summary>
/// <param name="head">[vocabulary, hidden_size], or this rank's rows of it.</param>
/// <param name="group">The ranks that hold the other rows.</param>
internal sealed class NextTokenScores(ParameterSlot head, ProcessGroup group)
{
    /// <summary>
    /// Sum of the negative log-likelihoods in nats, and how many targets have a larger logit than every other id. Collective over the group.
    /// </summary>
    /// <param name="hidden">[predictions, hidden_size].</param>
    /// <param name="targets">Id that each prediction is about.</param>
    public (double LossSum, int Correct) Of(Tensor hidden, ReadOnlySpan<int> targets)
    {
        using var scope = NewDisposeScope();
        var shard = head.Shard;
        // A rank whose rows are all padding has no logits.
        using var logits = shard.ValidExtent == 0
            ? null
            : AttentionView.Wide(nn.functional.linear(hidden, ((Tensor)head.Parameter).narrow(0, 0, shard.ValidExtent)));
        var logSums = SharedColumns(logits is null ? [.. Enumerable.Repeat(double.NegativeInfinity, targets.Length)] : LogSums(logits));
        var targetLogits = logits is null ? new double[targets.Length] : TargetLogits(logits, targets, shard.Start);
        group.Sum<double>(targetLogits);
        var below = logits is null
            ? new double[targets.Length]
            : Doubles(logits.lt(tensor(targetLogits, logits.dtype, logits.device).unsqueeze(1)).sum(1, type: ScalarType.Float64));
        group.Sum<double>(below);

        var (lossSum, correct) = (0.0, 0);
        for (var i = 0; i < targets.Length; i++)
        {
            var largest = logSums.Max(sums => sums[i]);
            lossSum += largest + Math.Log(logSums.Sum(sums => Math.Exp(sums[i] - largest))) - targetLogits[i];
            correct += below[i] == shard.GlobalShape[0] - 1 ? 1 : 0;
        }
        return (lossSum, correct);
    }

    // A logit less its log-softmax is the logarithm of the sum of exponentials.
    private static double[] LogSums(Tensor logits) => Doubles(logits.narrow(1, 0, 1) - logits.log_softmax(1).narrow(1, 0, 1));

    // Zero where another rank has the target's row.
    private static double[] TargetLogits(Tensor logits, ReadOnlySpan<int> targets, long start)
    {
        var local = new long[targets.Length];
        for (var i = 0; i < local.Length; i++)
        {
            local[i] = Math.Clamp(targets[i] - start, 0, logits.size(1) - 1);
        }

        var found = Doubles(logits.gather(1, tensor(local, device: logits.device).unsqueeze(1)));
        for (var i = 0; i < local.Length; i++)
        {
            found[i] = targets[i] - start == local[i] ? found[i] : 0;
        }

        return found;
    }

    // The columns of all ranks, in the order of the ranks.
    private double[][] SharedColumns(double[] own)
    {
        var all = new double[group.Size * own.Length];
        own.CopyTo(all, group.Rank * own.Length);
        group.Sum<double>(all);
        return [.. all.Chunk(own.Length)];
    }

    private static double[] Doubles(Tensor x)
    {
        using var accessor = x.to(ScalarType.Float64).cpu().contiguous().data<double>();
        return accessor.ToArray();
    }
}
