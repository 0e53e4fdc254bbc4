using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>Why a collector did not take metrics, in words of its own for each cause.</summary>
/// <param name="Cause">The cause; one that has been told is not told again.</param>
/// <param name="What">What was found.</param>
/// <param name="Remedy">What to do.</param>
internal sealed record CollectorFault(string Cause, string What, string Remedy)
{
    // Of https://github.com/grpc/grpc/blob/master/doc/statuscodes.md.
    private const int Ok = 0;
    private const int InvalidArgument = 3;
    private const int DeadlineExceeded = 4;
    private const int PermissionDenied = 7;
    private const int ResourceExhausted = 8;
    private const int Unimplemented = 12;
    private const int Unavailable = 14;
    private const int Unauthenticated = 16;

    private const int LongestQuote = 200;

    /// <summary>What kept a request from being answered.</summary>
    /// <param name="error">What HTTP has thrown.</param>
    /// <param name="settings">How was exported.</param>
    public static CollectorFault Of(Exception error, TelemetrySettings settings)
    {
        var request = error as HttpRequestException;
        var reason = Innermost(error).Message.TrimEnd('.');
        var host = settings.Endpoint!.Host;
        var isTls = settings.Endpoint.Scheme == Uri.UriSchemeHttps;
        return error switch
        {
            OperationCanceledException or TimeoutException => new("timeout",
                string.Create(CultureInfo.InvariantCulture, $"the collector did not answer within {settings.Timeout.TotalSeconds:0.###} s"),
                "See whether it is overloaded or a firewall swallows what is sent to it; OTEL_EXPORTER_OTLP_TIMEOUT, in milliseconds, gives it "
                + "more time"),
            _ when request?.HttpRequestError == HttpRequestError.NameResolutionError => new("name",
                $"no address is known for the name {host} ({reason})",
                "Correct the name in telemetry.otlp_endpoint, or the resolver of this machine"),
            _ when request?.HttpRequestError == HttpRequestError.SecureConnectionError || Innermost(error) is AuthenticationException
                => new("tls", $"there was no secure connection ({reason})",
                "Where the collector's certificate is signed by an authority of your own, name its file in OTEL_EXPORTER_OTLP_CERTIFICATE; "
                + "where it speaks no TLS, write http:// in telemetry.otlp_endpoint"),
            // Who listens there hangs up on what it does not understand; whether the end of its answer comes before that, only time decides.
            _ when Innermost(error) is SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.Shutdown } => WrongProtocol(settings, isTls, reason),
            _ when request?.HttpRequestError == HttpRequestError.ConnectionError || Innermost(error) is SocketException => new("connection",
                $"nobody takes the connection ({reason})", "Start the collector, or correct telemetry.otlp_endpoint"),
            _ when request?.HttpRequestError == HttpRequestError.ProxyTunnelError => new("proxy",
                $"the proxy does not let the connection through ({reason})", $"Add {host} to NO_PROXY, or mend the proxy"),
            _ when request?.HttpRequestError is HttpRequestError.InvalidResponse or HttpRequestError.HttpProtocolError
                or HttpRequestError.ResponseEnded or HttpRequestError.VersionNegotiationError => WrongProtocol(settings, isTls, reason),
            _ => new("other", $"the export failed ({error.GetType().Name}: {reason})",
                "Check telemetry.otlp_endpoint and telemetry.otlp_protocol"),
        };
    }

    /// <summary>What is wrong with an answer; null where nothing is.</summary>
    /// <param name="answer">The answer, its body in memory.</param>
    /// <param name="body">That body.</param>
    /// <param name="settings">How was exported.</param>
    public static CollectorFault? Of(HttpResponseMessage answer, byte[] body, TelemetrySettings settings)
    {
        var status = (int)answer.StatusCode;
        if (status is >= 300 and < 400)
        {
            var target = answer.Headers.Location is { } location
                ? AddressSecrets.MaskAddress(new Uri(settings.Endpoint!, location).AbsoluteUri) : "another address";
            return new("redirect", $"the address answers with {status} and points to {target}",
                "Write that address in telemetry.otlp_endpoint, if it is the collector's");
        }

        var type = answer.Content.Headers.ContentType?.MediaType ?? "";
        if (status is >= 200 and < 300)
        {
            return type == "text/html" ? NoCollector(status)
                : settings.Protocol == OtlpProtocol.Grpc ? OfGrpc(answer, body)
                : Partial(body);
        }

        // Without a type it may be a server's own sentence.
        var isText = type is "text/plain" or "" || type.EndsWith("json", StringComparison.Ordinal);
        var said = isText ? Quote(Encoding.UTF8.GetString(body)) : "";
        return answer.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.ProxyAuthenticationRequired => Unauthorized($"{status}", said),
            HttpStatusCode.Forbidden => Forbidden($"{status}", said),
            HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed or HttpStatusCode.Gone => new("path",
                $"there is nothing to post metrics to at this address (status {status}{said})",
                settings.Protocol == OtlpProtocol.Grpc
                    ? "A collector over HTTP wants telemetry.otlp_protocol: http_protobuf; otherwise correct telemetry.otlp_endpoint"
                    : "telemetry.otlp_endpoint takes the collector's address, with the path before /v1/metrics where it has one; the path is added "
                        + "to it. An address that needs no addition goes into OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
            HttpStatusCode.UnsupportedMediaType or HttpStatusCode.HttpVersionNotSupported or HttpStatusCode.UpgradeRequired
                or HttpStatusCode.NotAcceptable => WrongProtocol(settings, settings.Endpoint!.Scheme == Uri.UriSchemeHttps, $"status {status}{said}"),
            // What servers of gRPC answer to HTTP/1.1, where they answer at all.
            HttpStatusCode.BadRequest when said.Contains("HTTP/2", StringComparison.Ordinal)
                => WrongProtocol(settings, settings.Endpoint!.Scheme == Uri.UriSchemeHttps, $"status {status}{said}"),
            HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableContent => Refused($"status {status}{said}"),
            HttpStatusCode.RequestEntityTooLarge => new("size", $"the metrics are too large for it (status {status}{said})",
                "Raise its limit of a request, or set OTEL_EXPORTER_OTLP_COMPRESSION=gzip"),
            HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable
                or HttpStatusCode.GatewayTimeout => Busy($"status {status}{said}"),
            _ => new($"status-{status}", $"the collector answers with status {status}{said}", "Look into the collector's own log"),
        };
    }

    /// <summary>The fault as a sentence for a person.</summary>
    /// <param name="endpoint">Address of the collector, without secrets.</param>
    public string Describe(string endpoint)
        => $"telemetry: the collector at {endpoint} does not accept metrics: {What}; training goes on without exporting them. {Remedy}.";

    // A status other than 0 stands in the headers of an answer without a body, else behind the body.
    private static CollectorFault? OfGrpc(HttpResponseMessage answer, byte[] body)
    {
        if (!(answer.Headers.TryGetValues("grpc-status", out var values) || answer.TrailingHeaders.TryGetValues("grpc-status", out values))
            || !int.TryParse(values.FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var status))
        {
            return NoCollector((int)answer.StatusCode);
        }

        var hasMessage = answer.Headers.TryGetValues("grpc-message", out var texts)
            || answer.TrailingHeaders.TryGetValues("grpc-message", out texts);
        var message = hasMessage
            ? Quote(Uri.UnescapeDataString(texts!.FirstOrDefault() ?? "")) : "";
        var shown = string.Create(CultureInfo.InvariantCulture, $"gRPC status {status}{message}");
        return status switch
        {
            // A message of gRPC has a flag and its length before it.
            Ok => body.Length > 5 ? Partial(body.AsSpan(5)) : null,
            Unauthenticated => Unauthorized($"gRPC {status}", message),
            PermissionDenied => Forbidden($"gRPC {status}", message),
            Unimplemented => new("path", $"the server has no service for metrics ({shown})",
                "Check that telemetry.otlp_endpoint is a collector's, and that metrics are switched on in it"),
            InvalidArgument => Refused(shown),
            DeadlineExceeded => new("timeout", $"the collector ran out of time ({shown})", "See whether it is overloaded"),
            ResourceExhausted or Unavailable => Busy(shown),
            _ => new($"grpc-{status}", $"the collector answers with {shown}", "Look into the collector's own log"),
        };
    }

    private static CollectorFault? Partial(ReadOnlySpan<byte> body)
        => PartialSuccess.Read(body) is { RejectedPoints: > 0 } partial ? new("partial",
            string.Create(CultureInfo.InvariantCulture, $"it has thrown away {partial.RejectedPoints} values of an export{Quote(partial.Message)}"),
            "Where it takes no exponential histograms, set OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=explicit_bucket_histogram; "
            + "where it wants changes instead of totals, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta") : null;

    private static CollectorFault Unauthorized(string status, string said) => new("unauthorized",
        $"it wants credentials, or others than it was given ({status}{said})",
        "Put user and password into telemetry.otlp_endpoint (https://USER:PASSWORD@HOST), or the header into OTEL_EXPORTER_OTLP_HEADERS "
        + "(authorization=Bearer%20TOKEN)");

    private static CollectorFault Forbidden(string status, string said) => new("forbidden",
        $"it knows the credentials and does not let them write ({status}{said})",
        "Give this user or token the right to write metrics, or use another");

    private static CollectorFault Refused(string reason) => new("refused", $"it does not understand what it is sent ({reason})",
        "Check that telemetry.otlp_endpoint is an OTLP receiver, and that telemetry.otlp_protocol is the one that it speaks");

    private static CollectorFault Busy(string reason) => new("busy", $"it is overloaded or not ready ({reason})",
        "What it missed of totals is in the next export that it takes; give it more room, or raise telemetry.export_interval_seconds");

    private static CollectorFault NoCollector(int status) => new("no-collector",
        string.Create(CultureInfo.InvariantCulture, $"what answers there (status {status}) is no receiver of OTLP"),
        "Correct telemetry.otlp_endpoint: host, port and path");

    private static CollectorFault WrongProtocol(TelemetrySettings settings, bool isTls, string reason)
        => new("protocol", $"it does not speak {(settings.Protocol == OtlpProtocol.Grpc ? "gRPC" : "OTLP over HTTP")} there ({reason})",
            (settings.Protocol == OtlpProtocol.Grpc
                ? "Set telemetry.otlp_protocol: http_protobuf, or use the collector's port for gRPC, usually 4317"
                : "Set telemetry.otlp_protocol: grpc, or use the collector's port for HTTP, usually 4318")
            + (isTls ? "" : "; where it wants TLS, write https:// in telemetry.otlp_endpoint"));

    private static string Quote(string text)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length == 0 ? "" : $": {AddressSecrets.MaskText(line.Length > LongestQuote ? line[..LongestQuote] + "..." : line)}";
    }

    private static Exception Innermost(Exception error)
    {
        while (error.InnerException is { } inner)
        {
            error = inner;
        }

        return error;
    }
}
