using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>Why a collector did not take metrics: each cause has a sentence of its own, with what to do, and is told once.</summary>
[Collection(nameof(TrainingMeter))]
public sealed class CollectorFaultTests
{
    private readonly ConcurrentQueue<string> _warnings = [];

    [Theory]
    [InlineData(401, "it wants credentials", "OTEL_EXPORTER_OTLP_HEADERS")]
    [InlineData(407, "it wants credentials", "OTEL_EXPORTER_OTLP_HEADERS")]
    [InlineData(403, "does not let them write", "the right to write metrics")]
    [InlineData(404, "nothing to post metrics to", "/v1/metrics")]
    [InlineData(405, "nothing to post metrics to", "/v1/metrics")]
    [InlineData(400, "does not understand what it is sent", "telemetry.otlp_protocol")]
    [InlineData(415, "does not speak OTLP over HTTP", "telemetry.otlp_protocol: grpc")]
    [InlineData(413, "too large", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip")]
    [InlineData(429, "overloaded", "telemetry.export_interval_seconds")]
    [InlineData(503, "overloaded", "telemetry.export_interval_seconds")]
    [InlineData(500, "answers with status 500", "log")]
    public void StatusOfHttpHasItsSentence(int status, string what, string remedy)
    {
        using var collector = new OtlpReceiver(_ => CollectorAnswer.Text(status, "no\nspace for you"));

        var warning = Assert.Single(Export(collector.Endpoint));

        Assert.Contains(what, warning);
        Assert.Contains(remedy, warning);
        Assert.Contains($"{status}: no space for you", warning);
        Assert.Contains($"the collector at {collector.Endpoint}/v1/metrics", warning);
        Assert.Contains("training goes on", warning);
        Assert.True(collector.Requests.Count >= 3);
    }

    [Fact]
    public void RedirectIsNotFollowedAndItsTargetNamed()
    {
        using var collector = new OtlpReceiver(_ => CollectorAnswer.Text(302, "") with { Location = "https://elsewhere/v1/metrics?token=secret" });

        var warning = Assert.Single(Export(collector.Endpoint));

        Assert.Contains("points to https://elsewhere/v1/metrics?token=***", warning);
    }

    [Fact]
    public void PageForPeopleIsNoCollector()
    {
        using var collector = new OtlpReceiver(_ => new CollectorAnswer(200, "text/html; charset=utf-8", "<html>Log in</html>"u8.ToArray()));

        Assert.Contains("is no receiver of OTLP", Assert.Single(Export(collector.Endpoint)));
    }

    [Fact]
    public void ValuesThatAreThrownAwayAreTold()
    {
        // ExportMetricsServiceResponse { partial_success { rejected_data_points: 3, error_message: "no delta" } }.
        byte[] answer = [0x0A, 12, 0x08, 3, 0x12, 8, .. "no delta"u8];
        using var collector = new OtlpReceiver(_ => new CollectorAnswer(200, "application/x-protobuf", answer));

        var warning = Assert.Single(Export(collector.Endpoint));

        Assert.Contains("thrown away 3 values of an export: no delta", warning);
        Assert.Contains("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", warning);
    }

    [Theory]
    [InlineData(16, "it wants credentials", "OTEL_EXPORTER_OTLP_HEADERS")]
    [InlineData(7, "does not let them write", "the right to write metrics")]
    [InlineData(12, "no service for metrics", "telemetry.otlp_endpoint")]
    [InlineData(14, "overloaded", "telemetry.export_interval_seconds")]
    [InlineData(13, "gRPC status 13", "log")]
    public void StatusOfGrpcHasItsSentence(int status, string what, string remedy)
    {
        var settings = TelemetrySettings.Resolve(
            new TelemetrySection { OtlpEndpoint = "http://collector:4317", OtlpProtocol = OtlpProtocol.Grpc }, TelemetryEnvironment.Empty);
        // In the headers of an answer without a body, or behind a body.
        foreach (var isBehind in (bool[])[false, true])
        {
            using var answer = new HttpResponseMessage(HttpStatusCode.OK);
            var headers = isBehind ? answer.TrailingHeaders : answer.Headers;
            headers.Add("grpc-status", $"{status}");
            headers.Add("grpc-message", Uri.EscapeDataString("because: so"));

            var warning = CollectorFault.Of(answer, [], settings)!.Describe(settings.ShownEndpoint);

            Assert.Contains(what, warning);
            Assert.Contains(remedy, warning);
            Assert.Contains("because: so", warning);
        }
    }

    [Fact]
    public void NobodyListens()
    {
        using var away = new RefusingPort();

        var warning = Assert.Single(Export(away.Endpoint));

        Assert.Contains("nobody takes the connection (Connection refused", warning);
        Assert.Contains("Start the collector, or correct telemetry.otlp_endpoint", warning);
    }

    // What is sent is not read, so that the connection is not ended but reset.
    [Theory]
    [InlineData(OtlpProtocol.Grpc, "does not speak gRPC there", "telemetry.otlp_protocol: http_protobuf")]
    [InlineData(OtlpProtocol.HttpProtobuf, "does not speak OTLP over HTTP there", "telemetry.otlp_protocol: grpc")]
    public void WhoeverListensHangsUp(OtlpProtocol protocol, string what, string remedy)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepting = Task.Run(async () =>
        {
            while (true)
            {
                using var connection = await listener.AcceptSocketAsync();
                await connection.ReceiveAsync(new byte[1]);
                connection.LingerState = new LingerOption(true, 0);
            }
        });

        var warning = Assert.Single(Export($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", protocol));

        Assert.Contains(what, warning);
        Assert.Contains(remedy, warning);
        Assert.False(accepting.IsCompleted);
    }

    [Fact]
    public void NameIsNotKnown()
    {
        var warning = Assert.Single(Export("http://collector.invalid:4318"));

        Assert.Contains("no address is known for the name collector.invalid", warning);
    }

    [Fact]
    public void NoAnswerInTime()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();

        var warning = Assert.Single(Export($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}", timeout: "200"));

        Assert.Contains("did not answer within 0.2 s", warning);
        Assert.Contains("OTEL_EXPORTER_OTLP_TIMEOUT", warning);
    }

    [Fact]
    public void HttpGoesToAServerOfGrpc()
    {
        using var collector = new OtlpReceiver(
            _ => CollectorAnswer.Text(400, "An HTTP/1.x request was sent to an HTTP/2 only endpoint."));

        var warning = Assert.Single(Export(collector.Endpoint));

        Assert.Contains("does not speak OTLP over HTTP there", warning);
        Assert.Contains("telemetry.otlp_protocol: grpc", warning);
    }

    [Fact]
    public void HttpGoesToAServerThatSpeaksFramesAtOnce()
    {
        // As servers of gRPC in Go and C++ do: settings, then good-bye with a protocol error.
        byte[] frames = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        using var server = new PlainServer(frames);

        Assert.Contains("does not speak OTLP over HTTP there", Assert.Single(Export(server.Endpoint)));
    }

    [Fact]
    public void SomethingElseListens()
    {
        using var server = new PlainServer("SSH-2.0-OpenSSH_9.2\r\n"u8.ToArray());

        // A client that writes on is reset before it has heard the greeting, which is another cause, said beside this one.
        Assert.Contains(Export(server.Endpoint), warning => warning.Contains("does not speak OTLP over HTTP there", StringComparison.Ordinal));
        Assert.Contains(Export(server.Endpoint, OtlpProtocol.Grpc), warning => warning.Contains("does not speak gRPC there", StringComparison.Ordinal));
    }

    [Fact]
    public void GrpcGoesToAServerOfHttp()
    {
        using var collector = new OtlpReceiver();

        var warning = Assert.Single(Export(collector.Endpoint, OtlpProtocol.Grpc));

        Assert.Contains("does not speak gRPC there", warning);
        Assert.Contains("telemetry.otlp_protocol: http_protobuf", warning);
    }

    [Fact]
    public void ServerSpeaksNoTls()
    {
        using var collector = new OtlpReceiver();

        var warning = Assert.Single(Export(collector.Endpoint.Replace("http://", "https://", StringComparison.Ordinal)));

        Assert.Contains("no secure connection", warning);
        Assert.Contains("write http:// in telemetry.otlp_endpoint", warning);
    }

    [Fact]
    public void CertificateIsOfNoKnownAuthorityUnlessItIsNamed()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("authority.pem"), certificate.ExportCertificatePem());
        using var server = new TlsServer(certificate);

        var warning = Assert.Single(Export(server.Endpoint));

        Assert.Contains("no secure connection", warning);
        Assert.Contains("OTEL_EXPORTER_OTLP_CERTIFICATE", warning);
        Assert.Empty(Export(server.Endpoint, authority: folder.PathOf("authority.pem")));
    }

    [Fact]
    public void EachCauseIsToldOnce()
    {
        var requests = 0;
        using var collector = new OtlpReceiver(_ => CollectorAnswer.Text((Interlocked.Increment(ref requests) % 3) switch { 0 => 401, 1 => 404, _ => 503 }, ""));

        var warnings = Export(collector.Endpoint, exports: 9);

        Assert.Equal(3, warnings.Count);
        Assert.Equal(3, warnings.Select(warning => warning[..warning.IndexOf(';', StringComparison.Ordinal)]).Distinct().Count());
    }

    private IReadOnlyList<string> Export(
        string endpoint, OtlpProtocol protocol = OtlpProtocol.HttpProtobuf, string? timeout = null, string? authority = null, int exports = 4)
    {
        _warnings.Clear();
        var environment = TelemetryEnvironment.Read(name => name switch
        {
            "OTEL_EXPORTER_OTLP_TIMEOUT" => timeout,
            "OTEL_EXPORTER_OTLP_CERTIFICATE" => authority,
            _ => null,
        });
        var settings = TelemetrySettings.Resolve(
            new TelemetrySection { OtlpEndpoint = endpoint, OtlpProtocol = protocol, ExportIntervalSeconds = 3600 }, environment);
        using var meter = new TrainingMeter();
        using var exporter = ReportingMetricExporter.Create(settings, _warnings.Enqueue);
        using var reader = new OpenTelemetry.Metrics.PeriodicExportingMetricReader(exporter, 3_600_000, 60_000);
        using var provider = OpenTelemetry.Metrics.MeterProviderBuilderExtensions.Build(OpenTelemetry.Metrics.MeterProviderBuilderExtensions.AddReader(
            OpenTelemetry.Sdk.CreateMeterProviderBuilder().AddMeter(TrainingMeter.MeterName), reader));
        for (var export = 0; export < exports; export++)
        {
            meter.Count(new StepTally(1, 1, IsSkipped: false));
            reader.Collect();
        }

        return [.. _warnings];
    }

    /// <summary>Says the same to everybody and hangs up.</summary>
    private sealed class PlainServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly Thread _thread;

        public PlainServer(byte[] greeting)
        {
            _listener.Start();
            _thread = new Thread(() => Serve(greeting)) { IsBackground = true };
            _thread.Start();
        }

        public string Endpoint => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

        public void Dispose()
        {
            _listener.Stop();
            _thread.Join();
        }

        private void Serve(byte[] greeting)
        {
            while (true)
            {
                try
                {
                    using var client = _listener.AcceptTcpClient();
                    using var stream = client.GetStream();
                    stream.ReadTimeout = 200;
                    // What is left unread would reset the connection before the greeting is heard.
                    Assert.True(stream.Read(new byte[1 << 16]) >= 0);
                    stream.Write(greeting);
                    client.Client.Shutdown(SocketShutdown.Send);
                    while (stream.Read(new byte[1 << 16]) > 0)
                    {
                    }
                }
                catch (IOException)
                {
                    // The client has hung up first.
                }
                catch (Exception stopped) when (stopped is SocketException or InvalidOperationException)
                {
                    // Stopped while it waited, or just before.
                    return;
                }
            }
        }
    }

