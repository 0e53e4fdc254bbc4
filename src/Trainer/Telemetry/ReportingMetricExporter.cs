using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// The OTLP exporter, saying once for each cause when the collector does not take the metrics; the SDK itself is silent about it.
/// </summary>
internal sealed class ReportingMetricExporter : OtlpMetricExporter
{
    private readonly CollectorWarnings _warnings;

    private ReportingMetricExporter(OtlpExporterOptions options, CollectorWarnings warnings)
        : base(options) => _warnings = warnings;

    /// <summary>Makes the exporter.</summary>
    /// <param name="settings">Where to and how; not one that exports nothing.</param>
    /// <param name="warn">Told from another thread.</param>
    public static ReportingMetricExporter Create(TelemetrySettings settings, Action<string> warn)
    {
        var warnings = new CollectorWarnings(settings.ShownEndpoint, warn);
        // All that the SDK would read from the environment by itself is said here; the handler sends the headers.
        return new ReportingMetricExporter(new OtlpExporterOptions
        {
            Protocol = settings.Protocol == Configuration.OtlpProtocol.Grpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf,
            Endpoint = settings.Endpoint!,
            Headers = "",
            Compression = settings.Compression,
            TimeoutMilliseconds = (int)settings.Timeout.TotalMilliseconds,
            HttpClientFactory = () => new HttpClient(new CollectorHandler(settings, warnings.Tell)) { Timeout = settings.Timeout },
        }, warnings);
    }

    /// <inheritdoc/>
    public override ExportResult Export(in Batch<Metric> metrics)
    {
        _warnings.BeginExport();
        var result = base.Export(metrics);
        if (result == ExportResult.Failure && !_warnings.KnowsCause)
        {
            _warnings.Tell(new CollectorFault("unknown", "the export failed before it was sent", "Check telemetry.otlp_endpoint and telemetry.otlp_protocol"));
        }

        return result;
    }
}
