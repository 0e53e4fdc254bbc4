using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using Google.Protobuf;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>An OpenTelemetry collector on this machine: takes metrics over HTTP and remembers them.</summary>
internal sealed class OtlpReceiver : IDisposable
{
    private readonly HttpListener _listener;
    private readonly Thread _thread;
    private readonly Func<HttpListenerRequest, CollectorAnswer> _answer;

    /// <param name="answer">What requests are answered with; what is not answered with 200 is not remembered. Null: 200.</param>
    public OtlpReceiver(Func<HttpListenerRequest, CollectorAnswer>? answer = null)
    {
        _answer = answer ?? (_ => CollectorAnswer.Taken);
        (_listener, Endpoint) = Listen();
        _thread = new Thread(Receive) { IsBackground = true };
        _thread.Start();
    }

    public string Endpoint { get; }

    /// <summary>Path and content type of each request.</summary>
    public ConcurrentQueue<(string Path, string? ContentType)> Requests { get; } = [];

    /// <summary>Address with query, and headers, of each request.</summary>
    public ConcurrentQueue<(string Address, IReadOnlyDictionary<string, string> Headers)> Heads { get; } = [];

    /// <summary>What was sent.</summary>
    public OtlpMetrics Metrics { get; } = new();

    public void Dispose()
    {
        _listener.Stop();
        _thread.Join();
        _listener.Close();
    }

    // It takes no port of the system's choice, and somebody else may have got the one that was free a moment before.
    private static (HttpListener Listener, string Endpoint) Listen()
    {
        for (var patience = 10; ; patience--)
        {
            string endpoint;
            using (var free = new RefusingPort())
            {
                endpoint = free.Endpoint;
            }

            var listener = new HttpListener();
            try
            {
                listener.Prefixes.Add(endpoint + "/");
                listener.Start();
                return (listener, endpoint);
            }
            catch (HttpListenerException) when (patience > 0)
            {
                ((IDisposable)listener).Dispose();
            }
        }
    }

    private void Receive()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = _listener.GetContext();
            }
            catch (Exception ended) when (ended is HttpListenerException or InvalidOperationException)
            {
                return;
            }

            var request = context.Request;
            Requests.Enqueue((request.Url!.AbsolutePath, request.ContentType));
            Heads.Enqueue((request.RawUrl!, request.Headers.AllKeys.ToDictionary(key => key!.ToLowerInvariant(), key => request.Headers[key]!)));
            using var unzipped = request.Headers["Content-Encoding"] == "gzip"
                ? new GZipStream(request.InputStream, CompressionMode.Decompress) : request.InputStream;
            var content = ByteString.FromStream(unzipped);
            var answer = _answer(request);
            if (answer.Status == 200)
            {
                Metrics.Read(new ProtobufMessage(content));
            }

            try
            {
                context.Response.StatusCode = answer.Status;
                context.Response.ContentType = answer.ContentType;
                if (answer.Location is { } location)
                {
                    context.Response.RedirectLocation = location;
                }

                context.Response.OutputStream.Write(answer.Body);
                context.Response.Close();
            }
            catch (Exception gone) when (gone is HttpListenerException or IOException)
            {
                // Who asked has not waited.
            }
        }
    }
}

/// <summary>What a collector answers.</summary>
internal sealed record CollectorAnswer(int Status, string ContentType, byte[] Body, string? Location = null)
{
    public static CollectorAnswer Taken { get; } = new(200, "application/x-protobuf", []);

    public static CollectorAnswer Text(int status, string text) => new(status, "text/plain", System.Text.Encoding.UTF8.GetBytes(text));
}
