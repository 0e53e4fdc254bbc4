using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary>A process of <c>kvshift serve</c>, and a client of it.</summary>
internal sealed class ServedModel : IDisposable
{
    private readonly HttpClient _client;

    public ServedModel(string model)
    {
        Port = FreePort();
        // What is listened at is told on the command line, whatever ASP.NET Core would read from the environment.
        Process = ProgramRun.StartFile("env", ["ASPNETCORE_URLS=http://127.0.0.1:1", "ASPNETCORE_PREFERHOSTINGURLS=true",
            "dotnet", ProgramRun.KvShift, "serve", "--model", model, "--port", $"{Port}"]);
        _client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Port}/"), Timeout = ProgramRun.Patience };
        Assert.True(SpinWait.SpinUntil(IsUp, ProgramRun.Patience), $"{Process.Output}\n{Process.Error}");

        bool IsUp()
        {
            Thread.Sleep(50);
            Assert.False(Process.HasEnded, Process.Error);
            try
            {
                return _client.GetAsync("health").Result.IsSuccessStatusCode;
            }
            catch (AggregateException error) when (error.InnerException is HttpRequestException)
            {
                return false;
            }
        }
    }

    public ProgramRun Process { get; }

    public int Port { get; }

    /// <summary>A port that nobody listens at.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Status and body of a GET.</summary>
    public (HttpStatusCode Status, string Body) Get(string path) => Read(_client.GetAsync(path)).Result;

    /// <summary>Status and body of a request for completions, as it is.</summary>
    public Task<(HttpStatusCode Status, string Body)> PostAsync(string body) => Read(_client.PostAsync("v1/completions", new StringContent(body)));

    /// <summary>The answer to a request that has to succeed.</summary>
    public JsonNode Complete(JsonObject request)
    {
        var (status, body) = PostAsync(request.ToJsonString()).Result;
        Assert.True(status == HttpStatusCode.OK, body);
        return JsonNode.Parse(body)!;
    }

    /// <summary>The data of each event of an answer that is streamed.</summary>
    public string[] Stream(JsonObject request)
    {
        var streamed = request.DeepClone();
        streamed["stream"] = true;
        using var response = _client.PostAsJsonAsync("v1/completions", streamed).Result;
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        var events = response.Content.ReadAsStringAsync().Result.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.All(events, data => Assert.StartsWith("data: ", data));
        return [.. events.Select(data => data["data: ".Length..])];
    }

    public void Dispose()
    {
        _client.Dispose();
        Process.Dispose();
    }

    private static async Task<(HttpStatusCode Status, string Body)> Read(Task<HttpResponseMessage> request)
    {
        using var response = await request;
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
