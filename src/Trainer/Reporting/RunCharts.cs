using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>The charts of a run's report.</summary>
public static class RunCharts
{
    // From here on single losses hide the curve, and their mean is drawn in front of them.
    private const int SmoothFrom = 150;

    private const int MostSkips = 10;

    // Of a step's time; less is noise.
    private const double NotableShare = 0.01;
    private const double NotableGrowth = 1.05;

    private const int ClipHue = 2;

    // Those before it are near the colours of the curves beside.
    private const int FirstHueOfSets = 3;

    /// <summary>Training and validation loss over steps.</summary>
    /// <param name="records">Logged steps in order.</param>
    /// <param name="resumedAfterSteps">Steps from which later launches went on.</param>
    /// <param name="checkpoints">Steps that there is a checkpoint of.</param>
    /// <param name="isLogarithmic">Whether the vertical axis is logarithmic.</param>
    public static SvgChart Loss(
        IReadOnlyList<StepRecord> records, IReadOnlyList<long> resumedAfterSteps, IReadOnlyList<long>? checkpoints = null, bool isLogarithmic = false)
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

        series.Add(new ChartSeries("validation", ChartSeriesStyle.Points, validation));
        var sets = records.SelectMany(record => record.ValidationSets).Select(set => set.Name).Distinct();
        series.AddRange(sets.Select((name, number) => new ChartSeries($"validation {name}", ChartSeriesStyle.Points,
            Points(records, record => record.ValidationSets.FirstOrDefault(set => set.Name == name, (Name: name, Loss: double.NaN)).Loss, keepGaps: false)) { Hue = FirstHueOfSets + number }));
        return new SvgChart
        {
            Title = "Loss",
            XLabel = "step",
            YLabel = "nats per token",
            Series = series,
            Marks = [.. Marks(resumedAfterSteps), .. Skips(records)],
            Notes = [.. (checkpoints ?? []).Select(step => new ChartMark(step, Quantity.Format($"checkpoint of step {step}")))],
            IsLogarithmic = isLogarithmic,
        };
    }

    /// <summary>What else is to be seen of a run, in order of how often it is asked for; charts that would say nothing are left out.</summary>
    /// <param name="records">Logged steps in order.</param>
    /// <param name="resumedAfterSteps">Steps from which later launches went on.</param>
    /// <param name="clipNorm">Norm to which gradients are scaled down; null or 0: they are not.</param>
    public static IReadOnlyList<SvgChart> Others(IReadOnlyList<StepRecord> records, IReadOnlyList<long> resumedAfterSteps, double? clipNorm)
    {
        StepRecord[] steps = [.. records.Where(record => record.Step > 0)];
        return [.. ((SvgChart?[])
        [
            GradientNorm(steps, resumedAfterSteps, clipNorm),
            Throughput(steps, resumedAfterSteps),
            LearningRate(steps, resumedAfterSteps),
            Single("Step time", "seconds", steps, record => record.StepSeconds, resumedAfterSteps),
            Compute(steps, resumedAfterSteps),
            Waiting(steps, resumedAfterSteps),
            Memory(steps, resumedAfterSteps),
            Saves(steps, resumedAfterSteps),
        ]).OfType<SvgChart>()];
    }

    private static SvgChart GradientNorm(StepRecord[] steps, IReadOnlyList<long> resumedAfterSteps, double? clipNorm)
    {
        var chart = Single("Gradient norm", "", steps, record => record.GradNorm, resumedAfterSteps);
        return clipNorm is > 0 and var norm && steps.Length > 0
            ? chart with
            {
                Series = [chart.Series[0] with { Name = "before clipping" },
                    new ChartSeries("clipped above", ChartSeriesStyle.Line, [(0, norm), (steps[^1].Step, norm)]) { Hue = ClipHue }],
            }
            : chart;
    }

    private static SvgChart? Compute(StepRecord[] steps, IReadOnlyList<long> resumedAfterSteps)
    {
        var share = steps.Any(record => record.Mfu is not null)
            ? Single("MFU", "share of the stated peak", steps, record => record.Mfu ?? double.NaN, resumedAfterSteps)
            : Single("Of the best matrix product", "share of the measured rate", steps, record => record.MatmulShare ?? double.NaN, resumedAfterSteps);
        return share.Series[0].Points.Any(point => double.IsFinite(point.Y)) ? share with { YEnd = 1 } : null;
    }

    // Shares of a step's time.
    private static SvgChart? Waiting(StepRecord[] steps, IReadOnlyList<long> resumedAfterSteps)
    {
        var data = Points(steps, record => record.DataWaitFraction ?? double.NaN, keepGaps: true);
        var ranks = Points(steps, record => record.CommunicationExposedSeconds / record.StepSeconds ?? double.NaN, keepGaps: true);
        return data.Concat(ranks).Any(point => point.Y > NotableShare)
            ? Single("Waiting", "share of the step", steps, _ => double.NaN, resumedAfterSteps) with
            {
                Series =
                [
                    new ChartSeries("for data", ChartSeriesStyle.Line, data),
                    .. ranks.Exists(point => double.IsFinite(point.Y)) ? [new ChartSeries("for other ranks", ChartSeriesStyle.Line, ranks) { Hue = ClipHue }] : (ChartSeries[])[],
                ],
            }
            : null;
    }

    // One that has stopped growing says what the number above the charts says.
    private static SvgChart? Memory(StepRecord[] steps, IReadOnlyList<long> resumedAfterSteps)
        => steps.Length > 0 && steps[^1].PeakMemoryBytes > NotableGrowth * steps[0].PeakMemoryBytes
            ? Single("Peak memory of the first rank", "GiB", steps, record => record.PeakMemoryBytes / (double)(1L << 30), resumedAfterSteps) : null;

    private static SvgChart? Saves(StepRecord[] steps, IReadOnlyList<long> resumedAfterSteps)
    {
        StepRecord[] saved = [.. steps.Where(record => record.SaveSeconds is not null)];
        return saved.Length > 1
            ? Single("Training waited for saves", "seconds", saved, record => record.SaveSeconds!.Value, resumedAfterSteps) with
            {
                Series = [new ChartSeries("", ChartSeriesStyle.Dots, Points(saved, record => record.SaveSeconds!.Value, keepGaps: false))],
            }
            : null;
    }

    /// <summary>Tokens a second over steps.</summary>
    private static SvgChart Throughput(IReadOnlyList<StepRecord> records, IReadOnlyList<long> resumedAfterSteps) =>
        Single("Throughput", "tokens per second", records, record => record.TokensPerSecond, resumedAfterSteps);

    /// <summary>Learning rate over steps.</summary>
    private static SvgChart LearningRate(IReadOnlyList<StepRecord> records, IReadOnlyList<long> resumedAfterSteps) =>
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
