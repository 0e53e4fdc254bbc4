using System.Globalization;
using KvShiftScale.Core.Configuration;

namespace KvShiftScale.Models.Configuration;

/// <summary>A key of the <c>model</c> section in which two models differ, with defaults resolved.</summary>
/// <param name="Key">The key, with its section.</param>
/// <param name="Stored">What weights on the disk have.</param>
/// <param name="Wanted">What the configuration asks for.</param>
public sealed record ShapeDifference(string Key, string Stored, string Wanted)
{
    /// <summary>Every key that decides what a trained model computes and that differs; how weights began is over.</summary>
    public static IReadOnlyList<ShapeDifference> Between(ModelConfig stored, ModelConfig wanted)
    {
        var others = ValuesOf(wanted).ToDictionary();
        return [.. ValuesOf(stored).Where(pair => others[pair.Key] != pair.Value)
            .Select(pair => new ShapeDifference(pair.Key, pair.Value, others[pair.Key]))];
    }

    /// <summary>All of them as a sentence for people: <c>model.ffn_size is 32 and not 64</c>.</summary>
    public static string Describe(IReadOnlyList<ShapeDifference> differences)
        => string.Join(", ", differences.Select(difference => $"{difference.Key} is {difference.Stored} and not {difference.Wanted}"));

    private static IEnumerable<KeyValuePair<string, string>> ValuesOf(ModelConfig model)
    {
        // Only odd layers slide, so that a single one never does.
        var window = model.Layers > 1 ? model.SlidingWindow : 0;
        var sliding = window > 0 ? model.Attention(1) : default;
        yield return Pair("vocab_size", model.VocabSize);
        yield return Pair("hidden_size", model.HiddenSize);
        yield return Pair("layers", model.Layers);
        yield return Pair("heads", model.Heads);
        yield return Pair("kv_heads", model.ResolvedKvHeads);
        yield return Pair("head_size", model.ResolvedHeadSize);
        yield return Pair("ffn_size", model.FfnSize);
        yield return Pair("rope_base", model.RopeBase);
        yield return Pair("norm_epsilon", model.NormEpsilon);
        yield return new("model.tie_embeddings", model.TieEmbeddings ? "true" : "false");
        yield return new("model.kv_shift", ConfigKeys.NameOf(model.KvShift.ToString()));
        yield return Pair("sliding_window", window);
        yield return Pair("sliding_heads", sliding.Heads);
        yield return Pair("sliding_kv_heads", sliding.KvHeads);
        yield return Pair("sliding_head_size", sliding.HeadSize);
    }

    private static KeyValuePair<string, string> Pair(string key, IFormattable value)
        => new($"model.{key}", value.ToString(null, CultureInfo.InvariantCulture));
}
