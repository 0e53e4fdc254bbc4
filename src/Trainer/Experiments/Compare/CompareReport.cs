using System.Globalization;
using System.Text.Json;
using KvShiftScale.Core.Files;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Experiments.Compare;

/// <summary>What a comparison leaves: results.json, results.md, report.html, its charts as pictures, and a short table on the console.</summary>
internal sealed class CompareReport
{
    private const string Title = "With and without the KV shift";

    private static readonly string[] Columns = ["shift", "seed", "vanilla", "with shift", "difference"];

    private readonly string _folder;
    private readonly RunConfig _config;
    private readonly IReadOnlyList<CompareResult> _results;
    private readonly IReadOnlyList<CompareDifference> _differences;
    private readonly Claim[] _claims;
    private readonly RunEnvironment _environment;
    private readonly double _seconds;

    /// <param name="folder">Where to.</param>
    /// <param name="runs">What was trained.</param>
    /// <param name="results">What came out, in the same order.</param>
    /// <param name="environment">Where it ran.</param>
    /// <param name="seconds">Time of the launch that finished it.</param>
    public CompareReport(
        string folder, IReadOnlyList<CompareRun> runs, IReadOnlyList<CompareResult> results, RunEnvironment environment, double seconds)
    {
        _folder = folder;
        _config = runs[0].Config;
        _results = results;
        _differences = CompareDifference.Of(results);
        _claims = [.. Variants.Where(variant => variant != KvShiftVariant.None).Select(variant => CompareDifference.Check(variant, _differences))];
        _environment = environment;
        _seconds = seconds;
    }

    private IEnumerable<KvShiftVariant> Variants => _results.Select(result => result.Variant).Distinct();

    private string Setting => Text(
        $"{_config.Model.Layers} layers of {_config.Model.HiddenSize}, {ModelCost.Parameters(_config.Model):N0} parameters without the shift's ")
        + Text($"scalars, context {_config.Data.Context}, {_config.Run.Steps:N0} steps of {_config.Data.GlobalBatch} sequences at {_config.Optimizer.Lr}.");

    private static string Fairness => "Both arms of a seed read the same batches in the same order, and begin with the same weights: initial weights "
        + "are a function of seed and parameter name, so the shift adds its scalars and changes nothing else.";

    /// <summary>Writes the files and prints the table.</summary>
    public void Write(DateTimeOffset writtenAt)
    {
        DurableFile.Replace(Path.Combine(_folder, "results.json"), Json(writtenAt));
        DurableFile.Replace(Path.Combine(_folder, "results.md"), Markdown(writtenAt));
        var page = new ResultPage(Title,
            $"Validation loss at equal steps, trained on {string.Join(", ", _config.Data.Train.Select(source => source.Glob))}.");
        page.AddPart("Result", $"{Setting} {Fairness}");
        page.AddClaims(_claims);
        var losses = Losses();
        losses.Save(Path.Combine(_folder, "loss.svg"));
        var difference = Difference();
        difference.Save(Path.Combine(_folder, "difference.svg"));
        page.AddCharts(losses);
        page.AddCharts(difference);
        page.AddTable("Validation loss after the last step, nats per token", Columns, Rows());
        page.AddEnvironment(_environment);
        page.Save(Path.Combine(_folder, "report.html"), writtenAt);

        var console = new ExperimentConsole();
        console.Table("Validation loss after the last step, nats per token", Columns, Rows());
        console.Claims(_claims);
        ExperimentConsole.Line("");
        ExperimentConsole.Line($"report: {Path.Combine(_folder, "report.html")}");
    }

    private SvgChart Losses()
    {
        var series = new List<ChartSeries>();
        foreach (var (variant, hue) in Variants.Select((variant, index) => (variant, Hue(variant, index))))
        {
            var own = _results.Where(result => result.Variant == variant).ToArray();
            series.AddRange(own.Select(result => new ChartSeries("", ChartSeriesStyle.Faint, Points(result.Validation)) { Hue = hue }));
            var mean = Mean([.. own.Select(result => result.Validation)]);
            series.Add(new ChartSeries(ShiftName.Of(variant), ChartSeriesStyle.Dots, mean) { Hue = hue });
        }
        return new SvgChart { Title = "Validation loss", XLabel = "step", YLabel = "nats per token, mean over seeds", Series = series };
    }

    private SvgChart Difference()
    {
        var series = new List<ChartSeries>();
        foreach (var (variant, hue) in Variants.Select((variant, index) => (variant, Hue(variant, index))))
        {
            if (variant == KvShiftVariant.None)
            {
                continue;
            }

            var own = _differences.Where(difference => difference.Variant == variant).ToArray();
            series.AddRange(own.Select(difference => new ChartSeries("", ChartSeriesStyle.Faint, Points(difference.ByStep)) { Hue = hue }));
            var mean = Mean([.. own.Select(difference => difference.ByStep)]);
            series.Add(new ChartSeries(ShiftName.Of(variant), ChartSeriesStyle.Dots, mean) { Hue = hue });
        }
        return new SvgChart
        {
            Title = "What the shift gains",
            XLabel = "step",
            YLabel = "vanilla's loss minus the shift's, nats per token",
            Series = series,
            StartsAtZero = true,
        };
    }

    private IEnumerable<IReadOnlyList<string>> Rows() => _differences.Select(difference => (IReadOnlyList<string>)
    [
        ShiftName.Of(difference.Variant), Text($"{difference.Seed}"), Text($"{difference.Vanilla:F4}"), Text($"{difference.Shifted:F4}"),
        Text($"{difference.Last:+0.0000;-0.0000}"),
    ]);

    private string Markdown(DateTimeOffset writtenAt) => Text(
        $"# {Title}\n\n{Setting} {Fairness} {writtenAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC.\n\n{MarkdownText.Claims(_claims)}\n")
        + "Validation loss after the last step, nats per token; a positive difference is the shift's gain:\n\n"
        + MarkdownText.Table(Columns, Rows())
        + MarkdownText.Environment(_environment);

    private string Json(DateTimeOffset writtenAt) => JsonSerializer.Serialize(new
    {
        Experiment = "compare",
        WrittenAt = writtenAt,
        Seconds = _seconds,
        Environment = _environment,
        Claims = _claims,
        Differences = _differences,
        Runs = _results,
    }, ExperimentJson.Options) + "\n";

    private static IReadOnlyList<(double X, double Y)> Points(IReadOnlyList<CompareLoss> losses)
        => [.. losses.Select(loss => ((double)loss.Step, loss.Loss))];

    private static IReadOnlyList<(double X, double Y)> Mean(IReadOnlyList<IReadOnlyList<CompareLoss>> seeds)
        => [.. seeds.SelectMany(seed => seed).GroupBy(loss => loss.Step).OrderBy(group => group.Key)
            .Select(group => ((double)group.Key, group.Average(loss => loss.Loss)))];

    private static int Hue(KvShiftVariant variant, int index) => variant switch { KvShiftVariant.Kv => 0, KvShiftVariant.None => 2, _ => 3 + index };

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
