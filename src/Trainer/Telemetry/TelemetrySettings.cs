using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;
using KvShiftScale.Trainer.Launch;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// How this process exports metrics: the configuration where it says something, else the variables of the OpenTelemetry specification, else
/// defaults.
/// </summary>
internal sealed record TelemetrySettings
{
    private const string MetricsPath = "v1/metrics";
    private const string Authorization = "authorization";
    private const string Key = "telemetry.otlp_endpoint";

    /// <summary>Where to post to, without user and password; null where nothing is exported.</summary>
    public Uri? Endpoint { get; private init; }

    /// <summary><see cref="Endpoint"/> as it may be shown.</summary>
    public string ShownEndpoint => Endpoint is null ? "" : AddressSecrets.MaskAddress(Endpoint.AbsoluteUri);

    /// <summary>How metrics travel.</summary>
    public OtlpProtocol Protocol { get; private init; }

    /// <summary>Headers of each request, credentials among them.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; private init; } = [];

    /// <summary>Longest time of a request.</summary>
    public TimeSpan Timeout { get; private init; } = TimeSpan.FromSeconds(3);

    /// <summary>How requests are compressed.</summary>
    public OtlpExportCompression Compression { get; private init; }

    /// <summary>Authorities of which one has to have signed the collector's certificate; null for those of the system.</summary>
    public X509Certificate2Collection? Authorities { get; private init; }

    /// <summary>This process's own certificate with its key; null where it shows none.</summary>
    public X509Certificate2? ClientCertificate { get; private init; }

    /// <summary>Whether counters count from the start or since the export before.</summary>
    public MetricReaderTemporalityPreference Temporality { get; private init; } = MetricReaderTemporalityPreference.Cumulative;

    /// <summary>Histograms have fixed bounds; otherwise exponential ones.</summary>
    public bool HasFixedBuckets { get; private init; }

