using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using KvShiftScale.Checkpoints.Saving;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.Telemetry;

[Collection(nameof(TrainingMeter))]
public sealed class TelemetryPipelineTests
{
    private static readonly RankIdentity Identity = new(
        "books", "d5f5b9b0-6d3a-4a3e-9d62-6a1f1a1f0c01", Rank: 3, RankCount: 8, DataIndex: 0, ContextIndex: 1, TensorIndex: 1, "node-7") { SlurmJob = "4711" };

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
            meter.Count(new StepTally(5000, 0.5, IsSkipped: false));
            meter.Record(StepRecords.At(4) with { StepSeconds = 0.5 });
            meter.Count(new StepTally(4000, 0.25, IsSkipped: true));
            meter.Record(StepRecords.At(9, validationLoss: 3.5) with { Mfu = 0.375, MatmulShare = 0.5, TflopsPerRank = 2, DataWaitFraction = 0.0625 });
        }

        var resource = collector.Metrics.Resource;
        Assert.Equal("kvshift", resource["service.name"]);
        Assert.Equal(Identity.InstanceId, resource["service.instance.id"]);
        Assert.True(Guid.TryParse(Identity.InstanceId, out _));
        Assert.Equal($"{Environment.ProcessId}", resource["process.pid"]);
        Assert.Equal("books", resource["kvshift.run.name"]);
        Assert.Equal("d5f5b9b0-6d3a-4a3e-9d62-6a1f1a1f0c01", resource["kvshift.run.id"]);
        Assert.Equal("3", resource["kvshift.rank"]);
        Assert.Equal("8", resource["kvshift.rank_count"]);
        Assert.Equal("0", resource["kvshift.data_index"]);
        Assert.Equal("1", resource["kvshift.context_index"]);
        Assert.Equal("1", resource["kvshift.tensor_index"]);
        Assert.Equal("4711", resource["kvshift.slurm.job_id"]);
        Assert.Equal("node-7", resource["host.name"]);
        Assert.Equal("opentelemetry", resource["telemetry.sdk.name"]);
        Assert.Equal(
            [
                ("kvshift.data.wait", "1", "0.0625"),
                ("kvshift.process.peak_memory", "By", "1048576"),
                ("kvshift.train.grad_norm", "1", "1.5"),
                ("kvshift.train.learning_rate", "1", "0.0002"),
                ("kvshift.train.loss", "{nat}", "1"),
                ("kvshift.train.matmul_share", "1", "0.5"),
                ("kvshift.train.mfu", "1", "0.375"),
                ("kvshift.train.skipped_steps", "{step}", "1"),
                ("kvshift.train.step", "{step}", "9"),
                ("kvshift.train.step.duration", "s", "2 x 0.75"),
                ("kvshift.train.tflops_per_rank", "{TFLOP}/s", "2"),
                ("kvshift.train.tokens", "{token}", "9000"),
                ("kvshift.train.tokens_per_second", "{token}/s", "500"),
                ("kvshift.validation.loss", "{nat}", "3.5"),
            ],
            collector.Metrics.Newest.Select(metric => (metric.Key, metric.Value.Unit, metric.Value.Value)).Order());
        Assert.All(collector.Requests, request => Assert.Equal(("/v1/metrics", "application/x-protobuf"), request));
        Assert.Empty(_warnings);
    }

    [Fact]
    public void ProcessesOfTheSameRunAndRankAreDifferentInstances()
    {
        using var collector = new OtlpReceiver();
        for (var launch = 0; launch < 3; launch++)
        {
            using var meter = new TrainingMeter();
            using var pipeline = TelemetryPipeline.Start(Settings(collector.Endpoint), new RankIdentity("books", "one-id", 0, 1, 0, 0, 0, "node-7"), _warnings.Enqueue);
            meter.Count(new StepTally(100, 0.5, IsSkipped: false));
        }

        Assert.Equal(3, collector.Metrics.Resources.Count);
        Assert.Equal(300, collector.Metrics.SumOf("kvshift.train.tokens"));
        Assert.Single(collector.Metrics.Resources.Values.Select(resource => resource["kvshift.run.id"]).Distinct());
    }

    [Theory]
    [InlineData(0.0021, 0.0043)]
    [InlineData(1.65, 1.66)]
    [InlineData(0.04, 90)]
    [InlineData(300, 2400)]
    public void QuantilesOfHistogramsAreWithinATenthOfTheTruth(double least, double most)
    {
        double[] values = [.. Enumerable.Range(0, 200).Select(place => least * Math.Pow(most / least, place / 199.0))];
        foreach (var (aggregation, isExponential) in ((string?, bool)[])[(null, true), ("base2_exponential_bucket_histogram", true), ("explicit_bucket_histogram", false)])
        {
            using var collector = new OtlpReceiver();
            using (var meter = new TrainingMeter())
            {
                using var pipeline = TelemetryPipeline.Start(
                    Settings(collector.Endpoint, environment: ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", aggregation)), Identity, _warnings.Enqueue);
                foreach (var value in values)
                {
                    meter.Count(new StepTally(1, value, IsSkipped: false));
                    meter.Count(new SaveTally { StoodStill = value });
                    meter.Count(new SaveTally { Duration = value });
                }
            }

            foreach (var name in (string[])["kvshift.train.step.duration", "kvshift.checkpoint.wait", "kvshift.checkpoint.duration"])
            {
                var histogram = collector.Metrics.Histograms[name];
                Assert.Equal(isExponential, histogram.IsExponential);
                foreach (var share in (double[])[0.1, 0.5, 0.9, 0.99])
                {
                    var truth = values[(int)(share * 199)];
                    Assert.InRange(histogram.Quantile(share), truth * 0.9, truth * 1.1);
                }
            }
        }
    }

    [Fact]
    public void MetricsAreExportedWhileTrainingGoesOn()
    {
        using var collector = new OtlpReceiver();
        using var meter = new TrainingMeter();
        using var pipeline = Start(collector.Endpoint);

        meter.Record(StepRecords.At(1));

        Assert.True(SpinWait.SpinUntil(() => collector.Metrics.Newest.ContainsKey("kvshift.train.loss"), Patience));
    }

    [Fact]
    public void WithoutAnEndpointNothingIsExported()
    {
        using var pipeline = TelemetryPipeline.Start(TelemetrySettings.Resolve(new TelemetrySection(), TelemetryEnvironment.Empty), Identity, _warnings.Enqueue);

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
        Assert.Equal(expected, TelemetrySettings.EndpointOf(endpoint, protocol).AbsoluteUri);

    private static string EndpointOf(TcpListener listener) =>
        string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

    private TelemetryPipeline Start(string endpoint, OtlpProtocol protocol = OtlpProtocol.HttpProtobuf)
        => TelemetryPipeline.Start(Settings(endpoint, protocol), Identity, _warnings.Enqueue);

    private static TelemetrySettings Settings(
        string endpoint, OtlpProtocol protocol = OtlpProtocol.HttpProtobuf, (string Name, string? Value) environment = default)
        => TelemetrySettings.Resolve(new TelemetrySection { OtlpEndpoint = endpoint, OtlpProtocol = protocol, ExportIntervalSeconds = 0.05 },
            TelemetryEnvironment.Read(name => name == environment.Name ? environment.Value : null));
}
