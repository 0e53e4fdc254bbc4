using System.Text.Json;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models.Configuration;
using KvShiftScale.Trainer.Generation;

namespace KvShiftScale.Trainer.Serving;

/// <summary>Reads the body of a request. What this program cannot do is refused: an answer that leaves it out would look like one that has it.</summary>
internal sealed class CompletionRequestReader(TextGenerator generator, TokenizerModel tokenizer)
{
    private const int MostPrompts = 4096;
    private const int MostStops = 16;
    private const int MostLogProbabilities = 100;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    // Who asks, and for which model: there is one.
    private static readonly string[] Ignored = ["model", "user", "stream_options"];

    // Some hundred megabytes, while the answer is made.
    private const long MostScores = 4_000_000;

    private static readonly string[] Known =
        ["prompt", "max_tokens", "temperature", "top_p", "seed", "stop", "echo", "logprobs", "stream"];

    // Sent by clients with the value that asks for nothing.
    private static readonly Dictionary<string, double> NeutralNumbers =
        new() { ["n"] = 1, ["best_of"] = 1, ["presence_penalty"] = 0, ["frequency_penalty"] = 0 };

    private static readonly string[] NeutralEmpty = ["suffix", "logit_bias"];

    /// <summary>Reads and checks.</summary>
    /// <param name="body">JSON in UTF-8.</param>
    /// <param name="cancellation">Ends the waiting for the body.</param>
    /// <exception cref="UsageException">It is no JSON object, or asks for what is not to be had.</exception>
    public async Task<CompletionRequest> ReadAsync(Stream body, CancellationToken cancellation)
    {
        try
        {
            using var document = await JsonDocument.ParseAsync(body, Strict, cancellation).ConfigureAwait(false);
            return document.RootElement is { ValueKind: JsonValueKind.Object } root
                ? Read(root)
                : throw new UsageException($"found a JSON {document.RootElement.ValueKind}; wanted an object: {{\"prompt\": \"Once\"}}");
        }
        catch (JsonException exception)
        {
            throw new UsageException($"the body is not JSON: {exception.Message}", exception);
        }
        catch (InvalidOperationException exception)
        {
            // System.Text.Json's answer to a text with broken UTF-8 or half a surrogate pair.
            throw new UsageException("the body holds text that is not Unicode", exception);
        }
    }

    private CompletionRequest Read(JsonElement root)
    {
        foreach (var entry in root.EnumerateObject())
        {
            RequireKnown(entry);
        }

        var sampling = new SamplingOptions((int)Whole(root, "max_tokens", 16, 0, ModelRules.MostContext)!.Value, Greedy: false, Real(root, "temperature", 1, 0, 1e6),
            Real(root, "top_p", 1, double.Epsilon, 1), Whole(root, "seed", 1, long.MinValue, long.MaxValue)!.Value);
        var request = new CompletionRequest(Prompts(root), sampling, Stop(root), Flag(root, "echo"),
            (int?)Whole(root, "logprobs", null, 0, MostLogProbabilities), Flag(root, "stream"));
        foreach (var prompt in request.Prompts)
        {
            generator.Require(prompt.Ids);
        }

        var scores = request.Prompts.Sum(prompt => (long)Math.Min(generator.Context, prompt.Ids.Length + sampling.MaxTokens)) * (1 + request.TopLogProbabilities ?? 0);
        if (scores > MostScores)
        {
            throw new UsageException(FormattableString.Invariant(
                $"found a request whose answer may hold {scores:N0} log-probabilities; wanted at most {MostScores:N0}: fewer prompts, max_tokens or logprobs"));
        }

        return request;
    }

