using System.Globalization;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Trainer.Experiments.Induction;

/// <summary>The two plots of the paper's figure 1.</summary>
internal static class InductionCharts
{
    /// <summary>Accuracy against steps at the main width: each seed faint, their mean strong.</summary>
    public static SvgChart AccuracyAgainstSteps(InductionStudy study, IReadOnlyList<InductionGroup> groups)
    {
        var series = new List<ChartSeries>();
        var shown = groups.Where(group => group.Width == study.MainWidth).ToArray();
        foreach (var group in shown)
        {
            series.AddRange(group.Results.Select(result => new ChartSeries("", ChartSeriesStyle.Faint,
                [.. result.Curve.Select(point => ((double)point.Step, point.Accuracy))])
            { Hue = Hue(study, group.Arm) }));
        }
        foreach (var group in shown)
        {
            // A run that has learnt the task and stopped counts with its last accuracy; the line ends with the last run.
            var steps = group.Results.SelectMany(result => result.Curve.Select(point => point.Step)).Distinct().Order();
            series.Add(new ChartSeries(group.Arm.Name, ChartSeriesStyle.Line,
                [.. steps.Select(step => ((double)step, group.Results.Average(result => result.AccuracyAt(step))))])
            { Hue = Hue(study, group.Arm) });
        }
        return new SvgChart
        {
            Title = string.Create(CultureInfo.InvariantCulture, $"Depth (width {study.MainWidth})"),
            XLabel = "step",
            YLabel = "accuracy of the first answer",
            Series = series,
            StartsAtZero = true,
        };
    }

    /// <summary>Accuracy at the end of a run against width: dots for means over seeds, faint lines from the worst seed to the best.</summary>
    public static SvgChart AccuracyAgainstWidth(InductionStudy study, IReadOnlyList<InductionGroup> groups)
    {
        var series = new List<ChartSeries>();
        foreach (var arm in study.WidthArms)
        {
            var widths = groups.Where(group => group.Arm == arm).OrderBy(group => group.Width)
                .Select(group => (X: Math.Log2(group.Width), Last: group.Results.Select(result => result.Curve[^1].Accuracy).ToArray())).ToArray();
            series.Add(new ChartSeries("", ChartSeriesStyle.Faint,
                [.. widths.SelectMany(at => new[] { (at.X, at.Last.Min()), (at.X, at.Last.Max()), (at.X, double.NaN) })])
            { Hue = Hue(study, arm) });
            series.Add(new ChartSeries(arm.Name, ChartSeriesStyle.Dots,
                [.. widths.Select(at => (at.X, at.Last.Average()))])
            { Hue = Hue(study, arm) });
        }
        return new SvgChart
        {
            Title = "Width",
            XLabel = "hidden size",
            YLabel = "accuracy at the end of a run",
            Series = series,
            XTicks = [.. groups.Select(group => group.Width).Distinct().Order()
                .Select(width => (Math.Log2(width), width.ToString(CultureInfo.InvariantCulture)))],
            StartsAtZero = true,
        };
    }

    // The same model has the same colour in every chart.
    private static int Hue(InductionStudy study, InductionArm arm) => (arm.Variant, arm.Layers) switch
    {
        (KvShiftVariant.Kv, _) => 0,
        (KvShiftVariant.None, 1) => 1,
        (KvShiftVariant.None, 2) => 2,
        (KvShiftVariant.None, _) => 3,
        _ => 4 + study.Arms.Where(other => other.Variant is not (KvShiftVariant.Kv or KvShiftVariant.None)).TakeWhile(other => other != arm).Count(),
    };
}
