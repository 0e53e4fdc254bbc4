using System.Globalization;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Experiments.Compare;

/// <summary>Vanilla's validation loss minus that of a shift, of the same seed at the same step: positive where the shift is better.</summary>
/// <param name="Variant">The shift.</param>
/// <param name="Seed">Seed of both runs.</param>
/// <param name="Vanilla">Last loss without the shift.</param>
/// <param name="Shifted">Last loss with it.</param>
/// <param name="ByStep">Differences at every validation.</param>
internal sealed record CompareDifference(KvShiftVariant Variant, long Seed, double Vanilla, double Shifted, IReadOnlyList<CompareLoss> ByStep)
{
    /// <summary>Difference after the last step.</summary>
    public double Last => Vanilla - Shifted;

    /// <summary>Differences of every seed and shift.</summary>
    public static IReadOnlyList<CompareDifference> Of(IReadOnlyList<CompareResult> results)
    {
        var vanilla = results.Where(result => result.Variant == KvShiftVariant.None).ToDictionary(result => result.Seed);
        return [.. results.Where(result => result.Variant != KvShiftVariant.None).Select(shifted => new CompareDifference(shifted.Variant,
            shifted.Seed, vanilla[shifted.Seed].Last, shifted.Last,
            [.. vanilla[shifted.Seed].Validation.Join(shifted.Validation, loss => loss.Step, loss => loss.Step,
                (without, with) => new CompareLoss(with.Step, without.Loss - with.Loss))]))];
    }

    /// <summary>The paper's main claim for one shift: a lower loss at equal steps on every seed.</summary>
    public static Claim Check(KvShiftVariant variant, IReadOnlyList<CompareDifference> differences)
    {
        var own = differences.Where(difference => difference.Variant == variant).ToArray();
        var lower = own.Count(difference => difference.Last > 0);
        var onTheWay = own.SelectMany(difference => difference.ByStep).ToArray();
        var mean = own.Average(difference => difference.Last);
        return new Claim(Text($"{ShiftName.Of(variant)} has the lower validation loss after {own[0].ByStep[^1].Step:N0} steps on every seed"),
            lower == own.Length,
            Text($"{lower} of {own.Length} seeds; vanilla's minus the shift's {mean:+0.0000;-0.0000} on average, ")
                + Text($"{own.Min(difference => difference.Last):+0.0000;-0.0000} to {own.Max(difference => difference.Last):+0.0000;-0.0000}; ")
                + Text($"lower at {onTheWay.Count(loss => loss.Loss > 0)} of {onTheWay.Length} validations on the way"));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