    private static void RequireKnown(JsonProperty entry)
    {
        var (name, value) = (entry.Name, entry.Value);
        if (value.ValueKind == JsonValueKind.Null || Ignored.Contains(name) || Known.Contains(name))
        {
            return;
        }

        if (NeutralNumbers.TryGetValue(name, out var neutral))
        {
            if (value.ValueKind != JsonValueKind.Number || value.GetDouble() != neutral)
            {
                throw new UsageException(FormattableString.Invariant($"found '{name}': {Shorten(value)}, which is not to be had here; leave it out, or write {neutral}"));
            }
        }
        else if (!NeutralEmpty.Contains(name))
        {
            throw new UsageException($"found the key '{name}'; known are {string.Join(", ", Known)}; leave it out");
        }
        else if (value.GetRawText() is not ("\"\"" or "{}"))
        {
            throw new UsageException($"found '{name}': {Shorten(value)}, which is not to be had here; leave it out");
        }
    }

    // A text, a list of texts, a list of ids, or a list of lists of ids.
    private IReadOnlyList<CompletionPrompt> Prompts(JsonElement root)
    {
        if (!root.TryGetProperty("prompt", out var prompt) || prompt.ValueKind == JsonValueKind.Null)
        {
            throw new UsageException("found no 'prompt'; wanted a text, a list of texts, a list of token ids or a list of such lists");
        }

        if (prompt.ValueKind != JsonValueKind.Array || prompt.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number))
        {
            return [Prompt(prompt)];
        }

        return prompt.GetArrayLength() <= MostPrompts
            ? [.. prompt.EnumerateArray().Select(Prompt)]
            : throw new UsageException($"found {prompt.GetArrayLength()} prompts; wanted at most {MostPrompts} in one request");
    }

    private CompletionPrompt Prompt(JsonElement item)
    {
        if (item.ValueKind == JsonValueKind.String)
        {
            var text = item.GetString()!;
            return new CompletionPrompt(text, TextGenerator.PromptIds(tokenizer, text));
        }

        if (item.ValueKind != JsonValueKind.Array || item.GetArrayLength() == 0)
        {
            throw new UsageException($"found the prompt {Shorten(item)}; wanted a text, or a list of one token id or more");
        }

        var ids = item.EnumerateArray().Select(id => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out var number) && tokenizer.HasId(number)
            ? number
            : throw new UsageException($"found {Shorten(id)} among a prompt's ids; wanted ids of the tokenizer, which are below {tokenizer.VocabularySize}")).ToArray();
        return new CompletionPrompt(tokenizer.Decode(ids), ids);
    }

    private static IReadOnlyList<string> Stop(JsonElement root)
    {
        if (!root.TryGetProperty("stop", out var stop) || stop.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        JsonElement[] items = stop.ValueKind == JsonValueKind.Array ? [.. stop.EnumerateArray()] : [stop];
        return items.Length <= MostStops && items.All(item => item.ValueKind == JsonValueKind.String && item.GetString()!.Length > 0)
            ? [.. items.Select(item => item.GetString()!)]
            : throw new UsageException($"found 'stop': {Shorten(stop)}; wanted a text that is not empty, or a list of at most {MostStops}");
    }

    private static long? Whole(JsonElement root, string key, long? otherwise, long least, long most)
    {
        if (!root.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null)
        {
            return otherwise;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most
            ? number
            : throw new UsageException($"found '{key}': {Shorten(value)}; wanted a whole number from {least} to {most}");
    }

    private static double Real(JsonElement root, string key, double otherwise, double least, double most)
    {
        if (!root.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null)
        {
            return otherwise;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= least && number <= most
            ? number
            : throw new UsageException(FormattableString.Invariant(
                $"found '{key}': {Shorten(value)}; wanted a number {(least > 0 ? "above 0" : "from 0")} to {most}"));
    }

    private static bool Flag(JsonElement root, string key)
    {
        if (!root.TryGetProperty(key, out var value) || value.ValueKind is JsonValueKind.Null or JsonValueKind.False)
        {
            return false;
        }

        return value.ValueKind == JsonValueKind.True ? true : throw new UsageException($"found '{key}': {Shorten(value)}; wanted true or false");
    }

    private static string Shorten(JsonElement value) => value.GetRawText() is { Length: > 80 } text ? text[..77] + "..." : value.GetRawText();
}
