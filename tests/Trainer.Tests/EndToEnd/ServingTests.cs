using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models.Layout;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Tests.EndToEnd;

/// <summary><c>kvshift serve</c> over real HTTP.</summary>
[Collection(nameof(EndToEndGroup))]
public sealed class ServingTests(TrainingFixture fixture)
{
    private const string Prompt = "the shift of";
    private const int SigInt = 2;

    // As many prompts as take some seconds.
    private static readonly string LongRequest = $"\"prompt\": [{string.Join(", ", Enumerable.Repeat($"\"{Prompt}\"", 4096))}], \"max_tokens\": 40";

    private readonly ServedModel _server = fixture.Served;

    [Fact]
    public void GreedyTextIsThatOfGenerate()
    {
        using var generate = ProgramRun.Execute(ExitCode.Done, "generate", "--model", fixture.ModelPath, "--prompt", Prompt, "--max-tokens", "24", "--greedy");

        var answer = _server.Complete(new JsonObject { ["prompt"] = Prompt, ["max_tokens"] = 24, ["temperature"] = 0 });

        var choice = answer["choices"]!.AsArray().Single()!;
        Assert.Equal(generate.Output, $"{Prompt}{choice["text"]}\n");
        Assert.Null(choice["logprobs"]);
        Assert.Equal("text_completion", (string?)answer["object"]);
        var read = TokenizerModel.Load(fixture.ModelPath).Encode(Prompt).Length;
        Assert.Equal(read, (int)answer["usage"]!["prompt_tokens"]!);
        Assert.Equal(read + (int)answer["usage"]!["completion_tokens"]!, (int)answer["usage"]!["total_tokens"]!);
        // Named by its run.
        Assert.Contains($"\"id\":\"{Path.GetFileName(fixture.OneRank.Path)}\"", _server.Get("v1/models").Body);

        // An echo puts the prompt before it.
        var echo = _server.Complete(new JsonObject { ["prompt"] = Prompt, ["max_tokens"] = 24, ["temperature"] = 0, ["echo"] = true });
        Assert.Equal($"{Prompt}{choice["text"]}", (string?)echo["choices"]![0]!["text"]);
        // Seeds are those of generate too.
        using var drawn = ProgramRun.Execute(ExitCode.Done, "generate", "--model", fixture.ModelPath, "--prompt", Prompt, "--max-tokens", "24",
            "--temperature", "1.5", "--top-p", "0.9", "--seed", "11");
        answer = _server.Complete(new JsonObject { ["prompt"] = Prompt, ["max_tokens"] = 24, ["temperature"] = 1.5, ["top_p"] = 0.9, ["seed"] = 11 });
        Assert.Equal(drawn.Output, $"{Prompt}{answer["choices"]![0]!["text"]}\n");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    public void EchoedLogProbabilitiesAreThoseOfADirectForward(int maxTokens)
    {
        var tokenizer = TokenizerModel.Load(fixture.ModelPath);
        var ids = tokenizer.Encode(TrainingFixture.ValidationTexts[1])[..12];
        var other = tokenizer.Encode("attention reads");
        JsonNode[] prompts =
        [
            new JsonArray(Ids(ids), Ids(other)),
            new JsonArray(tokenizer.Decode(ids), "attention reads"),
        ];

        foreach (var prompt in prompts)
        {
            var answer = _server.Complete(new JsonObject { ["prompt"] = prompt, ["max_tokens"] = maxTokens, ["temperature"] = 0, ["echo"] = true, ["logprobs"] = 3 });

            Assert.Equal(2, answer["choices"]!.AsArray().Count);
            foreach (var (choice, begin) in answer["choices"]!.AsArray().Zip((int[][])[ids, other]))
            {
                var logProbabilities = choice!["logprobs"]!;
                string[] tokens = [.. logProbabilities["tokens"]!.AsArray().Select(token => (string)token!)];
                Assert.Equal((string)choice["text"]!, string.Concat(tokens));
                Assert.True(tokens.Length >= begin.Length && (maxTokens > 0 || tokens.Length == begin.Length));
                // Offsets are where the tokens stand.
                Assert.All(tokens.Zip(logProbabilities["text_offset"]!.AsArray()), token => Assert.StartsWith(token.First, ((string)choice["text"]!)[(int)token.Second!..]));
                int[] whole = [.. begin, .. tokens.Skip(begin.Length).Select(token => tokenizer.Encode(token).Single())];
                AssertScores(whole, logProbabilities);
            }
        }

        static JsonArray Ids(int[] ids) => new([.. ids.Select(id => (JsonNode)id)]);
    }

    // What stands before a document is no part of its text.
    [Fact]
    public void AnEmptyPromptHasNoLength()
    {
        var choice = _server.Complete(new JsonObject { ["prompt"] = "", ["max_tokens"] = 3, ["temperature"] = 0, ["echo"] = true, ["logprobs"] = 0 })["choices"]![0]!;

        Assert.Equal([0, 0], choice["logprobs"]!["text_offset"]!.AsArray().Take(2).Select(offset => (int)offset!));
        Assert.DoesNotContain("<|", (string)choice["text"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnAnswerThatNoMemoryHoldsIsRefused()
    {
        var (status, answer) = await _server.PostAsync(new JsonObject
        {
            ["prompt"] = new JsonArray([.. Enumerable.Repeat("a", 1000).Select(text => (JsonNode)text)]),
            ["max_tokens"] = 47,
            ["logprobs"] = 100,
        }.ToJsonString());

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("wanted at most 4,000,000", (string?)JsonNode.Parse(answer)!["error"]!["message"]);
    }

    [Fact]
    public void AStopEndsTheTextBeforeIt()
    {
        var request = new JsonObject { ["prompt"] = Prompt, ["max_tokens"] = 24, ["temperature"] = 0, ["logprobs"] = 0 };
        var whole = (string)_server.Complete(request)["choices"]![0]!["text"]!;
        // From within one token into the next.
        var stop = whole[8..13];
        request["stop"] = new JsonArray("never in it", stop);

        var choice = _server.Complete(request)["choices"]![0]!;

        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], (string?)choice["text"]);
        Assert.Equal("stop", (string?)choice["finish_reason"]);
        Assert.All(choice["logprobs"]!["text_offset"]!.AsArray(), offset => Assert.True((int)offset! < Prompt.Length + ((string)choice["text"]!).Length));
        Assert.Equal((string?)choice["text"], Joined(_server.Stream(request)));
        request["stop"] = "never in it";
        Assert.Equal(whole, (string?)_server.Complete(request)["choices"]![0]!["text"]);
        Assert.Equal(whole, Joined(_server.Stream(request)));
    }

    [Fact]
    public void AStreamIsTheSameTextInPieces()
    {
        var request = new JsonObject { ["prompt"] = new JsonArray(Prompt, "small model"), ["max_tokens"] = 9, ["temperature"] = 0, ["echo"] = true, ["logprobs"] = 1 };
        var whole = _server.Complete(request)["choices"]!.AsArray();

        var events = _server.Stream(request);

        Assert.Equal("[DONE]", events[^1]);
        for (var index = 0; index < 2; index++)
        {
            var pieces = events[..^1].Select(data => JsonNode.Parse(data)!["choices"]![0]!).Where(choice => (int)choice["index"]! == index).ToArray();
            Assert.True(pieces.Length > 3, $"{pieces.Length} pieces");
            Assert.Equal((string?)whole[index]!["text"], string.Concat(pieces.Select(piece => (string?)piece["text"])));
            Assert.Equal(whole[index]!["logprobs"]!["token_logprobs"]!.ToJsonString(),
                new JsonArray([.. pieces.SelectMany(piece => piece["logprobs"]!["token_logprobs"]!.AsArray()).Select(value => value?.DeepClone())]).ToJsonString());
            Assert.All(pieces[..^1], piece => Assert.Null(piece["finish_reason"]));
            Assert.Equal((string?)whole[index]!["finish_reason"], (string?)pieces[^1]["finish_reason"]);
        }
    }

    [Theory]
    [InlineData("{\"prompt\": ", "not JSON")]
    [InlineData("[1]", "wanted an object")]
    [InlineData("{}", "found no 'prompt'")]
    [InlineData("{\"prompt\": []}", "found the prompt []")]
    [InlineData("{\"prompt\": [[1], \"a\", 3]}", "found the prompt 3")]
    [InlineData("{\"prompt\": [1, 300]}", "found 300 among a prompt's ids; wanted ids of the tokenizer, which are below 300")]
    [InlineData("{\"prompt\": [-1]}", "found -1 among")]
    [InlineData("{\"prompt\": \"zebra zebra zebra zebra zebra zebra zebra zebra zebra zebra zebra zebra zebra zebra zebra\"}", "the model's context of 48")]
    [InlineData("{\"prompt\": \"a\", \"max_tokens\": -1}", "'max_tokens': -1; wanted a whole number from 0")]
    [InlineData("{\"prompt\": \"a\", \"temperature\": \"hot\"}", "'temperature': \"hot\"; wanted a number")]
    [InlineData("{\"prompt\": \"a\", \"top_p\": 0}", "'top_p': 0; wanted a number above 0")]
    [InlineData("{\"prompt\": \"a\", \"stop\": \"\"}", "'stop': \"\"; wanted a text")]
    [InlineData("{\"prompt\": \"a\", \"n\": 2}", "'n': 2, which is not to be had")]
    [InlineData("{\"prompt\": \"a\", \"logit_bias\": {\"5\": 1}}", "'logit_bias'")]
    [InlineData("{\"prompt\": \"a\", \"max_new_tokens\": 5}", "found the key 'max_new_tokens'; known are prompt, max_tokens")]
    public async Task BadRequestsAreToldWhatIsWrong(string body, string expected)
    {
        var (status, answer) = await _server.PostAsync(body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        var error = JsonNode.Parse(answer)!["error"]!;
        Assert.Equal("invalid_request_error", (string?)error["type"]);
        Assert.Contains(expected, (string?)error["message"]);
        // And it goes on.
        Assert.NotNull(_server.Complete(new JsonObject { ["prompt"] = "a", ["max_tokens"] = 1, ["n"] = 1, ["best_of"] = null, ["user"] = "who" }));
    }

    [Fact]
    public void OtherAddressesAreNotFound()
    {
        var (status, answer) = _server.Get("v1/chat");

        Assert.Equal(HttpStatusCode.NotFound, status);
        Assert.Contains("wanted POST /v1/completions", answer);
        (status, answer) = _server.Get("v1/completions");
        Assert.Equal(HttpStatusCode.NotFound, status);
        Assert.Contains("found GET /v1/completions; wanted", answer);
        (status, answer) = _server.Get("v1/chat/completions");
        Assert.Equal(HttpStatusCode.NotFound, status);
        Assert.Contains("base model", answer);
    }

    [Fact]
    public void WhatIsNoHttpIsToldSo()
    {
        const string Last = "Host: another.name\r\nConnection: close\r\n";
        Assert.StartsWith("HTTP/1.1 400 ", Raw("hello\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 400 ", Raw("GET /health HTTP/1.1\r\nno colon\r\n"));
        var answer = Raw($"POST /v1/completions HTTP/1.1\r\n{Last}Content-Length: 99999999999\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 413 ", answer);
        Assert.Contains("wanted at most so many", answer);
        // The connection stays for another request.
        Assert.Equal(3, Raw($"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /health?x=1 HTTP/1.1\r\n{Last}\r\n").Split("HTTP/1.1 200 ").Length);
        // A body in chunks, sent once the server has said that it wants it.
        var chunks = Chunk("{\"prompt\": \"the", "") + Chunk("\", \"max_tokens\": 0}", ";x=y") + "0\r\n\r\n";
        answer = Raw($"POST /v1/completions HTTP/1.1\r\n{Last}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", chunks);
        Assert.StartsWith("HTTP/1.1 200 ", answer);
        Assert.Contains("\"completion_tokens\":0", answer);

        static string Chunk(string text, string extension) => $"{text.Length:x}{extension}\r\n{text}\r\n";

        string Raw(string request, string? body = null)
        {
            using var client = new TcpClient("127.0.0.1", _server.Port);
            var stream = client.GetStream();
            stream.Write(System.Text.Encoding.ASCII.GetBytes(request));
            if (body is not null)
            {
                var interim = new byte["HTTP/1.1 100 Continue\r\n\r\n".Length];
                stream.ReadExactly(interim);
                Assert.StartsWith("HTTP/1.1 100 ", System.Text.Encoding.ASCII.GetString(interim));
                stream.Write(System.Text.Encoding.ASCII.GetBytes(body));
            }

            return new StreamReader(stream).ReadToEnd();
        }
    }

    [Fact]
    public async Task RequestsAtOnceGetTheAnswersOfRequestsInTurn()
    {
        JsonObject[] requests = [.. Enumerable.Range(0, 8).Select(seed =>
            new JsonObject { ["prompt"] = Prompt, ["max_tokens"] = 12, ["temperature"] = 2, ["seed"] = seed })];
        string[] inTurn = [.. requests.Select(request => (string)_server.Complete(request)["choices"]![0]!["text"]!)];
        Assert.True(inTurn.Distinct().Count() > 4);

        var answers = await Task.WhenAll(requests.Select(request => _server.PostAsync(request.ToJsonString())));

        Assert.Equal(inTurn, answers.Select(answer => (string)JsonNode.Parse(answer.Body)!["choices"]![0]!["text"]!));
    }

    // Were they computed, they would take longer than a client of these tests waits.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ClientsThatHaveGoneHoldNobodyUp(bool stream)
    {
        var body = $$"""{{{LongRequest}}, "stream": {{(stream ? "true" : "false")}}}""";
        for (var count = 0; count < 100; count++)
        {
            using var client = new TcpClient("127.0.0.1", _server.Port);
            client.GetStream().Write(System.Text.Encoding.UTF8.GetBytes($"POST /v1/completions HTTP/1.1\r\nHost: localhost:{_server.Port}\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            // Gone once it has been heard.
            Assert.Equal(HttpStatusCode.OK, _server.Get("health").Status);
        }

        Assert.NotNull(_server.Complete(new JsonObject { ["prompt"] = "a", ["max_tokens"] = 1 }));
    }

    [Theory]
    [InlineData(ProgramRun.SigTerm)]
    [InlineData(SigInt)]
    public void ASignalEndsItWithNothingToComplain(int signal)
    {
        using var server = new ServedModel(fixture.ModelPath);

        server.Process.Signal(signal);

        server.Process.WaitFor(ExitCode.Done);
        Assert.Equal("", server.Process.Error);
    }

    [Fact]
    public async Task WhoWaitsAtTheEndIsToldSo()
    {
        using var server = new ServedModel(fixture.ModelPath);
        var long_ = server.PostAsync($$"""{{{LongRequest}}}""");
        await Task.Delay(500);
        var waiting = server.PostAsync($$"""{"prompt": "{{Prompt}}"}""");
        var streaming = server.PostAsync($$"""{"prompt": "{{Prompt}}", "stream": true}""");
        // One that has not said yet what it wants.
        using var undecided = new TcpClient("127.0.0.1", server.Port);
        undecided.GetStream().Write("POST /v1/comp"u8);
        await Task.Delay(500);
        Assert.False(long_.IsCompleted);

        server.Process.Signal(ProgramRun.SigTerm);

        foreach (var (status, body) in await Task.WhenAll(long_, waiting, streaming))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
            Assert.Contains("ask again", body);
        }

        server.Process.WaitFor(ExitCode.Done);
    }

    [Fact]
    public void APortThatIsTakenIsABadArgument()
    {
        using var second = ProgramRun.Execute(ExitCode.Usage, "serve", "--model", fixture.ModelPath, "--port", $"{_server.Port}");

        Assert.Contains($"port {_server.Port}", second.Error);
        Assert.Contains("--port", second.Error);
    }

    // The second is set apart for documentation; no machine has it.
    [Theory]
    [InlineData("nowhere", "found --host nowhere; wanted an address")]
    [InlineData("192.0.2.1", "cannot listen at 192.0.2.1, port 8080")]
    public void AnAddressOfAnotherMachineIsABadArgument(string host, string expected)
    {
        using var run = ProgramRun.Execute(ExitCode.Usage, "serve", "--model", fixture.ModelPath, "--host", host);

        Assert.Contains(expected, run.Error);
    }

    private static string Joined(string[] events)
        => string.Concat(events[..^1].Select(data => (string?)JsonNode.Parse(data)!["choices"]![0]!["text"]));

    private void AssertScores(int[] ids, JsonNode found)
    {
        using var model = ModelSource.Read(fixture.ModelPath);
        using var mode = no_grad();
        using var scope = NewDisposeScope();
        using var layout = new TokenLayout(1, ids.Length, arange(0, ids.Length, int32));
        var expected = model.Logits(tensor(ids), layout).to(ScalarType.Float64).log_softmax(-1);
        Assert.Null(found["token_logprobs"]![0]);
        Assert.Null(found["top_logprobs"]![0]);
        for (var place = 1; place < ids.Length; place++)
        {
            var row = expected[place - 1];
            Assert.Equal(row[ids[place]].item<double>(), (double)found["token_logprobs"]![place]!, 1e-5);
            double[] top = [.. found["top_logprobs"]![place]!.AsObject().Select(entry => (double)entry.Value!)];
            Assert.Equal(row.max().item<double>(), top[0], 1e-5);
            Assert.Equal(top.OrderDescending(), top);
            Assert.InRange(top.Length, 1, 3);
        }
    }
}
