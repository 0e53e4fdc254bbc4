using System.Text.RegularExpressions;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>A tensor of a file and the parameters that it holds, one after the other along its first axis.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Shape">Shape in the file.</param>
/// <param name="Parts">Names of the model's parameters; one, unless the naming packs several into one tensor.</param>
internal sealed record StoredTensor(string Name, IReadOnlyList<long> Shape, IReadOnlyList<string> Parts);

/// <summary>Which tensors of a file hold the parameters of a model, by the names of a naming. Import and export read it both ways.</summary>
internal static partial class WeightLayout
{
    /// <summary>The output head.</summary>
    public const string Head = "lm_head.weight";

    /// <summary>The embedding of the input.</summary>
    public const string Embedding = "model.embed_tokens.weight";

    /// <summary>The tensors of a model, in the order of its parameters.</summary>
    /// <param name="naming">Whose names.</param>
    /// <param name="parameters">Name and shape of every parameter of the model.</param>
    public static IReadOnlyList<StoredTensor> Of(ModelNaming naming, IReadOnlyList<(string Name, IReadOnlyList<long> Shape)> parameters)
    {
        if (naming != ModelNaming.Baichuan)
        {
            return [.. parameters.Select(parameter => new StoredTensor(parameter.Name, parameter.Shape, [parameter.Name]))];
        }

        var shapes = parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Shape);
        var tensors = new List<StoredTensor>();
        foreach (var (name, shape) in parameters)
        {
            if (Projection().Match(name) is { Success: true } projection)
            {
                if (projection.Groups["which"].Value != "q")
                {
                    continue;
                }

                var attention = projection.Groups["attention"].Value;
                string[] parts = [name, $"{attention}.k_proj.weight", $"{attention}.v_proj.weight"];
                tensors.Add(new StoredTensor($"{attention}.W_pack.weight", [parts.Sum(part => shapes[part][0]), shape[1]], parts));
            }
            else if (Shift().Match(name) is { Success: true } shift)
            {
                // (1, 1, kv_heads, 1, window): kernels that broadcast over batch, tokens and channels. The order of slots is ours.
                tensors.Add(new StoredTensor($"{shift.Groups["attention"].Value}.conv_{shift.Groups["which"].Value}", [1, 1, shape[0], 1, shape[1]],
                    [name]));
            }
            else
            {
                tensors.Add(new StoredTensor(name, shape, [name]));
            }
        }
        return tensors;
    }

    /// <summary>Whether a parameter holds scalars of the shift.</summary>
    public static bool IsShift(string parameter) => Shift().IsMatch(parameter);

    /// <summary>Whether a tensor of a file holds scalars of the shift, under any naming.</summary>
    public static bool IsStoredShift(string tensor) => StoredShift().IsMatch(tensor);

    /// <summary>Whether a tensor can be left unread because it follows from the configuration: rotary frequencies, which old files carry.</summary>
    public static bool IsDerived(string tensor) => tensor.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal);

    /// <summary>The layer that a tensor belongs to, counted from 0; null where its name has none.</summary>
    public static int? LayerOf(string tensor)
        => Layer().Match(tensor) is { Success: true } match && int.TryParse(match.Groups["layer"].ValueSpan, out var layer) ? layer : null;

    [GeneratedRegex(@"^model\.layers\.(?<layer>[0-9]+)\.")]
    private static partial Regex Layer();

    [GeneratedRegex(@"^(?<attention>.+\.self_attn)\.(?<which>[qkv])_proj\.weight$")]
    private static partial Regex Projection();

    [GeneratedRegex(@"^(?<attention>.+\.self_attn)\.(?<which>[qkv])_shift$")]
    private static partial Regex Shift();

    [GeneratedRegex(@"\.self_attn\.([qkv]_shift|conv_[kv])$")]
    private static partial Regex StoredShift();
}
