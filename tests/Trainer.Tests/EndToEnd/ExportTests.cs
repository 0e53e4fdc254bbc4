using System.Globalization;
using System.Net;
using System.Net.Sockets;
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
    }

    [Fact]
    public void CollectorThatIsAwayDoesNotStopTraining()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        var endpoint = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}";
        probe.Stop();

        var output = MpiRun.Execute(2, "kvshift.dll", fixture.TrainArguments("not-exported", $"telemetry.otlp_endpoint={endpoint}"));

        Assert.Contains("training goes on", output);
        fixture.RunOf("not-exported").AssertSameCurve(fixture.TwoRanks, 1e-4);
    }
}
