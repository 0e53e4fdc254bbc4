using System.Globalization;
using KvShiftScale.Core.Numbers;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>The seeds of one model at one width.</summary>
internal sealed record InductionGroup(InductionArm Arm, int Width, IReadOnlyList<InductionResult> Results)
{
    /// <summary>Steps at which the seeds had learnt the task; infinite for those that never did.</summary>
    public double MedianSteps => Median.Of(Results.Select(result => (double?)result.StepsToLearn ?? double.PositiveInfinity));

    /// <summary>Seeds that learnt the task.</summary>
    public int Learnt => Results.Count(result => result.StepsToLearn is not null);

    /// <summary>Lowest of the seeds' best accuracies.</summary>
    public double LowestBest => Results.Min(result => result.BestAccuracy);

    /// <summary>Highest accuracy of any seed at any evaluation.</summary>
    public double HighestBest => Results.Max(result => result.BestAccuracy);

    /// <summary>The median as text, where never is "more than 2,000".</summary>
    public string MedianText => double.IsFinite(MedianSteps)
        ? MedianSteps.ToString("N0", CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"more than {Results[0].PlannedSteps:N0}");

    /// <summary>Steps of each seed, in order of the seeds.</summary>
    public string StepsText => string.Join(", ", Results.Select(result =>
        result.StepsToLearn?.ToString("N0", CultureInfo.InvariantCulture) ?? "never"));

    /// <summary>Range of the seeds' best accuracies.</summary>
    public string BestText => LowestBest.ToString("F3", CultureInfo.InvariantCulture) is var low
        && HighestBest.ToString("F3", CultureInfo.InvariantCulture) is var high && low == high ? low : $"{low}-{high}";

    /// <summary>Results of one study, gathered by model and width.</summary>
    public static IReadOnlyList<InductionGroup> Of(InductionStudy study, IReadOnlyList<InductionResult> results)
        => [.. results.Where(result => result.Study == study.Name).GroupBy(result => (result.Arm, result.Width))
            .OrderBy(group => group.Key.Width != study.MainWidth).ThenBy(group => group.Key.Width)
            .Select(group => new InductionGroup(group.Key.Arm, group.Key.Width, [.. group]))];
}