    /// <summary>Answers every request over TLS with an empty 200.</summary>
    private sealed class TlsServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly X509Certificate2 _certificate;
        private readonly Thread _thread;

        public TlsServer(X509Certificate2 certificate)
        {
            _certificate = certificate;
            _listener.Start();
            _thread = new Thread(Serve) { IsBackground = true };
            _thread.Start();
        }

        public string Endpoint => $"https://localhost:{((IPEndPoint)_listener.LocalEndpoint).Port}";

        public void Dispose()
        {
            _listener.Stop();
            _thread.Join();
        }

        private void Serve()
        {
            while (true)
            {
                TcpClient client;
                try
                {
                    client = _listener.AcceptTcpClient();
                }
                catch (Exception stopped) when (stopped is SocketException or InvalidOperationException)
                {
                    // Stopped while it waited, or just before.
                    return;
                }

                using (client)
                {
                    using var stream = new SslStream(client.GetStream());
                    try
                    {
                        stream.AuthenticateAsServer(_certificate);
                        var request = new byte[1 << 16];
                        // The end of the head, and as much as the head says behind it.
                        for (var read = 0; ;)
                        {
                            var count = stream.Read(request, read, request.Length - read);
                            if (count == 0)
                            {
                                break;
                            }

                            read += count;
                            var text = Encoding.Latin1.GetString(request, 0, read);
                            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
                            var length = text.Split("\r\n").FirstOrDefault(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
                            if (end >= 0 && length is not null && read >= end + 4 + int.Parse(length.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture))
                            {
                                break;
                            }
                        }

                        stream.Write("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8);
                    }
                    catch (Exception refused) when (refused is IOException or System.Security.Authentication.AuthenticationException)
                    {
                        // The client does not know this authority.
                    }
                }
            }
        }
    }
}
