using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>The charts of a run's report.</summary>
public static class RunCharts
{
    // From here on single losses hide the curve, and their mean is drawn in front of them.
    private const int SmoothFrom = 150;

    private const int MostSkips = 10;

    // Those before it are near the colours of the curves beside.
    private const int FirstHueOfSets = 3;

    /// <summary>Training and validation loss over steps.</summary>
    public static SvgChart Loss(IReadOnlyList<StepRecord> records, IReadOnlyList<long> resumedAfterSteps)
    {
        var training = Points(records, record => record.Step > 0 ? record.Loss : double.NaN, keepGaps: false);
        var validation = Points(records, record => record.ValidationLoss ?? double.NaN, keepGaps: false);
        var series = new List<ChartSeries>();
        if (training.Count >= SmoothFrom)
        {
            series.Add(new ChartSeries("", ChartSeriesStyle.Faint, training));
            series.Add(new ChartSeries("training (smoothed)", ChartSeriesStyle.Line, ChartPoints.Smooth(training, training.Count / 60)));
        }
        else
        {
            series.Add(new ChartSeries("training", ChartSeriesStyle.Line, training));
        }

        series.Add(new ChartSeries("validation", ChartSeriesStyle.Dots, validation));
        var sets = records.SelectMany(record => record.ValidationSets).Select(set => set.Name).Distinct();
        series.AddRange(sets.Select((name, number) => new ChartSeries($"validation {name}", ChartSeriesStyle.Dots,
            Points(records, record => LossOf(record, name), keepGaps: false))
        {
            Hue = FirstHueOfSets + number,
        }));
        return new SvgChart
        {
            Title = "Loss",
            XLabel = "step",
            YLabel = "nats per token",
            Series = series,
            Marks = [.. Marks(resumedAfterSteps), .. Skips(records)],
        };
    }

    private static double LossOf(StepRecord record, string set)
        => record.ValidationSets.FirstOrDefault(found => found.Name == set, (Name: set, Loss: double.NaN)).Loss;

    /// <summary>Tokens a second over steps.</summary>
    public static SvgChart Throughput(IReadOnlyList<StepRecord> records, IReadOnlyList<long> resumedAfterSteps) =>
        Single("Throughput", "tokens per second", records, record => record.TokensPerSecond, resumedAfterSteps);

    /// <summary>Learning rate over steps.</summary>
    public static SvgChart LearningRate(IReadOnlyList<StepRecord> records, IReadOnlyList<long> resumedAfterSteps) =>
        Single("Learning rate", "", records, record => record.Lr, resumedAfterSteps);

    /// <summary>What the probes found over steps, on the same horizontal axis as <see cref="Loss"/>; null without probes.</summary>
    public static SvgChart? Induction(IReadOnlyList<StepRecord> records, IReadOnlyList<long> resumedAfterSteps)
    {
        var probed = records.Where(record => record.Probe is not null).ToArray();
        if (probed.Length == 0)
        {
            return null;
        }

        return new SvgChart
        {
            Title = "Induction on repeated random sequences",
            XLabel = "step",
            YLabel = "score",
            Series =
            [
                new ChartSeries("prefix matching, best head", ChartSeriesStyle.Line, Points(probed,
                    record => record.Probe!.Scores.Layers.Max(layer => layer.PrefixMatching.Max()), keepGaps: true)),
                new ChartSeries("accuracy", ChartSeriesStyle.Dots, Points(probed, record => record.Probe!.Scores.Accuracy, keepGaps: true)),
            ],
            Marks = Marks(resumedAfterSteps),
            StartsAtZero = true,
            XEnd = records[^1].Step,
            YEnd = 1,
            Height = 300,
        };
    }

    private static SvgChart Single(
        string title, string unit, IReadOnlyList<StepRecord> records, Func<StepRecord, double> value, IReadOnlyList<long> resumedAfterSteps)
    {
        var points = Points([.. records.Where(record => record.Step > 0)], value, keepGaps: true);
        return new SvgChart
        {
            Title = title,
            XLabel = "step",
            YLabel = unit,
            Series = [new ChartSeries("", ChartSeriesStyle.Line, points)],
            Marks = Marks(resumedAfterSteps),
            StartsAtZero = true,
            Width = 520,
            Height = 280,
        };
    }

    private static List<(double X, double Y)> Points(IReadOnlyList<StepRecord> records, Func<StepRecord, double> value, bool keepGaps) =>
        [.. records.Select(record => (X: (double)record.Step, Y: value(record))).Where(point => keepGaps || double.IsFinite(point.Y))];

    // Some, so that a run that skips often still shows its curve.
    private static IEnumerable<ChartMark> Skips(IReadOnlyList<StepRecord> records) =>
        records.Where(record => record.Skipped).Take(MostSkips)
            .Select(record => new ChartMark(record.Step, Quantity.Format($"skipped {record.Step}")));

    private static IReadOnlyList<ChartMark> Marks(IReadOnlyList<long> resumedAfterSteps) =>
        [.. resumedAfterSteps.Select(step => new ChartMark(step, Quantity.Format($"resumed after {step}")))];
}
