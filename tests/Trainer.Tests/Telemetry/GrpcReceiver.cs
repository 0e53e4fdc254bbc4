using System.Collections.Concurrent;
using System.IO.Compression;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>An OpenTelemetry collector on this machine that takes metrics over gRPC, without TLS.</summary>
internal sealed class GrpcReceiver : IDisposable
{
    private readonly WebApplication _server;

    /// <param name="status">gRPC status of every answer; what is not answered with 0 is not remembered.</param>
    /// <param name="message">Message of that status.</param>
    public GrpcReceiver(int status = 0, string message = "")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options => options.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        _server = builder.Build();
        _server.Run(context => Answer(context, status, message));
        _server.StartAsync().GetAwaiter().GetResult();
    }

    public string Endpoint => _server.Urls.Single();

    /// <summary>Path, and metadata that was sent, of each call.</summary>
    public ConcurrentQueue<(string Path, IReadOnlyDictionary<string, string> Headers)> Calls { get; } = [];

    /// <summary>What was sent.</summary>
    public OtlpMetrics Metrics { get; } = new();

    public void Dispose()
    {
        _server.StopAsync().GetAwaiter().GetResult();
        ((IDisposable)_server).Dispose();
    }

    private async Task Answer(HttpContext context, int status, string message)
    {
        Calls.Enqueue((context.Request.Path, context.Request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString())));
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        if (status == 0)
        {
            // A flag that says whether the message is compressed, its length in four bytes, the message.
            var frame = body.ToArray();
            using var content = new MemoryStream(frame, 5, frame.Length - 5);
            using Stream unzipped = frame[0] == 1 ? new GZipStream(content, CompressionMode.Decompress) : content;
            Metrics.Read(new ProtobufMessage(ByteString.FromStream(unzipped)));
        }

        context.Response.ContentType = "application/grpc";
        if (status == 0)
        {
            await context.Response.Body.WriteAsync(new byte[5]);
        }

        context.Response.AppendTrailer("grpc-status", $"{status}");
        if (message.Length > 0)
        {
            context.Response.AppendTrailer("grpc-message", Uri.EscapeDataString(message));
        }
    }
}