    /// <summary>Time between exports.</summary>
    public TimeSpan Interval { get; private init; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest time of an export.</summary>
    public TimeSpan ExportTimeout { get; private init; } = TimeSpan.FromSeconds(3);

    /// <summary>Name of the service.</summary>
    public string ServiceName { get; private init; } = "kvshift";

    /// <summary>Attributes of this process that the environment gives it.</summary>
    public IReadOnlyList<(string Name, string Value)> Attributes { get; private init; } = [];

    /// <summary>What a person should know, such as variables without a meaning; no secrets.</summary>
    public IReadOnlyList<string> Notices { get; private init; } = [];

    /// <summary>Puts together what configuration and environment say.</summary>
    /// <exception cref="ConfigException">
    /// The configured address is one of a run's <c>config.yaml</c>, and nothing says what was masked in it.
    /// </exception>
    /// <exception cref="UsageException">A file of certificates that a variable names cannot be read.</exception>
    public static TelemetrySettings Resolve(TelemetrySection section, TelemetryEnvironment environment)
    {
        var notices = environment.Notices.ToList();
        var protocol = section.OtlpProtocol ?? environment.Protocol ?? OtlpProtocol.HttpProtobuf;
        if (environment.DisabledBy is { } variable)
        {
            if (section.OtlpEndpoint is not null)
            {
                notices.Add($"{variable}, so nothing is exported to {AddressSecrets.MaskAddress(section.OtlpEndpoint)}");
            }

            return new TelemetrySettings { Notices = notices };
        }

        var (address, isWhole) = AddressOf(section, environment, protocol);
        if (address is null)
        {
            return new TelemetrySettings { Notices = notices };
        }

        var timeout = environment.Timeout ?? TimeSpan.FromSeconds(3);
        return new TelemetrySettings
        {
            Endpoint = EndpointOf(address, protocol, isWhole),
            Protocol = protocol,
            Headers = HeadersOf(address, environment, addressGoesFirst: section.OtlpEndpoint is not null),
            Timeout = timeout,
            Compression = environment.Compression ?? OtlpExportCompression.None,
            Authorities = environment.CertificatePath is null ? null : ReadAuthorities(environment.CertificatePath),
            ClientCertificate = environment.ClientCertificatePath is null ? null : ReadClient(environment.ClientCertificatePath, environment.ClientKeyPath),
            Temporality = environment.Temporality ?? MetricReaderTemporalityPreference.Cumulative,
            HasFixedBuckets = environment.HasFixedBuckets ?? false,
            Interval = section.ExportIntervalSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : environment.ExportInterval ?? TimeSpan.FromSeconds(10),
            ExportTimeout = environment.ExportTimeout ?? timeout,
            ServiceName = environment.ServiceName ?? environment.Attributes.FirstOrDefault(pair => pair.Name == "service.name").Value ?? "kvshift",
            Attributes = [.. environment.Attributes.Where(pair => pair.Name != "service.name")],
            Notices = notices,
        };
    }

    /// <summary>
    /// The address to post to: over HTTP, OTLP puts the signal's path behind the collector's address. User and password are left out.
    /// </summary>
    /// <param name="endpoint">The collector's address.</param>
    /// <param name="protocol">How metrics travel.</param>
    /// <param name="isWhole">The address is that of the signal already.</param>
    internal static Uri EndpointOf(string endpoint, OtlpProtocol protocol, bool isWhole = false)
    {
        var address = new UriBuilder(endpoint) { UserName = "", Password = "" };
        var path = address.Path.TrimEnd('/');
        if (!isWhole && protocol == OtlpProtocol.HttpProtobuf && !path.EndsWith("/" + MetricsPath, StringComparison.Ordinal))
        {
            address.Path = $"{path}/{MetricsPath}";
        }

        return address.Uri;
    }

    private static (string? Address, bool IsWhole) AddressOf(TelemetrySection section, TelemetryEnvironment environment, OtlpProtocol protocol)
    {
        if (section.OtlpEndpoint is not { } configured)
        {
            return environment.Endpoint is not null ? (environment.Endpoint, environment.EndpointIsWhole)
                : environment.WantsOtlp ? (protocol == OtlpProtocol.Grpc ? "http://localhost:4317" : "http://localhost:4318", false)
                : (null, false);
        }

        if (!AddressSecrets.IsMasked(configured))
        {
            return (configured, false);
        }

        // The address of a run's config.yaml, given again: the same one may stand in the environment with what was masked, or the
        // credentials alone.
        if (environment.Endpoint is { } told && AddressSecrets.MaskAddress(told) == configured)
        {
            return (told, environment.EndpointIsWhole);
        }

        if (!AddressSecrets.HasMaskedQuery(configured) && environment.Headers.Count > 0)
        {
            return (configured.Replace($"{AddressSecrets.Mask}@", "", StringComparison.Ordinal), false);
        }

        throw new ConfigException(new ConfigFault(Key, configured, $"has {AddressSecrets.Mask} where a user, a password or a token was: runs keep no secrets",
            $"give the address as it is, by --set {Key}=ADDRESS or in OTEL_EXPORTER_OTLP_ENDPOINT, put the credentials into OTEL_EXPORTER_OTLP_HEADERS, "
            + $"or export nothing with --set {Key}=null"));
    }

    // A header that the environment names is more to the point than the environment's address; the configuration goes before both.
    private static List<(string Name, string Value)> HeadersOf(string address, TelemetryEnvironment environment, bool addressGoesFirst)
    {
        var headers = environment.Headers.ToList();
        var user = new UriBuilder(address);
        if (user.UserName.Length == 0 && user.Password.Length == 0)
        {
            return headers;
        }

        if (headers.Any(header => header.Name == Authorization))
        {
            if (!addressGoesFirst)
            {
                return headers;
            }

            headers.RemoveAll(header => header.Name == Authorization);
        }

        var credentials = $"{Uri.UnescapeDataString(user.UserName)}:{Uri.UnescapeDataString(user.Password)}";
        headers.Add((Authorization, "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials))));
        return headers;
    }

    private static X509Certificate2Collection ReadAuthorities(string path) => ReadPem("OTEL_EXPORTER_OTLP_CERTIFICATE", path, () =>
    {
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(path);
        return authorities.Count > 0 ? authorities : throw new CryptographicException("it has no certificate");
    });

    private static X509Certificate2 ReadClient(string path, string? keyPath) => ReadPem("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path,
        () => X509Certificate2.CreateFromPemFile(path, keyPath));

    private static T ReadPem<T>(string variable, string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new UsageException($"found {variable}={path}, which cannot be read as PEM: {error.Message.TrimEnd('.')}; wanted a file of certificates, "
                + "and the key beside them in OTEL_EXPORTER_OTLP_CLIENT_KEY where it stands in a file of its own");
        }
    }
}
