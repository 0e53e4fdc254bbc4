using System.Text.Json;
using System.Text.Json.Nodes;
using KvShiftScale.Models;

namespace KvShiftScale.Trainer.ModelFiles;

/// <summary><c>config.json</c> of a model folder, with the key names of Llama checkpoints and one of our own, <c>kv_shift</c>.</summary>
/// <param name="Model">Shape.</param>
/// <param name="Context">The longest sequence the model was trained on.</param>
internal sealed record ModelDescription(ModelConfig Model, int Context)
{
    /// <summary>Name of the file in the folder.</summary>
    public const string FileName = "config.json";

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <summary>The file's text.</summary>
    public string ToJson() => new JsonObject
    {
        ["architectures"] = new JsonArray("KvShiftForCausalLM"),
        ["model_type"] = "kv_shift",
        ["vocab_size"] = Model.VocabSize,
        ["hidden_size"] = Model.HiddenSize,
        ["num_hidden_layers"] = Model.Layers,
        ["num_attention_heads"] = Model.Heads,
        ["num_key_value_heads"] = Model.ResolvedKvHeads,
        ["head_dim"] = Model.ResolvedHeadSize,
        ["intermediate_size"] = Model.FfnSize,
        ["max_position_embeddings"] = Context,
        ["rope_theta"] = Model.RopeBase,
        ["rms_norm_eps"] = Model.NormEpsilon,
        ["tie_word_embeddings"] = Model.TieEmbeddings,
        ["hidden_act"] = "silu",
        ["initializer_range"] = Model.InitStd,
        ["kv_shift"] = Model.KvShift == KvShiftVariant.None ? "none" : "kv",
    }.ToJsonString(s_indented) + "\n";

    /// <summary>Reads the file of a model folder.</summary>
    /// <exception cref="InvalidDataException">It is no JSON object, lacks a key, or has a value of another kind.</exception>
    public static ModelDescription Read(string directory)
    {
        var path = Path.Combine(directory, FileName);
        if (!File.Exists(path))
            throw new FileNotFoundException($"{path} does not exist; a model folder holds {FileName} and model.safetensors", path);
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(File.ReadAllBytes(path));
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path} is not JSON: {exception.Message}", exception);
        }

        int Whole(string key) => Value<int>(key);
        T Value<T>(string key) => root is JsonObject known && known[key] is JsonValue value && value.TryGetValue<T>(out var result)
            ? result
            : throw new InvalidDataException($"{path}: '{key}' is missing or no {typeof(T).Name}; a model folder needs it");
        T Optional<T>(string key, T otherwise) => root is JsonObject known && known[key] is not null ? Value<T>(key) : otherwise;

        // What a checkpoint asks for and this model cannot do would give a wrong loss without a word.
        Refuse("rope_scaling", value => value is not null);
        Refuse("attention_bias", value => value is JsonValue flag && flag.TryGetValue<bool>(out var set) && set);
        Refuse("mlp_bias", value => value is JsonValue flag && flag.TryGetValue<bool>(out var set) && set);
        Refuse("hidden_act", value => value is JsonValue name && name.TryGetValue<string>(out var text) && text != "silu");
        void Refuse(string key, Func<JsonNode?, bool> isUnsupported)
        {
            if (root is JsonObject known && known.ContainsKey(key) && isUnsupported(known[key]))
                throw new InvalidDataException($"{path}: '{key}' is {known[key]?.ToJsonString()}, which this model does not have");
        }

        var heads = Whole("num_attention_heads");
        var model = new ModelConfig
        {
            VocabSize = Whole("vocab_size"),
            HiddenSize = Whole("hidden_size"),
            Layers = Whole("num_hidden_layers"),
            Heads = heads,
            KvHeads = Optional("num_key_value_heads", heads),
            HeadSize = Optional("head_dim", 0),
            FfnSize = Whole("intermediate_size"),
            RopeBase = Optional("rope_theta", 10_000.0),
            NormEpsilon = Optional("rms_norm_eps", 1e-6),
            TieEmbeddings = Optional("tie_word_embeddings", false),
            InitStd = Optional("initializer_range", 0.02),
            KvShift = Optional("kv_shift", "none") switch
            {
                "kv" => KvShiftVariant.Kv,
                "none" => KvShiftVariant.None,
                var other => throw new InvalidDataException($"{path}: kv_shift is '{other}'; known are 'kv' and 'none'"),
            },
        };
        return new ModelDescription(model, Whole("max_position_embeddings"));
    }
}
