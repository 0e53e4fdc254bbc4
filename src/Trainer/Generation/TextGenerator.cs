using System.Runtime.InteropServices;
using KvShiftScale.Core;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Generation;

/// <summary>Text from a model, token by token, over a cache of keys and values.</summary>
/// <param name="model">The model; its context bounds prompt and text.</param>
/// <param name="tokenizer">The model's tokenizer; its end of text ends a text.</param>
/// <param name="stopIds">Other ids that end a text.</param>
internal sealed class TextGenerator(KvShiftTransformer model, TokenizerModel tokenizer, IReadOnlySet<int>? stopIds = null)
{
    // A long prompt is fed in pieces: scores are [heads, piece, length so far] and logits [piece, vocabulary].
    private const int ChunkTokens = 128;

    // A model may have more ids than its tokenizer, for the sake of a round number, and that may have gaps; those are never chosen.
    private readonly int _choices = Math.Min(model.Config.VocabSize, tokenizer.VocabularySize);
    private readonly int[] _gaps = [.. Enumerable.Range(0, Math.Min(model.Config.VocabSize, tokenizer.VocabularySize)).Where(id => !tokenizer.HasId(id))];

    /// <summary>The longest text, prompt included, in tokens.</summary>
    public int Context => model.Context;

    /// <summary>Why the last text ended; known once all of it has been read.</summary>
    public GenerationEnd End { get; private set; }

    /// <summary>Ids to begin with: the prompt's, or end-of-text for an empty one, which is what stands before a document.</summary>
    /// <exception cref="UsageException">The prompt is empty, and the tokenizer has no end of text.</exception>
    public static int[] PromptIds(TokenizerModel tokenizer, string prompt)
        => tokenizer.Encode(prompt) is { Length: > 0 } ids ? ids
            : [tokenizer.EndOfTextId ?? throw new UsageException($"{tokenizer.EndOfTextMissing}, so an empty prompt begins with nothing; give some text")];

    /// <summary>The continuation of a prompt, in pieces of whole characters, until end-of-text, the token limit or the end of the context.</summary>
    public IEnumerable<string> Generate(string prompt, SamplingOptions options)
    {
        var decoder = new StreamingDecoder(tokenizer);
        foreach (var id in GenerateIds(PromptIds(tokenizer, prompt), options))
        {
            var text = decoder.Append(id);
            if (text.Length > 0)
            {
                yield return text;
            }
        }
        var rest = decoder.Flush();
        if (rest.Length > 0)
        {
            yield return rest;
        }
    }

    /// <summary>Checks that a prompt can be continued.</summary>
    /// <exception cref="UsageException">It leaves no room, or has ids that the model does not know.</exception>
    public void Require(int[] prompt)
    {
        if (prompt.Length > model.Context)
        {
            throw new UsageException($"the prompt has {prompt.Length} tokens; the model's context of {model.Context} leaves no room to continue");
        }

        if (Array.FindIndex(prompt, id => id < 0 || id >= model.Config.VocabSize) is var bad and >= 0)
        {
            throw new UsageException($"token {bad} of the prompt is {prompt[bad]}; the model knows ids below {model.Config.VocabSize}. "
                + "Its folder has the tokenizer of another model.");
        }
    }

    /// <summary>The ids that follow a prompt's, without the one that ends the text.</summary>
    /// <param name="prompt">One id or more.</param>
    /// <param name="options">How ids are chosen, and how many: 0 reads the prompt alone, which an observer sees.</param>
    /// <param name="observer">Told of every id but the first, the prompt's and the one that ends the text among them.</param>
    /// <exception cref="UsageException">See <see cref="Require"/>.</exception>
    public IEnumerable<int> GenerateIds(int[] prompt, SamplingOptions options, NextIdObserver? observer = null)
    {
        Require(prompt);
        var sampler = new TokenSampler(options);
        var caches = model.NewCaches();
        try
        {
            var logits = new float[model.Config.VocabSize];
            var scores = new float[_choices];
            var next = prompt;
            End = GenerationEnd.TokenLimit;
            for (var count = 0; count < Math.Max(1, options.MaxTokens); count++)
            {
                if (caches[0].Length + next.Length > model.Context)
                {
                    End = GenerationEnd.Context;
                    yield break;
                }

                Feed(next, caches, logits, observer);
                if (options.MaxTokens == 0)
                {
                    yield break;
                }

                logits.AsSpan(0, _choices).CopyTo(scores);
                foreach (var gap in _gaps)
                {
                    scores[gap] = float.NegativeInfinity;
                }

                var id = sampler.Choose(scores, count);
                observer?.Invoke(logits, id);
                if (id == tokenizer.EndOfTextId || stopIds?.Contains(id) == true)
                {
                    End = GenerationEnd.EndOfText;
                    yield break;
                }
                yield return id;
                next = [id];
            }
        }
        finally
        {
            foreach (var cache in caches)
            {
                cache.Dispose();
            }
        }
    }

    // Leaves the logits after the last of the ids.
    private void Feed(int[] ids, IReadOnlyList<LayerCache> caches, float[] last, NextIdObserver? observer)
    {
        using var mode = no_grad();
        for (var start = 0; start < ids.Length; start += ChunkTokens)
        {
            using var scope = NewDisposeScope();
            var chunk = ids[start..Math.Min(ids.Length, start + ChunkTokens)];
            var logits = model.Decode(tensor(chunk), caches);
            var first = observer is null ? chunk.Length - 1 : 0;
            var rows = MemoryMarshal.Cast<byte, float>(logits.narrow(0, first, chunk.Length - first).to(ScalarType.Float32).cpu().contiguous().bytes);
            for (var row = first; row < chunk.Length; row++)
            {
                var ofRow = rows.Slice((row - first) * last.Length, last.Length);
                if (start + row + 1 < ids.Length)
                {
                    observer?.Invoke(ofRow, ids[start + row + 1]);
                }
                else
                {
                    ofRow.CopyTo(last);
                }
            }
        }
    }
}
