using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.Telemetry;

[Collection(nameof(TrainingMeter))]
public sealed class TelemetryPipelineTests
{
    private static readonly RankIdentity Identity = new("books", Rank: 3, RankCount: 8, DataIndex: 1, TensorIndex: 1, "node-7");

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly ConcurrentQueue<string> _warnings = [];

    [Fact]
    public void MetricsReachACollectorWithTheirLabels()
    {
        using var collector = new OtlpReceiver();
        using (var meter = new TrainingMeter())
        {
            using var pipeline = Start(collector.Endpoint);
            Assert.True(pipeline.IsExporting);
            meter.Record(StepRecords.At(4) with { StepSeconds = 0.5 });
            meter.Record(StepRecords.At(9, validationLoss: 3.5) with { StepSeconds = 0.25, Mfu = 0.375, DataWaitFraction = 0.0625 });
        }

        Assert.Equal("kvshift", collector.Resource["service.name"]);
        Assert.Equal("books/3", collector.Resource["service.instance.id"]);
        Assert.Equal("books", collector.Resource["kvshift.run.name"]);
        Assert.Equal("3", collector.Resource["kvshift.rank"]);
        Assert.Equal("8", collector.Resource["kvshift.rank_count"]);
        Assert.Equal("1", collector.Resource["kvshift.data_index"]);
        Assert.Equal("1", collector.Resource["kvshift.tensor_index"]);
        Assert.Equal("node-7", collector.Resource["host.name"]);
        Assert.Equal(
            [
                ("kvshift.data.wait", "1", "0.0625"),
                ("kvshift.process.peak_memory", "By", "1048576"),
                ("kvshift.train.grad_norm", "1", "1.5"),
                ("kvshift.train.learning_rate", "1", "0.0002"),
                ("kvshift.train.loss", "{nat}", "1"),
                ("kvshift.train.mfu", "1", "0.375"),
                ("kvshift.train.step", "{step}", "9"),
                ("kvshift.train.step.duration", "s", "2 x 0.75"),
                ("kvshift.train.tokens", "{token}", "9000"),
                ("kvshift.train.tokens_per_second", "{token}/s", "500"),
                ("kvshift.validation.loss", "{nat}", "3.5"),
            ],
            collector.Metrics.Select(metric => (metric.Key, metric.Value.Unit, metric.Value.Value)).Order());
        Assert.All(collector.Requests, request => Assert.Equal(("/v1/metrics", "application/x-protobuf"), request));
        Assert.Empty(_warnings);
    }

    [Fact]
    public void MetricsAreExportedWhileTrainingGoesOn()
    {
        using var collector = new OtlpReceiver();
        using var meter = new TrainingMeter();
        using var pipeline = Start(collector.Endpoint);

        meter.Record(StepRecords.At(1));

        Assert.True(SpinWait.SpinUntil(() => collector.Metrics.ContainsKey("kvshift.train.loss"), Patience));
    }

    [Fact]
    public void WithoutAnEndpointNothingIsExported()
    {
        using var pipeline = TelemetryPipeline.Start(new TelemetrySection(), Identity, _warnings.Enqueue);

        Assert.False(pipeline.IsExporting);
    }

    [Theory]
    [InlineData(OtlpProtocol.HttpProtobuf)]
    [InlineData(OtlpProtocol.Grpc)]
    public void CollectorThatIsAwayCostsOneWarning(OtlpProtocol protocol)
    {
        using var away = new RefusingPort();
        using var meter = new TrainingMeter();
        using (Start(away.Endpoint, protocol))
        {
            meter.Record(StepRecords.At(1));
            Assert.True(SpinWait.SpinUntil(() => !_warnings.IsEmpty, Patience));
            meter.Record(StepRecords.At(2));
        }

        var warning = Assert.Single(_warnings);
        Assert.Contains(away.Endpoint, warning);
        Assert.Contains("training goes on", warning);
        Assert.Contains("telemetry.otlp_endpoint", warning);
    }

    [Fact]
    public void CollectorThatNeverAnswersDoesNotHoldTheEndUp()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var meter = new TrainingMeter();
        var pipeline = Start(EndpointOf(silent));
        // Ten lots, of which the fastest counts: a record that waited for the collector would wait in every one.
        var fastest = TimeSpan.MaxValue;
        for (var lot = 0; lot < 10; lot++)
        {
            var recorded = Stopwatch.StartNew();
            for (var step = 1; step <= 100; step++)
            {
                meter.Record(StepRecords.At(100 * lot + step));
            }

            fastest = recorded.Elapsed < fastest ? recorded.Elapsed : fastest;
        }

        Assert.True(fastest < TimeSpan.FromSeconds(0.1), $"the fastest hundred took {fastest}");

        // Five seconds are meant; without them it would be for good, or for the hundred seconds that an HTTP request has by itself.
        var closing = Stopwatch.StartNew();
        pipeline.Dispose();

        Assert.InRange(closing.Elapsed, TimeSpan.Zero, TimeSpan.FromMilliseconds(TelemetryPipeline.ShutdownMilliseconds) + TimeSpan.FromSeconds(25));
        Assert.True(SpinWait.SpinUntil(() => !_warnings.IsEmpty, Patience));
        Assert.Single(_warnings);
    }

    [Theory]
    [InlineData("http://localhost:4318", OtlpProtocol.HttpProtobuf, "http://localhost:4318/v1/metrics")]
    [InlineData("http://localhost:4318/", OtlpProtocol.HttpProtobuf, "http://localhost:4318/v1/metrics")]
    [InlineData("https://host/otlp", OtlpProtocol.HttpProtobuf, "https://host/otlp/v1/metrics")]
    [InlineData("https://host/otlp/v1/metrics", OtlpProtocol.HttpProtobuf, "https://host/otlp/v1/metrics")]
    [InlineData("http://localhost:4317", OtlpProtocol.Grpc, "http://localhost:4317/")]
    public void EndpointHasThePathOfTheProtocol(string endpoint, OtlpProtocol protocol, string expected) =>
        Assert.Equal(expected, TelemetryPipeline.EndpointOf(endpoint, protocol).AbsoluteUri);

    private static string EndpointOf(TcpListener listener) =>
        string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

    private TelemetryPipeline Start(string endpoint, OtlpProtocol protocol = OtlpProtocol.HttpProtobuf) => TelemetryPipeline.Start(
        new TelemetrySection { OtlpEndpoint = endpoint, OtlpProtocol = protocol, ExportIntervalSeconds = 0.05 },
        Identity,
        _warnings.Enqueue);
}
