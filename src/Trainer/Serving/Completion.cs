using KvShiftScale.Data.Tokenization;
using KvShiftScale.Trainer.Generation;

namespace KvShiftScale.Trainer.Serving;

/// <summary>A piece of a completion, to be shown after those before it.</summary>
/// <param name="Text">May be empty in the last piece.</param>
/// <param name="Scores">Of the tokens that begin in the text; empty where none are asked for.</param>
/// <param name="FinishReason">Of the last piece, stop or length; null before.</param>
internal sealed record CompletionPiece(string Text, IReadOnlyList<TokenScore> Scores, string? FinishReason)
{
    /// <summary>All pieces of a completion as one.</summary>
    public static CompletionPiece Join(IReadOnlyList<CompletionPiece> pieces)
        => new(string.Concat(pieces.Select(piece => piece.Text)), [.. pieces.SelectMany(piece => piece.Scores)], pieces[^1].FinishReason);
}

/// <summary>The completion of one prompt.</summary>
internal sealed class Completion(TextGenerator generator, TokenizerModel tokenizer, CompletionRequest request, CompletionPrompt prompt)
{
    // Scores of tokens that have not been shown yet.
    private readonly Queue<TokenScore> _scores = new();

    // Decodes what the scores count offsets by.
    private readonly StreamingDecoder _read = new(tokenizer);
    private int _offset;
    private int _observed;

    // Of the id that was chosen last, until its text is known.
    private TokenScore? _chosen;

    /// <summary>Tokens generated so far.</summary>
    public int Tokens { get; private set; }

    /// <summary>Reads the prompt and generates; the last piece, and only that, has a finish reason.</summary>
    /// <param name="cancellation">Asked before each token.</param>
    public IEnumerable<CompletionPiece> Run(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var scanner = new StopScanner(request.Stop);
        var decoder = new StreamingDecoder(tokenizer);
        var shown = prompt.Text.Length;
        var begin = request.Echo ? prompt.Text : "";
        if (!request.Echo)
        {
            _offset = shown;
        }
        else if (request.TopLogProbabilities is not null)
        {
            EnqueueOfPrompt(new TokenScore(prompt.Ids[0], null, []), isLast: prompt.Ids.Length == 1);
        }

        foreach (var id in generator.GenerateIds(prompt.Ids, request.Sampling, request.TopLogProbabilities is null ? null : Observe))
        {
            cancellation.ThrowIfCancellationRequested();
            Tokens++;
            if (_chosen is { } chosen)
            {
                Enqueue(chosen);
                _chosen = null;
            }

            var text = scanner.Append(decoder.Append(id));
            shown += text.Length;
            if (scanner.HasStopped)
            {
                yield return new CompletionPiece(begin + text, [.. Before(shown)], "stop");
                yield break;
            }

            if ((begin + text).Length > 0)
            {
                yield return new CompletionPiece(begin + text, [.. Before(shown)], null);
                begin = "";
            }
        }

        // Evaluation harnesses count on a score for every token that was chosen, also for that which ends the text.
        if (_chosen is { } end)
        {
            Enqueue(end);
        }

        // The rest may hold a stop, and a character that has lost its end.
        var rest = scanner.Append(decoder.Flush());
        rest += scanner.Flush();
        yield return new CompletionPiece(begin + rest, [.. Before(scanner.HasStopped ? shown + rest.Length : int.MaxValue)],
            scanner.HasStopped || generator.End == GenerationEnd.EndOfText ? "stop" : "length");
    }

    private void Observe(ReadOnlySpan<float> logits, int next)
    {
        var isOfPrompt = ++_observed < prompt.Ids.Length;
        if (isOfPrompt && !request.Echo)
        {
            return;
        }

        var score = TokenScore.Of(logits, next, request.TopLogProbabilities!.Value);
        if (isOfPrompt)
        {
            EnqueueOfPrompt(score, isLast: _observed == prompt.Ids.Length - 1);
        }
        else
        {
            _chosen = score;
        }
    }

    // A prompt's ids may decode to another text: of an empty prompt, with a blank at the beginning, or normalized.
    private void EnqueueOfPrompt(TokenScore score, bool isLast)
    {
        _offset = Math.Min(_offset, prompt.Text.Length);
        Enqueue(score);
        if (isLast)
        {
            _offset = prompt.Text.Length;
        }
    }

    private void Enqueue(TokenScore score)
    {
        _scores.Enqueue(score with { Offset = _offset });
        _offset += _read.Append(score.Id).Length;
    }

    private IEnumerable<TokenScore> Before(int offset)
    {
        while (_scores.TryPeek(out var score) && score.Offset < offset)
        {
            yield return _scores.Dequeue();
        }
    }
}
