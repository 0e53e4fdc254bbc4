using System.Globalization;
using KvShiftScale.Trainer.Configuration;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// Exports what <see cref="TrainingMeter"/> measures to an OpenTelemetry collector, from a thread of its own. A collector that is
/// away costs training nothing: one warning, and at most <see cref="ShutdownMilliseconds"/> at the end.
/// </summary>
public sealed class TelemetryPipeline : IDisposable
{
    /// <summary>Bound on the last export and on closing, in milliseconds.</summary>
    public const int ShutdownMilliseconds = 5_000;

    private const int RequestMilliseconds = 3_000;
    private const string MetricsPath = "v1/metrics";

    private readonly MeterProvider? _provider;

    private TelemetryPipeline(MeterProvider? provider) => _provider = provider;

    /// <summary>Whether metrics leave this process.</summary>
    public bool IsExporting => _provider is not null;

    /// <summary>Starts the export, or nothing at all when no endpoint is set.</summary>
    /// <param name="telemetry">Where to and how often.</param>
    /// <param name="identity">Labels of this process.</param>
    /// <param name="warn">Told once, from another thread, when the collector does not take the metrics.</param>
    public static TelemetryPipeline Start(TelemetrySection telemetry, RankIdentity identity, Action<string> warn)
    {
        if (telemetry.OtlpEndpoint is null)
        {
            return new TelemetryPipeline(null);
        }

        var options = new OtlpExporterOptions
        {
            Protocol = telemetry.OtlpProtocol == OtlpProtocol.Grpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf,
            Endpoint = EndpointOf(telemetry.OtlpEndpoint, telemetry.OtlpProtocol),
            TimeoutMilliseconds = RequestMilliseconds,
        };
        var interval = (int)Math.Round(telemetry.ExportIntervalSeconds * 1000);
        var reader = new PeriodicExportingMetricReader(new ReportingMetricExporter(options, warn), interval, RequestMilliseconds);
        var provider = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(ResourceOf(identity))
            .AddMeter(TrainingMeter.MeterName)
            .AddReader(reader)
            .Build();
        return new TelemetryPipeline(provider);
    }

    /// <summary>Exports what is left and stops. Returns within <see cref="ShutdownMilliseconds"/> even when nobody answers.</summary>
    public void Dispose()
    {
        _provider?.Shutdown(ShutdownMilliseconds);
        _provider?.Dispose();
    }

    /// <summary>The address to post to: over HTTP, OTLP puts the signal's path behind the collector's address.</summary>
    internal static Uri EndpointOf(string endpoint, OtlpProtocol protocol)
    {
        var address = new UriBuilder(endpoint);
        var path = address.Path.TrimEnd('/');
        if (protocol == OtlpProtocol.HttpProtobuf && !path.EndsWith("/" + MetricsPath, StringComparison.Ordinal))
        {
            address.Path = $"{path}/{MetricsPath}";
        }

        return address.Uri;
    }

    private static ResourceBuilder ResourceOf(RankIdentity identity)
    {
        var version = typeof(TelemetryPipeline).Assembly.GetName().Version!.ToString(3);
        var instance = string.Create(CultureInfo.InvariantCulture, $"{identity.RunName}/{identity.Rank}");
        return ResourceBuilder.CreateDefault()
            .AddService("kvshift", serviceVersion: version, serviceInstanceId: instance)
            .AddAttributes(new Dictionary<string, object>
            {
                ["kvshift.run.name"] = identity.RunName,
                ["kvshift.rank"] = (long)identity.Rank,
                ["kvshift.rank_count"] = (long)identity.RankCount,
                ["kvshift.data_index"] = (long)identity.DataIndex,
                ["kvshift.tensor_index"] = (long)identity.TensorIndex,
                ["host.name"] = identity.Host,
            });
    }
}
