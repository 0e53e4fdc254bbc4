using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models;
using static TorchSharp.torch;

namespace KvShiftScale.Trainer.Generation;

/// <summary>Text from a model, token by token, over a cache of keys and values.</summary>
internal sealed class TextGenerator(KvShiftTransformer model, TokenizerModel tokenizer)
{
    /// <summary>The continuation of a prompt, in pieces of whole characters, until end-of-text, the token limit or the end of the context.</summary>
    public IEnumerable<string> Generate(string prompt, SamplingOptions options)
    {
        var ids = new List<int>();
        tokenizer.Encode(prompt, ids);
        if (ids.Count == 0) ids.Add(tokenizer.EndOfTextId);
        if (ids.Count >= model.Context)
            throw new UsageException($"the prompt has {ids.Count} tokens; the model's context of {model.Context} leaves no room to continue");

        var caches = model.NewCaches();
        using var generator = new Generator((ulong)options.Seed);
        var decoder = new StreamingDecoder(tokenizer);
        try
        {
            var next = ids.ToArray();
            for (var count = 0; count < options.MaxTokens && caches[0].Length + next.Length <= model.Context; count++)
            {
                var id = Step(next, caches, options, generator);
                if (id == tokenizer.EndOfTextId) break;
                var text = decoder.Append(id);
                if (text.Length > 0) yield return text;
                next = [id];
            }
            var rest = decoder.Flush();
            if (rest.Length > 0) yield return rest;
        }
        finally
        {
            foreach (var cache in caches) cache.Dispose();
        }
    }

    private int Step(int[] ids, IReadOnlyList<LayerCache> caches, SamplingOptions options, Generator generator)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var logits = model.Decode(tensor(ids), caches);
        // A model may have more ids than its tokenizer, for the sake of a round number; those are never chosen.
        var last = logits.narrow(0, logits.size(0) - 1, 1).narrow(1, 0, Math.Min(logits.size(1), tokenizer.VocabularySize)).to(ScalarType.Float32);
        if (options.Greedy) return (int)last.argmax(1).item<long>();

        var probabilities = (last / options.Temperature).softmax(1);
        if (options.TopP < 1)
        {
            // Keep the most likely tokens until they hold top_p of the mass; the one that crosses it stays.
            var (sorted, order) = probabilities.sort(1, descending: true);
            var before = sorted.cumsum(1) - sorted;
            probabilities = zeros([1, probabilities.size(1)]).scatter_(1, order, sorted.masked_fill(before.gt(options.TopP), 0.0));
        }
        return (int)probabilities.multinomial(1, generator: generator).item<long>();
    }
}
