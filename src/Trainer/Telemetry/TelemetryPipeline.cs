using System.Diagnostics.Metrics;
using System.Globalization;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// Exports what <see cref="TrainingMeter"/> measures to an OpenTelemetry collector, from a thread of its own. A collector that is
/// away costs training nothing: one warning for each cause, and at most <see cref="ShutdownMilliseconds"/> at the end.
/// </summary>
internal sealed class TelemetryPipeline : IDisposable
{
    /// <summary>Bound on the last export and on closing, in milliseconds.</summary>
    public const int ShutdownMilliseconds = 5_000;

    // From a millisecond to a day and more, twenty to each power of ten: a quantile is within a tenth of the truth.
    private const int BoundsPerDecade = 20;
    private const int FirstDecade = -3;
    private const int LastDecade = 5;

    private const string InstanceKey = "service.instance.id";
    private const string OwnPrefix = "kvshift.";

    private readonly MeterProvider? _provider;

    private TelemetryPipeline(MeterProvider? provider) => _provider = provider;

    /// <summary>Whether metrics leave this process.</summary>
    public bool IsExporting => _provider is not null;

    /// <summary>Starts the export, or nothing at all where nothing is to be exported.</summary>
    /// <param name="settings">Where to and how often.</param>
    /// <param name="identity">Labels of this process.</param>
    /// <param name="warn">Told once for each cause, from another thread, when the collector does not take the metrics.</param>
    public static TelemetryPipeline Start(TelemetrySettings settings, RankIdentity identity, Action<string> warn)
    {
        if (settings.Endpoint is null)
        {
            return new TelemetryPipeline(null);
        }

        var reader = new PeriodicExportingMetricReader(ReportingMetricExporter.Create(settings, warn), (int)Math.Round(settings.Interval.TotalMilliseconds),
            (int)settings.ExportTimeout.TotalMilliseconds)
        {
            TemporalityPreference = settings.Temporality,
        };
        var provider = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(ResourceOf(identity, settings))
            .AddMeter(TrainingMeter.MeterName)
            .AddView(instrument => instrument is Histogram<double> ? BucketsOf(settings) : null)
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

    private static MetricStreamConfiguration BucketsOf(TelemetrySettings settings) => settings.HasFixedBuckets
        ? new ExplicitBucketHistogramConfiguration
        {
            Boundaries = [.. Enumerable.Range(0, ((LastDecade - FirstDecade) * BoundsPerDecade) + 1)
                .Select(place => Math.Pow(10, FirstDecade + ((double)place / BoundsPerDecade)))],
        }
        : new Base2ExponentialBucketHistogramConfiguration();

    // What the environment says about the process goes before what the program knows, but for what only the program can know.
    private static ResourceBuilder ResourceOf(RankIdentity identity, TelemetrySettings settings)
    {
        var attributes = new Dictionary<string, object>
        {
            ["service.name"] = settings.ServiceName,
            ["service.version"] = typeof(TelemetryPipeline).Assembly.GetName().Version!.ToString(3),
            [InstanceKey] = identity.InstanceId,
            ["host.name"] = identity.Host,
        };
        foreach (var (name, value) in settings.Attributes.Where(pair => !pair.Name.StartsWith(OwnPrefix, StringComparison.Ordinal)))
        {
            // The ranks of a launch have one environment, and none of them may pass for another.
            attributes[name] = name == InstanceKey && identity.RankCount > 1
                ? string.Create(CultureInfo.InvariantCulture, $"{value}/{identity.Rank}") : value;
        }

        attributes["process.pid"] = (long)identity.ProcessId;
        attributes["kvshift.run.name"] = identity.RunName;
        attributes["kvshift.run.id"] = identity.RunId;
        attributes["kvshift.rank"] = (long)identity.Rank;
        attributes["kvshift.rank_count"] = (long)identity.RankCount;
        attributes["kvshift.data_index"] = (long)identity.DataIndex;
        attributes["kvshift.context_index"] = (long)identity.ContextIndex;
        attributes["kvshift.tensor_index"] = (long)identity.TensorIndex;
        attributes["kvshift.pipeline_index"] = (long)identity.PipelineIndex;
        if (identity.SlurmJob is { } job)
        {
            attributes["kvshift.slurm.job_id"] = job;
        }

        return ResourceBuilder.CreateEmpty().AddTelemetrySdk().AddAttributes(attributes);
    }
}
