using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Generation;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KvShiftScale.Trainer.Serving;

/// <summary>
/// Completions over HTTP: <c>POST /v1/completions</c>, <c>GET /v1/models</c>, <c>GET /health</c>. ASP.NET Core receives and answers on threads of the pool;
/// prompts wait in a queue, and the thread that runs the server computes one request after the other, with all the processors that it has.
/// </summary>
internal sealed class CompletionServer : IDisposable
{
    private const int LargestBody = 64 << 20;

    // What clients that neither send nor read may hold the end up.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly WebApplication _application;
    private readonly BlockingCollection<QueuedRequest> _queue = [];
    private readonly CancellationTokenSource _ended = new();
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
        _application = Build(new IPEndPoint(address, port));
        _application.Use(TellFailures);
        _application.MapPost("/v1/completions", CompleteAsync);
        _application.MapGet("/v1/models", context => Json(_answer.Models(generator.Context)).ExecuteAsync(context));
        _application.MapGet("/health", context => Json(new JsonObject { ["status"] = "ok" }).ExecuteAsync(context));
        _application.Map("/v1/chat/completions", context => NotFoundAsync(context, ", and the model is a base model, which goes on with a text and knows no chat"));
        _application.Map("/{**path}", context => NotFoundAsync(context, ""));
        try
        {
            _application.Start();
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            throw new UsageException(
                $"cannot listen at {host}, port {port}: {exception.Message}. Wanted an address of this machine and a port that is free: --host, --port", exception);
        }
    }

    /// <summary>Computes until it is cancelled; who still waits then is told so.</summary>
    public void Run(CancellationToken cancellation)
    {
        using var ending = cancellation.Register(_ended.Cancel);
        try
        {
            foreach (var request in _queue.GetConsumingEnumerable(_ended.Token))
            {
                request.Complete();
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The handlers tell their clients.
        }
    }

    public void Dispose()
    {
        _ended.Cancel();
        _application.StopAsync(Patience).GetAwaiter().GetResult();
        ((IDisposable)_application).Dispose();
        _queue.Dispose();
        _ended.Dispose();
    }

    // Nothing comes from the environment or from files: what is listened at is told on the command line.
    private static WebApplication Build(IPEndPoint address)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, LifetimeWithoutSignals>();
        // Failures that nobody has foreseen.
        builder.Logging.AddConsole(options => options.LogToStandardErrorThreshold = LogLevel.Trace)
            .SetMinimumLevel(LogLevel.None).AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = LargestBody;
            options.Listen(address);
        });
        return builder.Build();
    }

    private async Task CompleteAsync(HttpContext context)
    {
        var request = await _reader.ReadAsync(context.Request.Body, context.RequestAborted).ConfigureAwait(false);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _ended.Token);
        try
        {
            var (number, time) = (Interlocked.Increment(ref _requests), DateTimeOffset.UtcNow);
            var pieces = Channel.CreateUnbounded<(int Index, CompletionPiece Piece)>();
            var queued = new QueuedRequest([.. request.Prompts.Select(prompt => new Completion(_generator, _tokenizer, request, prompt))], pieces.Writer, ended.Token);
            _queue.Add(queued, ended.Token);
            // Until the first piece has come, a failure still has a status of its own.
            await pieces.Reader.WaitToReadAsync(ended.Token).ConfigureAwait(false);
            var arriving = pieces.Reader.ReadAllAsync(ended.Token);
            var answer = request.Stream
                ? TypedResults.ServerSentEvents(arriving.Select(part => Answer(Choice(part.Index, part.Piece)).ToJsonString(CompletionAnswer.Plain)).Append("[DONE]"))
                : Json(await WholeAsync().ConfigureAwait(false));
            await answer.ExecuteAsync(context).ConfigureAwait(false);

            JsonObject Choice(int index, CompletionPiece piece) => _answer.Choice(index, piece, request.TopLogProbabilities is not null);

            JsonObject Answer(params JsonNode[] choices) => _answer.Completion(number, time, choices);

            async Task<JsonObject> WholeAsync()
            {
                var parts = await arriving.ToLookupAsync(part => part.Index, part => part.Piece).ConfigureAwait(false);
                var whole = Answer([.. parts.Select(ofOne => Choice(ofOne.Key, CompletionPiece.Join([.. ofOne])))]);
                whole["usage"] = CompletionAnswer.Usage(request.Prompts.Sum(prompt => prompt.Ids.Length), queued.Completions.Sum(completion => completion.Tokens));
                return whole;
            }
        }
        finally
        {
            // However it has ended, nothing more is generated for it.
            await ended.CancelAsync().ConfigureAwait(false);
        }
    }

    private static async Task TellFailures(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (Exception failure) when (AnswerTo(failure) is { } answer)
        {
            if (context.Response.HasStarted)
            {
                // What has been sent must not look like a whole answer.
                context.Abort();
            }
            else
            {
                await answer.ExecuteAsync(context).ConfigureAwait(false);
            }
        }
    }

    private static IResult? AnswerTo(Exception failure) => failure switch
    {
        UsageException => Refusal(StatusCodes.Status400BadRequest, failure.Message),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }
            => Refusal(StatusCodes.Status413PayloadTooLarge, $"found a body of more than {LargestBody} bytes; wanted at most so many: send fewer prompts at once"),
        BadHttpRequestException bad => Refusal(bad.StatusCode, bad.Message),
        InvalidDataException => Json(CompletionAnswer.Error("server_error", failure.Message), StatusCodes.Status500InternalServerError),
        OperationCanceledException => Json(
            CompletionAnswer.Error("server_error", "the server was told to end; ask again when it is back"), StatusCodes.Status503ServiceUnavailable),
        _ => null,
    };

    private static Task NotFoundAsync(HttpContext context, string reason) => Refusal(StatusCodes.Status404NotFound,
        $"found {context.Request.Method} {context.Request.Path}{reason}; wanted POST /v1/completions, GET /v1/models or GET /health").ExecuteAsync(context);

    private static IResult Refusal(int status, string message) => Json(CompletionAnswer.Error("invalid_request_error", message), status);

    private static IResult Json(JsonObject json, int status = StatusCodes.Status200OK) => TypedResults.Json(json, CompletionAnswer.Plain, statusCode: status);

    // The signals are the verb's.
    private sealed class LifetimeWithoutSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
