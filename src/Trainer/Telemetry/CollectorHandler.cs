using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// Requests to a collector on their way: adds headers, and tells what became of each, which the SDK keeps to itself.
/// </summary>
internal sealed class CollectorHandler : DelegatingHandler
{
    private readonly TelemetrySettings _settings;
    private readonly Action<CollectorFault> _tell;

    /// <param name="settings">How is exported.</param>
    /// <param name="tell">Told, from the thread that exports, why a request has failed.</param>
    public CollectorHandler(TelemetrySettings settings, Action<CollectorFault> tell)
        : base(Connections(settings))
    {
        _settings = settings;
        _tell = tell;
    }

    /// <inheritdoc/>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        AddHeaders(request);
        try
        {
            var answer = base.Send(request, cancellationToken);
            using var content = answer.Content.ReadAsStream(cancellationToken);
            using var body = new MemoryStream();
            content.CopyTo(body);
            return Look(answer, body.ToArray());
        }
        catch (Exception error) when (IsOfTheWay(error))
        {
            _tell(CollectorFault.Of(error, _settings));
            throw;
        }
    }

    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        AddHeaders(request);
        try
        {
            var answer = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            return Look(answer, await answer.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false));
        }
        catch (Exception error) when (IsOfTheWay(error))
        {
            _tell(CollectorFault.Of(error, _settings));
            throw;
        }
    }

    private static SocketsHttpHandler Connections(TelemetrySettings settings)
    {
        // A redirected POST becomes a GET, and what is an answer then says nothing.
        var connections = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = settings.Timeout };
        var tls = connections.SslOptions;
        if (settings.ClientCertificate is { } own)
        {
            tls.ClientCertificateContext = SslStreamCertificateContext.Create(own, additionalCertificates: null);
        }

        if (settings.Authorities is { } authorities)
        {
            tls.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            tls.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }

        return connections;
    }

    private static bool IsOfTheWay(Exception error) => error is HttpRequestException or OperationCanceledException or IOException;

    private void AddHeaders(HttpRequestMessage request)
    {
        foreach (var (name, value) in _settings.Headers)
        {
            request.Headers.Remove(name);
            request.Headers.TryAddWithoutValidation(name, value);
        }
    }

    // Hands the answer on with a body that can be read again.
    private HttpResponseMessage Look(HttpResponseMessage answer, byte[] body)
    {
        if (CollectorFault.Of(answer, body, _settings) is { } fault)
        {
            _tell(fault);
        }

        var copy = new ByteArrayContent(body);
        foreach (var (name, values) in answer.Content.Headers)
        {
            copy.Headers.TryAddWithoutValidation(name, values);
        }

        answer.Content = copy;
        return answer;
    }
}
