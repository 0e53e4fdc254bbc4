using KvShiftScale.Core.Text;
using KvShiftScale.Models.Probing;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>Pictures of what a probe found in each head.</summary>
internal static class HeadCharts
{
    // A head that gives this share of its value weight to one token among a hundred does it on purpose.
    private const float InductionFrom = 0.3f;

    /// <summary>Prefix matching by layer and head.</summary>
    public static SvgHeatMap PrefixMatching(long step, InductionScores scores) =>
        Map(Quantity.Format($"Prefix matching by head, step {step}"), 0, scores, layer => layer.PrefixMatching);

    /// <summary>Copying by layer and head.</summary>
    public static SvgHeatMap Copying(long step, InductionScores scores) =>
        Map(Quantity.Format($"Copying by head, step {step}"), 0.5, scores, layer => layer.Copying);

    /// <summary>The learned scalars of keys and of values; none where the model does not shift them.</summary>
    public static IReadOnlyList<SvgScatter> Scalars(InductionScores scores)
    {
        var keys = Points(scores, layer => layer.KeyShift);
        var values = Points(scores, layer => layer.ValueShift);
        return
        [
            .. keys.Count == 0 ? (SvgScatter[])[] : [Scatter("Keys: previous token against current", "a1, current token",
                "a2, previous token", keys)],
            .. values.Count == 0 ? (SvgScatter[])[] : [Scatter("Values: previous token against current", "b1, current token",
                "b2, previous token", values)],
        ];
    }

    private static SvgHeatMap Map(string title, double chance, InductionScores scores, Func<LayerScores, IReadOnlyList<float>> values) => new()
    {
        Title = title,
        RowLabel = "layer",
        ColumnLabel = "head",
        Faintest = chance,
        Rows = [.. scores.Layers.Select(values)],
    };

    private static SvgScatter Scatter(string title, string across, string up, IReadOnlyList<ScatterPoint> points) => new()
    {
        Title = title,
        XLabel = across,
        YLabel = up,
        MarkedLabel = Quantity.Format($"prefix matching above {InductionFrom}"),
        Points = points,
    };

    private static List<ScatterPoint> Points(InductionScores scores, Func<LayerScores, IReadOnlyList<IReadOnlyList<float>>?> shift)
    {
        var points = new List<ScatterPoint>();
        for (var number = 0; number < scores.Layers.Count; number++)
        {
            var layer = scores.Layers[number];
            var rows = shift(layer) ?? [];
            for (var head = 0; head < rows.Count; head++)
            {
                // The query heads that read this kv head.
                var group = layer.PrefixMatching.Count / rows.Count;
                var best = layer.PrefixMatching.Skip(head * group).Take(group).Max();
                var (current, previous) = (rows[head][^1], rows[head][^2]);
                points.Add(new ScatterPoint(current, previous, best > InductionFrom, Quantity.Format(
                    $"layer {number}, kv head {head}: current {current:0.000}, previous {previous:0.000}, prefix matching {best:0.000}")));
            }
        }

        return points;
    }
}
