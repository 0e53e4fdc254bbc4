using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>Runs beside each other: where their configurations differ, what came out, and their curves, as tables and as one page.</summary>
/// <param name="runs">At least one; the others are held against the first.</param>
internal sealed class RunComparison(IReadOnlyList<ComparedRun> runs)
{
    // Where a run is and what it is called is no difference between two.
    private static readonly string[] Names = ["run.name", "run.directory"];

    /// <summary>Heads of <see cref="Results"/>.</summary>
    public static IReadOnlyList<string> ResultNames { get; } =
        ["run", "steps", "tokens", "training loss", "validation loss", "best validation", "against the first", "tokens/s", "time in steps"];

    /// <summary>A row for each run.</summary>
    public IReadOnlyList<string[]> Results => [.. runs.Select(Row)];

    /// <summary>Keys that do not have the same value in all runs, with their values in the order of the runs.</summary>
    public IReadOnlyList<(string Key, string[] Values)> Differences
    {
        get
        {
            var values = runs.Select(run => ConfigValues.Of(run.Config).ToDictionary()).ToList();
            return [.. values.SelectMany(each => each.Keys).Distinct().Where(key => !Names.Contains(key))
                .Select(key => (key, values.Select(each => each.GetValueOrDefault(key, "")).ToArray()))
                .Where(row => row.Item2.Distinct().Skip(1).Any())];
        }
    }

    /// <summary>Loss over steps, over tokens and over time.</summary>
    public IReadOnlyList<SvgChart> Charts() =>
    [
        Chart("Loss over steps", "step", run => [.. run.Records.Select(record => (double)record.Step)]),
        Chart("Loss over tokens", "tokens", run => [.. run.Records.Select(record => (double)record.Tokens)]),
        Chart("Loss over time in steps", "minutes", run => [.. run.Seconds.Select(seconds => seconds / 60)]),
    ];

    /// <summary>Writes one page: results, curves, differences.</summary>
    public void Save(string path)
    {
        var names = runs.Select(run => run.Name).ToList();
        var page = new ResultPage(Quantity.Format($"{runs.Count} runs"), string.Join(", ", names));
        page.AddTable("Results", ResultNames, Results);
        foreach (var chart in Charts())
        {
            page.AddCharts(chart);
        }

        page.AddTable(Differences.Count > 0 ? "Where the configurations differ" : "The configurations do not differ", ["", .. names],
            Differences.Select(row => (string[])[row.Key, .. row.Values]));
        page.Save(path, DateTimeOffset.Now);
    }

    private string[] Row(ComparedRun run)
    {
        var summary = run.Summary;
        var against = (run.BestValidation, runs[0].BestValidation) is ({ } own, { } first) && run != runs[0]
            ? Quantity.Format($"{own.Loss - first.Loss:+0.0000;-0.0000;0}") : "";
        return
        [
            run.Name, Quantity.Whole(summary.LastStep), Quantity.Short(summary.Tokens), Quantity.Loss(summary.LastLoss), Quantity.Loss(summary.LastValidationLoss),
            run.BestValidation is { } best ? Quantity.Format($"{best.Loss:0.0000} at {best.Step:N0}") : "", against,
            summary.MedianTokensPerSecond is { } rate ? Quantity.Whole(rate) : "", Quantity.Duration(summary.TrainingSeconds),
        ];
    }

    private SvgChart Chart(string title, string unit, Func<ComparedRun, double[]> across) => new()
    {
        Title = title,
        XLabel = unit,
        YLabel = "nats per token; dots: validation",
        Series = [.. runs.SelectMany((run, hue) => SeriesOf(run, across(run), hue))],
    };

    private static IEnumerable<ChartSeries> SeriesOf(ComparedRun run, double[] across, int hue)
    {
        var training = Points(record => record.Step > 0 ? record.Loss : double.NaN);
        yield return new ChartSeries(run.Name, ChartSeriesStyle.Line, ChartPoints.Smooth(training, training.Count / 60)) { Hue = hue };
        yield return new ChartSeries("", ChartSeriesStyle.Points, Points(record => record.ValidationLoss ?? double.NaN)) { Hue = hue };

        List<(double X, double Y)> Points(Func<StepRecord, double> value)
            => [.. run.Records.Select((record, index) => (X: across[index], Y: value(record))).Where(point => double.IsFinite(point.Y))];
    }
}
