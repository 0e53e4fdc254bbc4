using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using KvShiftScale.Data.Tokenization;

namespace KvShiftScale.Trainer.Serving;

/// <summary>The JSON of answers, in the shape of OpenAI's completions.</summary>
/// <param name="model">Name of the model.</param>
/// <param name="tokenizer">Spells tokens.</param>
internal sealed class CompletionAnswer(string model, TokenizerModel tokenizer)
{
    /// <summary>One line; text beyond ASCII as it is.</summary>
    public static JsonSerializerOptions Plain { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What went wrong.</summary>
    /// <param name="type">invalid_request_error where it is the client's, server_error otherwise.</param>
    /// <param name="message">What was found, what was wanted, what to do.</param>
    public static JsonObject Error(string type, string message) => new() { ["error"] = new JsonObject { ["type"] = type, ["message"] = message } };

    /// <summary>The models that there are: one.</summary>
    /// <param name="context">Its longest text in tokens.</param>
    public JsonObject Models(int context) => new()
    {
        ["object"] = "list",
        ["data"] = new JsonArray(new JsonObject { ["id"] = model, ["object"] = "model", ["owned_by"] = "kvshift", ["max_model_len"] = context }),
    };

    /// <summary>A whole answer, or a part of one that is streamed.</summary>
    /// <param name="number">Number of the request.</param>
    /// <param name="time">When it was begun.</param>
    /// <param name="choices">See <see cref="Choice"/>.</param>
    public JsonObject Completion(long number, DateTimeOffset time, params JsonNode[] choices) => new()
    {
        ["id"] = FormattableString.Invariant($"cmpl-{number}"),
        ["object"] = "text_completion",
        ["created"] = time.ToUnixTimeSeconds(),
        ["model"] = model,
        ["choices"] = new JsonArray(choices),
    };

    /// <summary>The completion of one prompt, or a piece of it.</summary>
    /// <param name="index">Number of the prompt in its request.</param>
    /// <param name="piece">Text and scores.</param>
    /// <param name="hasScores">Scores were asked for.</param>
    public JsonObject Choice(int index, CompletionPiece piece, bool hasScores) => new()
    {
        ["text"] = piece.Text,
        ["index"] = index,
        ["logprobs"] = hasScores ? LogProbabilities(piece.Scores) : null,
        ["finish_reason"] = piece.FinishReason,
    };

    /// <summary>Tokens read and made.</summary>
    public static JsonObject Usage(int promptTokens, int completionTokens) => new()
    {
        ["prompt_tokens"] = promptTokens,
        ["completion_tokens"] = completionTokens,
        ["total_tokens"] = promptTokens + completionTokens,
    };

    private JsonObject LogProbabilities(IReadOnlyList<TokenScore> scores) => new()
    {
        ["tokens"] = new JsonArray([.. scores.Select(score => (JsonNode)TextOf(score.Id))]),
        ["token_logprobs"] = new JsonArray([.. scores.Select(score => (JsonNode?)score.LogProbability)]),
        ["top_logprobs"] = new JsonArray([.. scores.Select(Top)]),
        ["text_offset"] = new JsonArray([.. scores.Select(score => (JsonNode)score.Offset)]),
    };

    private JsonObject? Top(TokenScore score)
    {
        if (score.Top.Count == 0)
        {
            return null;
        }

        var json = new JsonObject();
        foreach (var (id, logProbability) in score.Top)
        {
            // Tokens that are parts of characters are spelled alike; the likeliest stands for them.
            json.TryAdd(TextOf(id), logProbability);
        }

        return json;
    }

    // A model may have ids that its tokenizer lacks.
    private string TextOf(int id)
    {
        if (!tokenizer.HasId(id))
        {
            return FormattableString.Invariant($"<id {id}>");
        }

        var decoder = new StreamingDecoder(tokenizer);
        return decoder.Append(id) + decoder.Flush();
    }
}
