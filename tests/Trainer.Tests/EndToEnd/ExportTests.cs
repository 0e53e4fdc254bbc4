using System.Globalization;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Tests.Telemetry;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

[Collection(nameof(EndToEndGroup))]
public sealed class ExportTests(TrainingFixture fixture)
{
    [Fact]
    public void LossOfEveryRankReachesTheCollector()
    {
        using var collector = new OtlpReceiver();

        var run = fixture.TrainOnTwoRanks("exported", $"telemetry.otlp_endpoint={collector.Endpoint}");

        var loss = run.Last.Loss.ToString(CultureInfo.InvariantCulture);
        Assert.Equal(
            [("exported/0", loss), ("exported/1", loss)],
            collector.ValuesOf("kvshift.train.loss").OrderBy(value => value.Instance, StringComparer.Ordinal));

        const string Reductions = "{group=replicas,operation=all_reduce}";
        var calls = collector.ValuesOf("kvshift.collective.calls" + Reductions);
        Assert.Equal(["exported/0", "exported/1"], calls.Select(value => value.Instance).Order(StringComparer.Ordinal));
        Assert.Equal(calls[0].Value, calls[1].Value);
        Assert.Equal("{call}", collector.Metrics["kvshift.collective.calls" + Reductions].Unit);
        // In each step the sums of the loss; in three validations, at 0, 10 and 20, the loss.
        Assert.True(Number(calls[0].Value) >= TrainingFixture.Steps + 3, calls[0].Value);
        // Gradients travel beside backward, in groups of their own, each rank's part to that rank.
        const string Beside = "{group=replicas beside,operation=reduce_scatter}";
        const int GradientBytes = 38_000 * sizeof(float);
        var bytes = Number(collector.Metrics["kvshift.collective.bytes" + Reductions].Value) + Number(collector.Metrics["kvshift.collective.bytes" + Beside].Value);
        Assert.InRange(bytes, TrainingFixture.Steps * GradientBytes * 0.9, TrainingFixture.Steps * GradientBytes * 1.1);
        Assert.True(Number(collector.Metrics["kvshift.collective.seconds" + Reductions].Value) > 0);

        static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
    }

    [Fact]
    public void CollectorThatIsAwayDoesNotStopTraining()
    {
        using var away = new RefusingPort();
        var output = MpiRun.Execute(2, "kvshift.dll", fixture.TrainArguments("not-exported", $"telemetry.otlp_endpoint={away.Endpoint}"));

        Assert.Contains("training goes on", output);
        fixture.RunOf("not-exported").AssertSameCurve(fixture.TwoRanks, 1e-4);
    }
}
