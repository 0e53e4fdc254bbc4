using System.Globalization;
using KvShiftScale.Parallel.Control;
using KvShiftScale.Parallel.Mesh;

namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>A micro-batch of a skipped step.</summary>
/// <param name="Ranks">Ranks that computed it together.</param>
/// <param name="FirstRow">Number of its first row in the global order.</param>
/// <param name="Rows">How many rows follow each other.</param>
/// <param name="Loss">Mean loss over its valid targets.</param>
/// <param name="NonFiniteOn">Ranks on which the loss was not finite: where only some of those that hold it have it so, the machine is to blame.</param>
internal sealed record SkippedMicroBatch(IReadOnlyList<int> Ranks, long FirstRow, int Rows, double Loss, IReadOnlyList<int> NonFiniteOn)
{
    /// <summary>What all ranks computed, put together. Collective.</summary>
    /// <param name="ranks">All ranks of the launch.</param>
    /// <param name="own">This rank's micro-batches.</param>
    /// <returns>In the order of the rows.</returns>
    public static IReadOnlyList<SkippedMicroBatch> Gather(ParallelContext ranks, IReadOnlyList<MicroBatchLoss> own)
    {
        // Numbers that are not finite have no JSON form of their own; their bits have.
        var text = string.Join(';', own.Select(loss
            => FormattableString.Invariant($"{loss.FirstRow},{loss.Rows},{BitConverter.DoubleToInt64Bits(loss.LossSum)},{loss.ValidTargets}")));
        var all = ranks.World.AllGatherTexts(text);
        return [.. all.SelectMany((texts, rank) => texts.Split(';', StringSplitOptions.RemoveEmptyEntries)
            .Select(part => (Rank: rank, Loss: Parse(part))))
            .GroupBy(found => found.Loss.FirstRow).OrderBy(same => same.Key).Select(same => Join(ranks, [.. same]))];
    }

    /// <summary>The micro-batches to look at first: those whose loss is not finite, or else the one with the highest.</summary>
    public static IEnumerable<SkippedMicroBatch> Suspects(IReadOnlyList<SkippedMicroBatch> all)
    {
        var nonFinite = all.Where(batch => !double.IsFinite(batch.Loss)).ToList();
        return nonFinite.Count > 0 ? nonFinite : all.OrderByDescending(batch => batch.Loss).Take(1);
    }

    private static MicroBatchLoss Parse(string text)
    {
        var parts = text.Split(',');
        var culture = CultureInfo.InvariantCulture;
        return new MicroBatchLoss(long.Parse(parts[0], culture), int.Parse(parts[1], culture),
            BitConverter.Int64BitsToDouble(long.Parse(parts[2], culture)), long.Parse(parts[3], culture));
    }

    // Context-parallel ranks have a part of the loss each, and tensor-parallel ones all of it.
    private static SkippedMicroBatch Join(ParallelContext ranks, IReadOnlyList<(int Rank, MicroBatchLoss Loss)> parts)
    {
        var sum = parts.GroupBy(part => ranks.Layout.CoordinateOf(part.Rank, MeshAxis.Context))
            .Sum(same => same.Select(part => part.Loss.LossSum).MaxBy(JointNumber.PlaceOf));
        return new SkippedMicroBatch([.. parts.Select(part => part.Rank)], parts[0].Loss.FirstRow, parts[0].Loss.Rows,
            sum / Math.Max(1, parts[0].Loss.ValidTargets),
            [.. parts.Where(part => !double.IsFinite(part.Loss.LossSum)).Select(part => part.Rank)]);
    }
}
