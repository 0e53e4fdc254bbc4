using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Generation;

namespace KvShiftScale.Trainer.Serving;

/// <summary>
/// Completions over HTTP: <c>POST /v1/completions</c>, <c>GET /v1/models</c>, <c>GET /health</c>. Requests are received on threads of the pool and wait in a queue;
/// the thread that runs the server computes one after the other, with all the processors that it has.
/// </summary>
internal sealed class CompletionServer : IDisposable
{
    // What a client may take to send its request.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly TcpListener _listener;
    private readonly BlockingCollection<HttpExchange> _queue = [];
    private readonly TextGenerator _generator;
    private readonly TokenizerModel _tokenizer;
    private readonly CompletionRequestReader _reader;
    private readonly CompletionAnswer _answer;
    private long _requests;

    /// <summary>Listens from now on.</summary>
    /// <param name="generator">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="name">Its name for clients.</param>
    /// <param name="host">Address of this machine to listen at; 0.0.0.0 for all.</param>
    /// <param name="port">TCP port.</param>
    /// <exception cref="UsageException">The address is not to be had.</exception>
    public CompletionServer(TextGenerator generator, TokenizerModel tokenizer, string name, string host, int port)
    {
        (_generator, _tokenizer) = (generator, tokenizer);
        _reader = new CompletionRequestReader(generator, tokenizer);
        _answer = new CompletionAnswer(name, tokenizer);
        var address = host == "localhost" ? IPAddress.Loopback
            : IPAddress.TryParse(host, out var known) ? known
            : throw new UsageException($"found --host {host}; wanted an address of this machine, such as 127.0.0.1 or 0.0.0.0");
        _listener = new TcpListener(address, port);
        try
        {
            _listener.Start();
        }
        catch (SocketException exception)
        {
            throw new UsageException(
                $"cannot listen at {host}, port {port}: {exception.Message}. Wanted an address of this machine and a port that is free: --host, --port", exception);
        }
    }

    /// <summary>Answers requests until it is cancelled; who still waits then is told so.</summary>
    public void Run(CancellationToken cancellation)
    {
        var receiving = ReceiveAsync(cancellation);
        try
        {
            foreach (var exchange in _queue.GetConsumingEnumerable(cancellation))
            {
                using (exchange)
                {
                    Complete(exchange, cancellation);
                }
            }
        }
        catch (OperationCanceledException)
        {
            receiving.GetAwaiter().GetResult();
        }

        while (_queue.TryTake(out var waiting))
        {
            using (waiting)
            {
                Refuse(waiting);
            }
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        _queue.Dispose();
    }

    private async Task ReceiveAsync(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                _ = TakeAsync(new HttpExchange(await _listener.AcceptTcpClientAsync(cancellation).ConfigureAwait(false)), cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException)
            {
                // A client that has gone already, or too many files are open: the next one may do.
                await Task.Delay(100, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    // Ends with the exchange answered, or in the queue.
    private async Task TakeAsync(HttpExchange exchange, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        try
        {
            await exchange.ReadAsync(patience.Token).ConfigureAwait(false);
            switch (exchange.Method, exchange.Path)
            {
                case ("POST", "/v1/completions"):
                    _queue.Add(exchange, CancellationToken.None);
                    return;
                case ("GET", "/health"):
                    Send(exchange, HttpStatusCode.OK, new JsonObject { ["status"] = "ok" });
                    break;
                case ("GET", "/v1/models"):
                    Send(exchange, HttpStatusCode.OK, _answer.Models(_generator.Context));
                    break;
                default:
                    SendError(exchange, HttpStatusCode.NotFound,
                        $"found {exchange.Method} {exchange.Path}; wanted POST /v1/completions, GET /v1/models or GET /health");
                    break;
            }
        }
        catch (UsageException wrong)
        {
            SendError(exchange, HttpStatusCode.BadRequest, wrong.Message);
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException)
        {
            // It has closed its end, sends too slowly, or this program ends.
        }

        exchange.Dispose();
    }

    private void Complete(HttpExchange exchange, CancellationToken cancellation)
    {
        var (number, time) = (++_requests, DateTimeOffset.UtcNow);
        try
        {
            var request = _reader.Read(exchange.Body);
            if (request.Stream)
            {
                Stream(exchange, request, number, time, cancellation);
            }
            else
            {
                Whole(exchange, request, number, time, cancellation);
            }
        }
        catch (UsageException wrong)
        {
            SendError(exchange, HttpStatusCode.BadRequest, wrong.Message);
        }
        catch (InvalidDataException damaged)
        {
            Send(exchange, HttpStatusCode.InternalServerError, CompletionAnswer.Error("server_error", damaged.Message));
        }
        catch (OperationCanceledException)
        {
            Refuse(exchange);
            throw;
        }
    }

    private void Whole(HttpExchange exchange, CompletionRequest request, long number, DateTimeOffset time, CancellationToken cancellation)
    {
        var choices = new List<JsonNode>();
        var tokens = 0;
        foreach (var (index, prompt) in request.Prompts.Index())
        {
            var completion = new Completion(_generator, _tokenizer, request, prompt);
            CompletionPiece[] pieces = [.. completion.Run(cancellation)];
            tokens += completion.Tokens;
            var whole = new CompletionPiece(string.Concat(pieces.Select(piece => piece.Text)), [.. pieces.SelectMany(piece => piece.Scores)], pieces[^1].FinishReason);
            choices.Add(_answer.Choice(index, whole, request.TopLogProbabilities is not null));
        }

        var answer = _answer.Completion(number, time, [.. choices]);
        answer["usage"] = CompletionAnswer.Usage(request.Prompts.Sum(prompt => prompt.Ids.Length), tokens);
        Send(exchange, HttpStatusCode.OK, answer);
    }

    // Server-sent events: a line "data: JSON" for each piece, and one that says that it was the last.
    private void Stream(HttpExchange exchange, CompletionRequest request, long number, DateTimeOffset time, CancellationToken cancellation)
    {
        var isThere = exchange.TryBegin("text/event-stream; charset=utf-8");
        foreach (var (index, prompt) in request.Prompts.Index())
        {
            foreach (var piece in new Completion(_generator, _tokenizer, request, prompt).Run(cancellation))
            {
                var data = _answer.Completion(number, time, _answer.Choice(index, piece, request.TopLogProbabilities is not null));
                isThere = isThere && exchange.TryWrite(Event(CompletionAnswer.Bytes(data)));
                if (!isThere)
                {
                    // Nobody reads on, so nothing more is generated.
                    return;
                }
            }
        }

        exchange.TryWrite(Event("[DONE]"u8));

        static byte[] Event(ReadOnlySpan<byte> data) => [.. "data: "u8, .. data, .. "\n\n"u8];
    }

    private static void Refuse(HttpExchange exchange)
        => Send(exchange, HttpStatusCode.ServiceUnavailable, CompletionAnswer.Error("server_error", "the server was told to end; ask again when it is back"));

    private static void SendError(HttpExchange exchange, HttpStatusCode status, string message)
        => Send(exchange, status, CompletionAnswer.Error("invalid_request_error", message));

    private static void Send(HttpExchange exchange, HttpStatusCode status, JsonObject json)
        => exchange.Send(status, "application/json; charset=utf-8", CompletionAnswer.Bytes(json));
}
