using System.Globalization;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace KvShiftScale.Trainer.Launch;

/// <summary>
/// What the variables of the OpenTelemetry specification say about metrics and their export by OTLP. A variable of the metrics' own
/// (<c>OTEL_EXPORTER_OTLP_METRICS_...</c>) goes before the one of all signals; an empty one counts as not set, and one whose value has no
/// meaning is left aside with a notice, as the specification wants it.
/// </summary>
internal sealed record TelemetryEnvironment
{
    private const string Prefix = "OTEL_EXPORTER_OTLP_";
    private const int LongestMilliseconds = 86_400_000;

    /// <summary>No variable says anything.</summary>
    public static TelemetryEnvironment Empty { get; } = new();

    /// <summary><c>OTEL_SDK_DISABLED=true</c> or <c>OTEL_METRICS_EXPORTER=none</c>, as it stands there; null where neither does.</summary>
    public string? DisabledBy { get; private init; }

    /// <summary><c>OTEL_METRICS_EXPORTER=otlp</c>: export is wanted, to the usual address where no other is given.</summary>
    public bool WantsOtlp { get; private init; }

    /// <summary>Address of the collector, secrets included.</summary>
    public string? Endpoint { get; private init; }

    /// <summary><see cref="Endpoint"/> is the metrics' own, to be used as it is; to the other the signal's path is added.</summary>
    public bool EndpointIsWhole { get; private init; }

    /// <summary>How metrics travel.</summary>
    public OtlpProtocol? Protocol { get; private init; }

    /// <summary>Headers of each request, or its metadata over gRPC; names in lower case.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; private init; } = [];

    /// <summary>Longest time of a request.</summary>
    public TimeSpan? Timeout { get; private init; }

    /// <summary>How requests are compressed.</summary>
    public OtlpExportCompression? Compression { get; private init; }

    /// <summary>PEM file of the authorities that sign the collector's certificate.</summary>
    public string? CertificatePath { get; private init; }

    /// <summary>PEM file of this process's own certificate.</summary>
    public string? ClientCertificatePath { get; private init; }

    /// <summary>PEM file of its key.</summary>
    public string? ClientKeyPath { get; private init; }

    /// <summary>Whether counters count from the start or since the export before.</summary>
    public MetricReaderTemporalityPreference? Temporality { get; private init; }

    /// <summary>Histograms have fixed bounds (true) or exponential ones (false).</summary>
    public bool? HasFixedBuckets { get; private init; }

    /// <summary>Time between exports.</summary>
    public TimeSpan? ExportInterval { get; private init; }

    /// <summary>Longest time of an export.</summary>
    public TimeSpan? ExportTimeout { get; private init; }

    /// <summary>Name of the service.</summary>
    public string? ServiceName { get; private init; }

    /// <summary>Attributes of this process.</summary>
    public IReadOnlyList<(string Name, string Value)> Attributes { get; private init; } = [];

    /// <summary>Number of the batch job that this process belongs to, as Slurm tells it.</summary>
    public string? SlurmJob { get; private init; }

    /// <summary>What a person should know about variables that have no meaning; without secrets.</summary>
    public IReadOnlyList<string> Notices { get; private init; } = [];

    /// <summary>Reads the variables.</summary>
    /// <param name="variable">Value of an environment variable, or null.</param>
    public static TelemetryEnvironment Read(Func<string, string?> variable) => new Reader(variable).Read();

    private sealed class Reader(Func<string, string?> variable)
    {
        private readonly List<string> _notices = [];

