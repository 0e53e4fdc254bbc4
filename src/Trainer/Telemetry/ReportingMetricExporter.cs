using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>The OTLP exporter, saying once when the collector does not take the metrics; the SDK itself is silent about it.</summary>
internal sealed class ReportingMetricExporter(OtlpExporterOptions options, Action<string> warn) : OtlpMetricExporter(options)
{
    private readonly OtlpExporterOptions _options = options;
    private int _hasWarned;

    public override ExportResult Export(in Batch<Metric> metrics)
    {
        var result = base.Export(metrics);
        if (result == ExportResult.Failure && Interlocked.Exchange(ref _hasWarned, 1) == 0)
        {
            warn($"telemetry: the collector at {_options.Endpoint} does not accept metrics; training goes on without exporting them. " +
                "Check telemetry.otlp_endpoint and telemetry.otlp_protocol, or remove them.");
        }

        return result;
    }
}
