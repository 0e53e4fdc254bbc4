using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace KvShiftScale.Checkpoints.ModelFolders;

/// <summary>
/// Keys of a config.json that no field of the model's shape comes from. They fall into those that change what is computed, which are refused,
/// those that are known not to, and those that nobody here has heard of, which a person is told.
/// </summary>
internal static partial class OtherKeys
{
    // Read elsewhere, or written anew by whoever writes the folder.
    private static readonly HashSet<string> Own =
    [
        "architectures", "model_type", "auto_map", "transformers_version", "torch_dtype", "dtype", "vocab_size", "hidden_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings", "rope_theta", "rope_scaling",
        "rope_parameters", "rms_norm_eps", "tie_word_embeddings", "hidden_act", "initializer_range", "bos_token_id", "eos_token_id", "kv_shift",
        "conv_window", "sliding_window", "sliding_window_layers", "use_sliding_window", "max_window_layers", "layer_types",
        "num_swa_attention_heads", "num_swa_key_value_heads", "swa_head_dim",
    ];

    // Dropout is for training; the others say how a program goes about it, or what it prints.
    private static readonly HashSet<string> Harmless =
    [
        "use_cache", "pretraining_tp", "_name_or_path", "name_or_path", "_attn_implementation", "attn_implementation", "attention_dropout",
        "attn_pdrop", "resid_pdrop", "embd_pdrop",
        "hidden_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "output_attentions", "output_hidden_states", "return_dict",
        "torchscript", "use_bfloat16", "id2label", "label2id", "num_labels", "problem_type", "task_specific_params", "finetuning_task", "pruned_heads",
        "chunk_size_feed_forward", "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty", "temperature",
        "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "num_return_sequences", "bad_words_ids", "suppress_tokens",
        "begin_suppress_tokens", "tokenizer_class", "prefix", "output_scores", "return_dict_in_generate", "remove_invalid_values", "gradient_checkpointing",
        "exponential_decay_length_penalty", "tf_legacy_loss", "model_max_length", "is_decoder", "use_flash_attn", "_flash_attn_2_enabled",
    ];

    /// <summary>The first key that asks for a computation that this model does not have; null where none does.</summary>
    public static (string Name, JsonElement Value)? FirstChanging(JsonElement root)
    {
        foreach (var entry in root.EnumerateObject())
        {
            var isActivation = IsActivation(entry.Name);
            if ((isActivation || (!IsKnown(entry.Name) && Changing().IsMatch(entry.Name))) && !IsNeutral(entry.Value)
                && !(isActivation && entry.Value.ValueKind == JsonValueKind.String && entry.Value.GetString() is "silu" or "swish")
                && !(entry.Name == "position_embedding_type" && entry.Value.ValueKind == JsonValueKind.String && entry.Value.GetString() is "rope" or "rotary"))
            {
                return (entry.Name, entry.Value);
            }
        }

        return null;
    }

    /// <summary>What is handed on to a folder that is written from this one, and which of it nobody here knows.</summary>
    public static (JsonObject Kept, IReadOnlyList<string> Unknown) Of(JsonElement root)
    {
        var kept = new JsonObject();
        var unknown = new List<string>();
        foreach (var entry in root.EnumerateObject())
        {
            // What is neutral is neutral without being said.
            if (Own.Contains(entry.Name) || (!IsKnown(entry.Name) && Changing().IsMatch(entry.Name)) || IsActivation(entry.Name))
            {
                continue;
            }

            kept[entry.Name] = JsonNode.Parse(entry.Value.GetRawText());
            if (!IsKnown(entry.Name) && !IsNeutral(entry.Value))
            {
                unknown.Add(entry.Name);
            }
        }

        return (kept, unknown);
    }

    /// <summary>Whether a key names the function in the feed-forward layer.</summary>
    public static bool IsActivation(string key)
        => key is "hidden_act" or "hidden_activation" or "activation_function" or "activation" or "act_fn" or "mlp_act" or "ffn_act_fn";

    /// <summary>A value that asks for nothing: a scale of 1, a bias that is false, an empty list.</summary>
    public static bool IsNeutral(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.False or JsonValueKind.Null => true,
        JsonValueKind.Number => value.GetDouble() is 0 or 1,
        JsonValueKind.String => value.GetString() is "",
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        _ => false,
    };

    private static bool IsKnown(string key) => Own.Contains(key) || Harmless.Contains(key) || TokenId().IsMatch(key);

    // Which token pads, separates, stands for an image.
    [GeneratedRegex(@"^[a-z0-9_]+_token(_id|_ids|_index)?$")]
    private static partial Regex TokenId();

    // Words in the names of keys by which published families change the mathematics: biases, scaled embeddings, residuals and logits, soft caps,
    // other norms, experts, quantised or low-rank weights, rotary positions of half a head or of some layers, chunks and sinks of attention.
    [GeneratedRegex(
        @"bias|soft_?cap|scal(e|ing|ar)|multiplier|rotary|rope|position_embedding_type|norm|expert|moe|alibi|lora|quant|sparse|window|chunk"
        + @"|parallel_(attn|residual|block)|clip_qkv|sink|cross_attention|encoder|shared_layers|nextn|per_layer|dim_model_base|residual|prefix_lm|interleave|latent",
        RegexOptions.IgnoreCase)]
    private static partial Regex Changing();
}
