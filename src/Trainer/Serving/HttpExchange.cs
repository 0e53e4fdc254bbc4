using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Serving;

/// <summary>
/// One request over HTTP/1.1 and its answer, after which the connection is closed. .NET's HttpListener fails where a client connects while it starts, and ASP.NET Core
/// is not on every machine that has .NET, so these are lines of text on a socket.
/// </summary>
internal sealed class HttpExchange : IDisposable
{
    private const int LongestLine = 16 << 10;
    private const int MostHeaders = 200;
    private const int LargestBody = 64 << 20;

    private readonly TcpClient _client;
    private readonly NetworkStream _network;
    private readonly BufferedStream _input;
    private readonly byte[] _byte = new byte[1];
    private bool _isAnswered;

    /// <param name="client">An accepted connection; closed with the exchange.</param>
    public HttpExchange(TcpClient client)
    {
        _client = client;
        _client.NoDelay = true;
        _network = client.GetStream();
        _input = new BufferedStream(_network, 64 << 10);
    }

    /// <summary>GET, POST and so on; known once the request has been read.</summary>
    public string Method { get; private set; } = "";

    /// <summary>The address without what follows a question mark.</summary>
    public string Path { get; private set; } = "";

    /// <summary>The request's body.</summary>
    public byte[] Body { get; private set; } = [];

    /// <summary>Reads the request.</summary>
    /// <exception cref="UsageException">It is no request of HTTP/1.1, or too large.</exception>
    /// <exception cref="IOException">The client has gone.</exception>
    public async Task ReadAsync(CancellationToken cancellation)
    {
        var first = (await LineAsync(cancellation).ConfigureAwait(false)).Split(' ');
        if (first is not [var method, ['/', ..] target, "HTTP/1.1" or "HTTP/1.0"])
        {
            throw new UsageException("found no request of HTTP/1.1; wanted for example GET /health HTTP/1.1");
        }

        (Method, Path) = (method, target.Split('?')[0]);
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (await LineAsync(cancellation).ConfigureAwait(false) is { Length: > 0 } line)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || headers.Count == MostHeaders)
            {
                throw new UsageException($"found the header line '{line[..Math.Min(80, line.Length)]}'; wanted at most {MostHeaders} of NAME: VALUE");
            }

            headers[line[..colon]] = line[(colon + 1)..].Trim();
        }

        if (headers.GetValueOrDefault("Expect") is { } expected && expected.Equals("100-continue", StringComparison.OrdinalIgnoreCase))
        {
            await _network.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), cancellation).ConfigureAwait(false);
        }

        using var body = new MemoryStream();
        if (headers.TryGetValue("Transfer-Encoding", out var coding))
        {
            if (!coding.Equals("chunked", StringComparison.OrdinalIgnoreCase))
            {
                throw new UsageException($"found Transfer-Encoding: {coding}; wanted chunked or a Content-Length");
            }

            await ReadChunksAsync(body, cancellation).ConfigureAwait(false);
        }
        else if (headers.TryGetValue("Content-Length", out var length))
        {
            await ReadPartAsync(body, SizeOf(length, NumberStyles.None), cancellation).ConfigureAwait(false);
        }

        Body = body.ToArray();
    }

    /// <summary>Answers with a whole body. Where an answer has begun, or the client has gone, nothing is done.</summary>
    public void Send(HttpStatusCode status, string contentType, byte[] body)
    {
        if (!_isAnswered)
        {
            TryWrite([.. Head(status, contentType, FormattableString.Invariant($"Content-Length: {body.Length}\r\n")), .. body]);
        }
    }

    /// <summary>Begins an answer whose body ends with the connection.</summary>
    /// <returns>Whether the client is there.</returns>
    public bool TryBegin(string contentType) => TryWrite(Head(HttpStatusCode.OK, contentType, "Cache-Control: no-cache\r\n"));

    /// <summary>Sends a part of the body at once.</summary>
    /// <returns>Whether the client is there.</returns>
    public bool TryWrite(ReadOnlySpan<byte> part)
    {
        _isAnswered = true;
        try
        {
            _network.Write(part);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        if (_client.Connected)
        {
            try
            {
                // The answer is complete; what the client may still send is not waited for.
                _client.Client.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // It has gone first.
            }
        }

        _client.Dispose();
    }

    private static byte[] Head(HttpStatusCode status, string contentType, string more)
        => Encoding.ASCII.GetBytes($"HTTP/1.1 {(int)status} {status}\r\nContent-Type: {contentType}\r\n{more}Connection: close\r\n\r\n");

    private static int SizeOf(string text, NumberStyles style)
        => int.TryParse(text, style, CultureInfo.InvariantCulture, out var size) && size is >= 0 and <= LargestBody
            ? size
            : throw new UsageException($"found a body, or a part of one, of '{text}' bytes; wanted at most {LargestBody}: send fewer prompts at once");

    private async Task ReadChunksAsync(MemoryStream body, CancellationToken cancellation)
    {
        while (true)
        {
            var size = SizeOf((await LineAsync(cancellation).ConfigureAwait(false)).Split(';')[0].Trim(), NumberStyles.AllowHexSpecifier);
            if (size == 0)
            {
                // Trailers, and the empty line behind them.
                while ((await LineAsync(cancellation).ConfigureAwait(false)).Length > 0)
                {
                }

                return;
            }

            SizeOf((body.Length + size).ToString(CultureInfo.InvariantCulture), NumberStyles.None);
            await ReadPartAsync(body, size, cancellation).ConfigureAwait(false);
            await LineAsync(cancellation).ConfigureAwait(false);
        }
    }

    private async Task ReadPartAsync(MemoryStream body, int size, CancellationToken cancellation)
    {
        var part = new byte[size];
        await _input.ReadExactlyAsync(part, cancellation).ConfigureAwait(false);
        body.Write(part);
    }

    // A line without its end.
    private async Task<string> LineAsync(CancellationToken cancellation)
    {
        var line = new StringBuilder();
        while (true)
        {
            await _input.ReadExactlyAsync(_byte, cancellation).ConfigureAwait(false);
            if (_byte[0] == '\n')
            {
                return line.ToString().TrimEnd('\r');
            }

            if (line.Append((char)_byte[0]).Length > LongestLine)
            {
                throw new UsageException($"found a line of more than {LongestLine} bytes before the body; wanted a request of HTTP/1.1");
            }
        }
    }
}