        public TelemetryEnvironment Read()
        {
            var exporters = Text("OTEL_METRICS_EXPORTER")?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
            foreach (var unknown in exporters.Where(name => name is not ("otlp" or "none")))
            {
                _notices.Add($"OTEL_METRICS_EXPORTER={unknown} is not known here and counts as not set; otlp and none are");
            }

            var protocol = Otlp("PROTOCOL", Protocols, ("grpc", OtlpProtocol.Grpc), ("http/protobuf", OtlpProtocol.HttpProtobuf));
            var own = Text(Prefix + "METRICS_ENDPOINT");
            return new TelemetryEnvironment
            {
                DisabledBy = IsTrue("OTEL_SDK_DISABLED") ? "OTEL_SDK_DISABLED=true" : exporters is ["none"] ? "OTEL_METRICS_EXPORTER=none" : null,
                WantsOtlp = exporters.Contains("otlp"),
                Endpoint = Address(own is null ? Prefix + "ENDPOINT" : Prefix + "METRICS_ENDPOINT", own ?? Text(Prefix + "ENDPOINT"), protocol),
                EndpointIsWhole = own is not null,
                Protocol = protocol,
                Headers = Pairs(NameOf("HEADERS"), lowersNames: true),
                Timeout = Milliseconds(NameOf("TIMEOUT")),
                Compression = Otlp("COMPRESSION", "gzip and none", ("gzip", OtlpExportCompression.GZip), ("none", OtlpExportCompression.None)),
                CertificatePath = Text(NameOf("CERTIFICATE")),
                ClientCertificatePath = Text(NameOf("CLIENT_CERTIFICATE")),
                ClientKeyPath = Text(NameOf("CLIENT_KEY")),
                Temporality = Choice(Prefix + "METRICS_TEMPORALITY_PREFERENCE", "cumulative, delta and lowmemory",
                    ("cumulative", MetricReaderTemporalityPreference.Cumulative), ("delta", MetricReaderTemporalityPreference.Delta),
                    ("lowmemory", MetricReaderTemporalityPreference.LowMemory)),
                HasFixedBuckets = Choice(Prefix + "METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram and base2_exponential_bucket_histogram",
                    ("explicit_bucket_histogram", true), ("base2_exponential_bucket_histogram", false)),
                ExportInterval = Milliseconds("OTEL_METRIC_EXPORT_INTERVAL"),
                ExportTimeout = Milliseconds("OTEL_METRIC_EXPORT_TIMEOUT"),
                ServiceName = Text("OTEL_SERVICE_NAME"),
                Attributes = Pairs("OTEL_RESOURCE_ATTRIBUTES", lowersNames: false),
                SlurmJob = Text("SLURM_JOB_ID"),
                Notices = _notices,
            };
        }

        private const string Protocols = "grpc and http/protobuf";

        private string? Text(string name) => variable(name)?.Trim() is { Length: > 0 } value ? value : null;

        // The metrics' own variable where it is set.
        private string NameOf(string what) => Text($"{Prefix}METRICS_{what}") is null ? Prefix + what : $"{Prefix}METRICS_{what}";

        private bool IsTrue(string name)
        {
            var value = Text(name);
            if (value is not null && !bool.TryParse(value, out _))
            {
                _notices.Add($"{name}={value} counts as false; true and false have a meaning");
            }

            return bool.TryParse(value, out var isTrue) && isTrue;
        }

        private T? Otlp<T>(string what, string known, params ReadOnlySpan<(string Text, T Value)> choices)
            where T : struct
            => Choice(NameOf(what), known, choices);

        private T? Choice<T>(string name, string known, params ReadOnlySpan<(string Text, T Value)> choices)
            where T : struct
        {
            if (Text(name) is not { } found)
            {
                return null;
            }

            foreach (var (text, value) in choices)
            {
                if (string.Equals(text, found, StringComparison.OrdinalIgnoreCase))
                {
                    return value;
                }
            }

            _notices.Add($"{name}={found} is not known here and counts as not set; {known} are");
            return null;
        }

        private TimeSpan? Milliseconds(string name)
        {
            if (Text(name) is not { } text)
            {
                return null;
            }

            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= LongestMilliseconds)
            {
                return TimeSpan.FromMilliseconds(number);
            }

            _notices.Add(FormattableString.Invariant(
                $"{name}={text} counts as not set; wanted a whole number of milliseconds from 1 to {LongestMilliseconds}"));
            return null;
        }

        // Over gRPC an address may come without a scheme, which OTEL_EXPORTER_OTLP_INSECURE then decides.
        private string? Address(string name, string? text, OtlpProtocol? protocol)
        {
            if (text is null)
            {
                return null;
            }

            var whole = text.Contains("://", StringComparison.Ordinal) || protocol != OtlpProtocol.Grpc ? text
                : (IsTrue(NameOf("INSECURE")) ? "http://" : "https://") + text;
            if (Uri.TryCreate(whole, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")
            {
                return whole;
            }

            _notices.Add($"{name}={AddressSecrets.MaskValue(name, text)} counts as not set; wanted an http or https address such as "
                + "http://localhost:4318");
            return null;
        }

        // Percent-encoded pairs with commas between them. What is no pair may be a secret, so it is not shown.
        private List<(string Name, string Value)> Pairs(string name, bool lowersNames)
        {
            var pairs = new List<(string Name, string Value)>();
            foreach (var part in Text(name)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [])
            {
                var equals = part.IndexOf('=', StringComparison.Ordinal);
                var key = equals > 0 ? Uri.UnescapeDataString(part[..equals].Trim()) : "";
                var value = Uri.UnescapeDataString(part[(equals + 1)..].Trim());
                if (key.Length == 0 || key.Any(char.IsWhiteSpace) || value.Any(char.IsControl))
                {
                    _notices.Add($"an entry of {name} is left out; wanted name=value, percent-encoded, with commas between entries");
                    continue;
                }

                key = lowersNames ? key.ToLowerInvariant() : key;
                pairs.RemoveAll(pair => pair.Name == key);
                pairs.Add((key, value));
            }

            return pairs;
        }
    }
}
