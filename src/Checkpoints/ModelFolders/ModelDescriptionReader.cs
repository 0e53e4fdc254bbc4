using System.Text.Json;
using System.Text.Json.Nodes;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>
/// Reads <c>config.json</c> as Llama, Baichuan-M1 or this program write it. What the file asks for and this model cannot do is refused:
/// ignoring it would give a wrong loss without a word.
/// </summary>
internal sealed class ModelDescriptionReader(string path, JsonElement root)
{
    private const long LongestFile = 16 << 20;

    // Far beyond any model, and small enough that products of them fit 64 bits.
    private const int LargestExtent = 1 << 24;
    private const int LargestHidden = 1 << 20;
    private const int MostLayers = 4096;

    /// <summary>Reads a file; see <see cref="ModelDescription.Read"/>.</summary>
    public static ModelDescription Read(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new FileNotFoundException(
                $"{path} does not exist; a model folder holds {ModelDescription.FileName} and {WeightFiles.SingleFileName}", path);
        }
        if (file.Length > LongestFile)
        {
            throw new InvalidDataException($"{path} has {file.Length} bytes; a model's configuration is shorter");
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path),
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException($"{path} holds a JSON {document.RootElement.ValueKind}; wanted an object");
            }

            return new ModelDescriptionReader(path, document.RootElement).Read();
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path} is not JSON: {exception.Message}", exception);
        }
        catch (InvalidOperationException exception)
        {
            // System.Text.Json's answer to a text with broken UTF-8 or half a surrogate pair.
            throw new InvalidDataException($"{path} holds text that is not Unicode", exception);
        }
    }

    private ModelDescription Read()
    {
        var naming = Naming();
        Refuse();
        var hidden = Extent("hidden_size", null, LargestHidden);
        var heads = Extent("num_attention_heads");
        var layers = Extent("num_hidden_layers", null, MostLayers);
        var kvHeads = Extent("num_key_value_heads", heads);
        var headSize = Optional("head_dim") is null ? HeadSizeOf(hidden, heads, "num_attention_heads") : Extent("head_dim");
        if (naming == ModelNaming.Baichuan && headSize * heads != hidden)
        {
            throw Fault($"'head_dim' is {headSize} for {heads} heads of a hidden size of {hidden}; wanted {hidden / heads}, as Baichuan-M1's class has it");
        }

        var context = Extent("max_position_embeddings", null, int.MaxValue);
        var model = new ModelConfig
        {
            VocabSize = Extent("vocab_size"),
            HiddenSize = hidden,
            Layers = layers,
            Heads = heads,
            KvHeads = kvHeads,
            HeadSize = headSize,
            FfnSize = Extent("intermediate_size"),
            RopeBase = RopeBase(),
            NormEpsilon = Number("rms_norm_eps", 1e-6),
            TieEmbeddings = Flag("tie_word_embeddings"),
            InitStd = Number("initializer_range", 0.02),
            KvShift = naming switch
            {
                ModelNaming.KvShift => Shift(),
                ModelNaming.Baichuan => KvShiftVariant.Kv,
                _ => KvShiftVariant.None,
            },
        };
        model = WithSliding(model, naming, context);
        if (naming == ModelNaming.Baichuan)
        {
            CheckBaichuan(model);
        }

        if (ModelRules.FaultsOf(model) is [var fault, ..])
        {
            throw Fault($"{fault.Key} = {fault.Value}: {fault.Rule}");
        }

        var (others, unknown) = OtherKeys.Of(root);
        var keys = JsonObject.Create(root)!;
        return new ModelDescription(model, context)
        {
            Naming = naming,
            StatesShift = naming != ModelNaming.Llama,
            StopIds = TokenIds.ReadEnds(keys, path),
            BeginId = TokenIds.ReadBegin(keys, path),
            Others = others,
            UnknownKeys = unknown,
        };
    }

    private ModelNaming Naming()
    {
        var type = Text("model_type");
        if (type == "baichuan_m1")
        {
            return ModelNaming.Baichuan;
        }

        if (Optional("kv_shift") is not null)
        {
            return ModelNaming.KvShift;
        }
        // Other families share Llama's tensor names and still compute something else (a norm of 1 + weight, scaled embeddings).
        if (type is null or "llama" or "mistral" || type.Contains("shift", StringComparison.OrdinalIgnoreCase))
        {
            return ModelNaming.Llama;
        }

        throw Fault($"'model_type' is '{type}'; known are llama, mistral, baichuan_m1 and kv_shift, and this model cannot stand in for others");
    }

    private void Refuse()
    {
        if (OtherKeys.FirstChanging(root) is { } changing)
        {
            throw Fault($"'{changing.Name}' is {Shorten(changing.Value)}, which this model does not have{(OtherKeys.IsActivation(changing.Name) ? "; wanted silu" : "")}");
        }

        if (Optional("rope_scaling") is { } scaling && RopeType(scaling) != "default")
        {
            throw Fault($"'rope_scaling' is {Shorten(scaling)}, which this model does not have; wanted null");
        }
    }

    // The base stands at the top level, in rope_parameters (newer files), or in both.
    private double RopeBase()
    {
        double? nested = null;
        if (Optional("rope_parameters") is { } parameters)
        {
            if (parameters.ValueKind != JsonValueKind.Object || RopeType(parameters) is not (null or "default"))
            {
                throw Fault($"'rope_parameters' is {Shorten(parameters)}, which this model does not have; wanted rope_type default");
            }

            if (parameters.TryGetProperty("rope_theta", out var theta))
            {
                nested = theta.ValueKind == JsonValueKind.Number
                    ? theta.GetDouble() : throw Fault($"'rope_parameters.rope_theta' is {Shorten(theta)}; wanted a number");
            }

            if (parameters.TryGetProperty("partial_rotary_factor", out var factor) && !OtherKeys.IsNeutral(factor))
            {
                throw Fault($"'rope_parameters.partial_rotary_factor' is {Shorten(factor)}, which this model does not have");
            }

            if (parameters.EnumerateObject().Any(entry => entry.Value.ValueKind == JsonValueKind.Object))
            {
                throw Fault($"'rope_parameters' is {Shorten(parameters)}; rotary positions that differ between layers are not what this model has");
            }
        }
        var plain = Optional("rope_theta") is null ? null : (double?)Number("rope_theta", 0);
        if (plain is { } outer && nested is { } inner && outer != inner)
        {
            throw Fault(FormattableString.Invariant($"'rope_theta' is {outer} and 'rope_parameters.rope_theta' is {inner}; wanted one base"));
        }

        return plain ?? nested ?? 10_000.0;
    }

    private KvShiftVariant Shift()
    {
        var name = Text("kv_shift");
        foreach (var variant in Enum.GetValues<KvShiftVariant>())
        {
            if (ConfigKeys.NameOf(variant.ToString()) == name)
            {
                return variant;
            }
        }
        throw Fault($"kv_shift is '{name}'; known are {string.Join(", ", Enum.GetValues<KvShiftVariant>().Select(variant => ConfigKeys.NameOf(variant.ToString())))}");
    }

    private ModelConfig WithSliding(ModelConfig model, ModelNaming naming, int context)
    {
        var window = Optional("sliding_window") is null ? 0 : Extent("sliding_window", null, int.MaxValue);
        var layers = SlidingLayers(model.Layers);
        // A window that nothing is longer than hides nothing; Qwen's switch says that the number is not in use.
        if (layers is null && (window == 0 || window >= context
            || Optional("use_sliding_window") is { ValueKind: JsonValueKind.False }))
        {
            return model;
        }

        if (layers is { Count: 0 })
        {
            return model;
        }

        var odd = Enumerable.Range(0, model.Layers).Where(layer => layer % 2 == 1);
        if (layers is null || !layers.SequenceEqual(odd))
        {
            throw Fault($"{(layers is null ? "all layers slide" : $"layers {string.Join(", ", layers.Take(8))}{(layers.Count > 8 ? ", ..." : "")} slide")}"
                + "; this model has a sliding window in every second layer, at odd indices, or in none");
        }
        if (window == 0)
        {
            throw Fault("'sliding_window' is missing, and some layers slide");
        }

        var heads = Extent("num_swa_attention_heads", model.Heads);
        var headSize = naming == ModelNaming.Baichuan
            ? HeadSizeOf(model.HiddenSize, heads, "num_swa_attention_heads") : Extent("swa_head_dim", model.HeadSize);
        return model with
        {
            SlidingWindow = window,
            SlidingHeads = heads,
            SlidingKvHeads = Extent("num_swa_key_value_heads", model.KvHeads),
            SlidingHeadSize = headSize,
        };
    }

    // Indices of sliding layers, ascending; null where the file does not name layers.
    private List<int>? SlidingLayers(int count)
    {
        if (Optional("sliding_window_layers") is { } listed)
        {
            if (listed.ValueKind != JsonValueKind.Array)
            {
                throw Fault($"'sliding_window_layers' is {Shorten(listed)}; wanted a list of layer indices");
            }

            var layers = new SortedSet<int>();
            foreach (var item in listed.EnumerateArray())
            {
                if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out var layer) || layer < 0 || layer >= count || !layers.Add(layer))
                {
                    throw Fault($"'sliding_window_layers' holds {Shorten(item)}; wanted each layer once, from 0 to {count - 1}");
                }
            }
            return [.. layers];
        }
        if (Optional("layer_types") is not { } types)
        {
            return null;
        }

        if (types.ValueKind != JsonValueKind.Array || types.GetArrayLength() != count)
        {
            throw Fault($"'layer_types' is {Shorten(types)}; wanted a list of {count}, one for each layer");
        }

        var sliding = new List<int>();
        for (var layer = 0; layer < count; layer++)
        {
            var kind = types[layer].ValueKind == JsonValueKind.String ? types[layer].GetString() : null;
            if (kind == "sliding_attention")
            {
                sliding.Add(layer);
            }
            else if (kind != "full_attention")
            {
                throw Fault($"'layer_types' holds {Shorten(types[layer])}; known are full_attention and sliding_attention");
            }
        }
        return sliding;
    }

    private void CheckBaichuan(ModelConfig model)
    {
        if (Extent("conv_window", 2) != 2)
        {
            throw Fault($"'conv_window' is {Shorten(Optional("conv_window")!.Value)}; wanted 2");
        }

        if (model.TieEmbeddings)
        {
            throw Fault("'tie_word_embeddings' is true; a head with rows of length 1 is not this model's embedding");
        }
    }

    private int HeadSizeOf(int hidden, int heads, string key) => hidden % heads == 0
        ? hidden / heads
        : throw Fault($"'{key}' is {heads}, which does not divide the hidden size of {hidden}");

    private JsonElement? Optional(string key)
        => root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private int Extent(string key, int? otherwise = null, int largest = LargestExtent)
    {
        if (Optional(key) is not { } value)
        {
            return otherwise ?? throw Fault($"'{key}' is missing; a model folder needs it");
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= 1 && number <= largest
            ? number
            : throw Fault($"'{key}' is {Shorten(value)}; wanted a whole number from 1 to {largest}");
    }

    private double Number(string key, double otherwise)
    {
        if (Optional(key) is not { } value)
        {
            return otherwise;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw Fault($"'{key}' is {Shorten(value)}; wanted a number");
    }

    private bool Flag(string key)
    {
        if (Optional(key) is not { } value)
        {
            return false;
        }

        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Fault($"'{key}' is {Shorten(value)}; wanted true or false");
    }

    private string? Text(string key)
    {
        if (Optional(key) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Fault($"'{key}' is {Shorten(value)}; wanted text");
    }

    private static string? RopeType(JsonElement scaling)
    {
        if (scaling.ValueKind != JsonValueKind.Object)
        {
            return "";
        }

        foreach (var key in (string[])["rope_type", "type"])
        {
            if (scaling.TryGetProperty(key, out var type))
            {
                return type.ValueKind == JsonValueKind.String ? type.GetString() : "";
            }
        }
        return null;
    }

    private static string Shorten(JsonElement value) => value.GetRawText() is { Length: > 80 } text ? text[..77] + "..." : value.GetRawText();

    private InvalidDataException Fault(string fault) => new($"{path}: {fault}");
}
