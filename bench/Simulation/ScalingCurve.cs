using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Planning;
using KvShiftScale.Trainer.Reporting;

namespace KvShiftScale.Simulation;

/// <summary>One size of a curve.</summary>
/// <param name="Ranks">Ranks of the launch.</param>
/// <param name="Plan">The planner's fastest layout.</param>
/// <param name="Even">The step simulated, all ranks alike.</param>
/// <param name="Uneven">The step simulated with stragglers.</param>
internal sealed record ScalingPoint(int Ranks, LayoutPlan Plan, SimulationResult Even, SimulationResult Uneven)
{
    /// <summary>Tokens a second of all ranks, alike.</summary>
    public double TokensPerSecond => Plan.Plan.TokensPerStep / Even.StepSeconds;

    /// <summary>Tokens a second with stragglers.</summary>
    public double UnevenTokensPerSecond => Plan.Plan.TokensPerStep / Uneven.StepSeconds;
}

/// <summary>How a run scales from few ranks to many: the planner's fastest layout of each size, simulated.</summary>
internal static class ScalingCurve
{
    /// <summary>Sizes of the curve.</summary>
    public static IReadOnlyList<int> Sizes { get; } = [8, 16, 32, 64, 128, 256, 512, 1024];

    /// <summary>One size.</summary>
    public static ScalingPoint Of(LayoutPlan plan, HardwareProfile hardware, int ranksPerNode, Stragglers stragglers, int steps, long eagerBytes)
    {
        var ranks = plan.Plan.Ranks;
        var launch = new SimulatedLaunch(plan.Plan.Config, hardware, ranks, ranksPerNode);
        return new ScalingPoint(ranks, plan, launch.Run(Stragglers.None, steps, eagerBytes), launch.Run(stragglers, steps, eagerBytes));
    }

    /// <summary>The head of a table in Markdown.</summary>
    public static string Head => """
        | GPUs | data x tensor x context x pipeline | other | s planned | s simulated | difference | tokens/s | efficiency | s with stragglers | efficiency |
        |---|---|---|---|---|---|---|---|---|---|
        """;

    /// <summary>A row.</summary>
    /// <param name="point">The size.</param>
    /// <param name="first">What efficiency is against.</param>
    public static string Row(ScalingPoint point, ScalingPoint first)
    {
        var config = point.Plan.Plan.Config;
        var parallel = config.Parallel;
        var sequence = parallel is { Tensor: > 1, IsSequenceParallel: false } ? ", no sequence" : "";
        var other = $"micro {config.Data.MicroBatch}, {parallel.OptimizerSharding}, {parallel.Recompute}{sequence}{(parallel.VirtualStages > 1 ? $", virtual {parallel.VirtualStages}" : "")}".ToLowerInvariant();
        var (planned, even, uneven) = (point.Plan.StepSeconds, point.Even.StepSeconds, point.Uneven.StepSeconds);
        string[] cells =
        [
            Quantity.Format($"{point.Ranks:N0}"), $"{point.Plan.Plan.DataRanks} x {parallel.Tensor} x {parallel.Context} x {parallel.Pipeline}", other,
            Quantity.Format($"{planned:G3}"), Quantity.Format($"{even:G3}"), Quantity.Format($"{even / planned - 1:+0.0 %;-0.0 %}"),
            Quantity.Short(point.TokensPerSecond), Quantity.Format($"{Efficiency(point.TokensPerSecond):0.0 %}"),
            Quantity.Format($"{uneven:G3}"), Quantity.Format($"{Efficiency(point.UnevenTokensPerSecond):0.0 %}"),
        ];
        return $"| {string.Join(" | ", cells)} |";

        double Efficiency(double tokensPerSecond) => tokensPerSecond / point.Ranks / (first.TokensPerSecond / first.Ranks);
    }

    /// <summary>Two curves for each model, of efficiency with stragglers and without.</summary>
    public static SvgChart Chart(IReadOnlyList<(string Name, IReadOnlyList<ScalingPoint> Points)> curves) => new()
    {
        Title = "Efficiency against 8 GPUs, simulated",
        XLabel = "GPUs",
        YLabel = "share of tokens a second of a GPU",
        XTicks = [.. Sizes.Select(size => (Math.Log2(size), Quantity.Whole(size)))],
        StartsAtZero = true,
        Series = [.. curves.SelectMany((curve, hue) => (ChartSeries[])
        [
            new ChartSeries(curve.Name, ChartSeriesStyle.Line, Points(curve.Points, point => point.TokensPerSecond)) { Hue = 2 * hue },
            new ChartSeries($"{curve.Name}, stragglers", ChartSeriesStyle.Line, Points(curve.Points, point => point.UnevenTokensPerSecond)) { Hue = 2 * hue + 1 },
        ])],
    };

    private static IReadOnlyList<(double X, double Y)> Points(IReadOnlyList<ScalingPoint> points, Func<ScalingPoint, double> tokensPerSecond)
        => [.. points.Select(point => (Math.Log2(point.Ranks), tokensPerSecond(point) / point.Ranks / (points[0].TokensPerSecond / points[0].Ranks)))];
}
