using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using KvShiftScale.Core.Configuration;
using KvShiftScale.Models.Configuration;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>Whose names and keys a model folder has.</summary>
public enum ModelNaming
{
    /// <summary>Llama's tensor names with <c>k_shift</c> and <c>v_shift</c>, and <c>kv_shift</c> in config.json: what training writes.</summary>
    KvShift,

    /// <summary>Llama's names. Shift tensors may be there; config.json does not speak of them.</summary>
    Llama,

    /// <summary>
    /// Baichuan-M1: <c>W_pack</c> for q, k and v together, <c>conv_k</c> and <c>conv_v</c>, and rows of the head scaled to length 1.
    /// </summary>
    Baichuan,

    /// <summary>
    /// The names of <see cref="KvShift"/>, with the classes beside them by which Hugging Face's transformers loads the folder. Only written: what is read
    /// has <see cref="KvShift"/>.
    /// </summary>
    HuggingFace,
}

/// <summary><c>config.json</c> of a model folder.</summary>
/// <param name="Model">Shape. <see cref="ModelConfig.KvShiftInit"/> is no property of a trained model and is not kept.</param>
/// <param name="Context">The longest sequence the model was trained on.</param>
public sealed record ModelDescription(ModelConfig Model, int Context)
{
    /// <summary>Name of the file in the folder.</summary>
    public const string FileName = "config.json";

    internal static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Whose keys the file has.</summary>
    public ModelNaming Naming { get; init; } = ModelNaming.KvShift;

    /// <summary>The file says what is shifted. Otherwise the tensors decide, and <see cref="Model"/> has the vanilla transformer.</summary>
    public bool StatesShift { get; init; } = true;

    /// <summary>Ids that end a text (<c>eos_token_id</c>); none where the file says none.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    /// <summary>Id that begins a text (<c>bos_token_id</c>); null where the file says none.</summary>
    public int? BeginId { get; init; }

    /// <summary>
    /// Keys that decide nothing of what the model computes, such as <c>pad_token_id</c>: handed on as they are when the folder is written again.
    /// </summary>
    public JsonObject Others { get; init; } = [];

    /// <summary>Those of <see cref="Others"/> that this program has never heard of.</summary>
    public IReadOnlyList<string> UnknownKeys { get; init; } = [];

    /// <summary>Reads the file of a model folder.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="InvalidDataException">It is no JSON object, lacks a key, has a value of another kind, or describes a model of another kind.</exception>
    public static ModelDescription Read(string directory) => ModelDescriptionReader.Read(Path.Combine(directory, FileName));

    /// <summary>The file's text.</summary>
    /// <param name="dataType">Element type of the weights as Hugging Face spells it, <c>bfloat16</c>; null leaves the key out.</param>
    public string ToJson(string? dataType = null)
    {
        var json = new JsonObject
        {
            ["architectures"] = new JsonArray(Naming switch
            {
                ModelNaming.Llama => "LlamaForCausalLM",
                ModelNaming.Baichuan => "BaichuanM1ForCausalLM",
                _ => "KvShiftForCausalLM",
            }),
            ["model_type"] = Naming switch { ModelNaming.Llama => "llama", ModelNaming.Baichuan => "baichuan_m1", _ => "kv_shift" },
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
        };
        if (dataType is not null)
        {
            json["torch_dtype"] = dataType;
        }

        if (Naming == ModelNaming.HuggingFace)
        {
            json["auto_map"] = TransformersClasses.AutoMap();
        }

        // Stated also where there are none: readers take ids of their own for a key that is not there, Llama's 1 and 2.
        json["bos_token_id"] = BeginId;
        json["eos_token_id"] = TokenIds.ToJson(StopIds);
        AddVariant(json);
        foreach (var (key, value) in Others)
        {
            json.TryAdd(key, value?.DeepClone());
        }

        return json.ToJsonString(Indented) + "\n";
    }

    private void AddVariant(JsonObject json)
    {
        if (Naming == ModelNaming.Llama)
        {
            json["attention_bias"] = false;
            json["mlp_bias"] = false;
            return;
        }

        if (Naming == ModelNaming.Baichuan)
        {
            json["conv_window"] = 2;
        }
        else
        {
            json["kv_shift"] = ConfigKeys.NameOf(Model.KvShift.ToString());
        }

        var layers = Enumerable.Range(0, Model.Layers).Where(layer => Model.Attention(layer).Window > 0).ToArray();
        if (layers.Length > 0 || Naming == ModelNaming.Baichuan)
        {
            // Where no layer slides, the released class still reads the keys.
            var sliding = layers.Length > 0 ? Model.Attention(layers[0]) : Model.Attention(0) with { Window = Context };
            json["sliding_window"] = sliding.Window;
            json["sliding_window_layers"] = new JsonArray([.. layers.Select(layer => (JsonNode)layer)]);
            json["num_swa_attention_heads"] = sliding.Heads;
            json["num_swa_key_value_heads"] = sliding.KvHeads;
            if (Naming != ModelNaming.Baichuan)
            {
                json["swa_head_dim"] = sliding.HeadSize;
            }
        }
    }
}
