using System.Globalization;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>
/// What the paper says about the induction task (section 3.2), with thresholds of our own: it has curves where we have numbers.
/// </summary>
internal static class InductionClaims
{
    private const double NarrowLearns = 0.95;
    private const double NarrowFails = 0.5;
    private const double Faster = 2;

    /// <summary>Checks each claim against the results of a study.</summary>
    public static IReadOnlyList<Claim> Check(InductionStudy study, IReadOnlyList<InductionResult> results)
    {
        var groups = InductionGroup.Of(study, results);
        InductionGroup? Find(InductionArm arm, int width) => groups.FirstOrDefault(group => group.Arm == arm && group.Width == width);
        var shift = Find(InductionArm.KvOneLayer, study.MainWidth);
        var two = Find(InductionArm.VanillaTwoLayers, study.MainWidth);
        var claims = new List<Claim>
        {
            Measured(Text($"KV shift with 1 layer reaches {InductionStudy.Learnt} on every seed"), shift is not null,
                () => shift!.Learnt == shift.Results.Count,
                () => Text($"{shift!.Learnt} of {shift.Results.Count} seeds; steps {shift.StepsText}")),
        };
        if (study.VanillaOneLayerBound is { } bound)
        {
            var one = Find(InductionArm.VanillaOneLayer, study.MainWidth);
            claims.Add(Measured(Text($"vanilla with 1 layer stays under {bound}"), one is not null, () => one!.HighestBest < bound,
                () => Text($"highest {one!.HighestBest:F3} of {one.Results.Count} seeds in {one.Results[0].PlannedSteps:N0} steps; ")
                    + Text($"guessing {study.Task.GuessingAccuracy:F3}")));
        }
        claims.Add(Measured("vanilla with 2 layers needs at least twice as many steps as KV shift with 1 (median)",
            shift is not null && two is not null,
            () => two!.MedianSteps >= Faster * shift!.MedianSteps && double.IsFinite(shift.MedianSteps),
            () => Text($"{two!.MedianText} against {shift!.MedianText}{Ratio(two.MedianSteps, shift.MedianSteps)}")));
        if (study.Arms.Contains(InductionArm.VanillaFourLayers))
        {
            var four = Find(InductionArm.VanillaFourLayers, study.MainWidth);
            claims.Add(Measured("vanilla with 4 layers is not faster than KV shift with 1 (median)", shift is not null && four is not null,
                () => four!.MedianSteps >= shift!.MedianSteps && double.IsFinite(shift.MedianSteps),
                () => Text($"{four!.MedianText} against {shift!.MedianText}")));
        }
        claims.Add(Measured("KV shift comes to match the previous token's key (|a2| > |a1|) and to return the current one's value (|b1| > |b2|)",
            shift is not null && shift.Results.All(result => result.HasInductionHead is not null),
            () => shift!.Results.All(result => result.HasInductionHead == true),
            () => Text($"{shift!.Results.Count(result => result.HasInductionHead == true)} of {shift.Results.Count} seeds")));
        if (study.OtherWidths.Count == 0)
        {
            return claims;
        }

        var width = study.OtherWidths.Min();
        var narrowShift = Find(InductionArm.KvOneLayer, width);
        var narrowTwo = Find(InductionArm.VanillaTwoLayers, width);
        var sentence = Text($"at width {width}, KV shift with 1 layer passes {NarrowLearns} on every seed, ")
            + Text($"where vanilla with 2 stays under {NarrowFails}");
        claims.Add(Measured(sentence,
            narrowShift is not null && narrowTwo is not null,
            () => narrowShift!.LowestBest > NarrowLearns && narrowTwo!.HighestBest < NarrowFails,
            () => Text($"KV shift {narrowShift!.BestText}, vanilla {narrowTwo!.BestText} over {narrowTwo.Results.Count} seeds ")
                + Text($"and {narrowTwo.Results[0].PlannedSteps:N0} steps")));
        return claims;
    }

    private static Claim Measured(string sentence, bool isMeasured, Func<bool> holds, Func<string> found)
        => isMeasured ? new Claim(sentence, holds(), found()) : new Claim(sentence, null, "a model that it speaks of did not take part");

    private static string Ratio(double slow, double fast)
        => double.IsFinite(slow) && double.IsFinite(fast) ? Text($", {slow / fast:F1} times") : "";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
