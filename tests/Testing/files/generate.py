"""Writes the model folders of this directory, documents.json and expected.json:  python3 generate.py

The Parquet shards are written from documents.json by shards.mjs. NumPy 1.24 wrote what is checked in.
"""
import json
import os

import numpy as np

from reference import Model, read_folder, write_safetensors

VOCABULARY, HIDDEN, LAYERS, FFN, CONTEXT = 97, 24, 3, 40, 32
HERE = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(2026)


def normal(*shape, scale=1.0):
    return random.standard_normal(shape) * scale


def scalars(heads):
    return random.uniform(-0.5, 1.3, (heads, 2))


def base(tied=False):
    tensors = {"model.embed_tokens.weight": normal(VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        tensors[f"{prefix}.input_layernorm.weight"] = random.uniform(0.5, 1.5, HIDDEN)
        tensors[f"{prefix}.post_attention_layernorm.weight"] = random.uniform(0.5, 1.5, HIDDEN)
        for name, shape in (("gate_proj", (FFN, HIDDEN)), ("up_proj", (FFN, HIDDEN)), ("down_proj", (HIDDEN, FFN))):
            tensors[f"{prefix}.mlp.{name}.weight"] = normal(*shape, scale=shape[1] ** -0.5)
    tensors["model.norm.weight"] = random.uniform(0.5, 1.5, HIDDEN)
    if not tied:
        tensors["lm_head.weight"] = normal(VOCABULARY, HIDDEN, scale=0.4)
    return tensors


def projections(prefix, heads, kv_heads, size):
    return {f"{prefix}.{which}_proj.weight": normal(count * size, HIDDEN, scale=HIDDEN ** -0.5)
            for which, count in (("q", heads), ("k", kv_heads), ("v", kv_heads))} | {
        f"{prefix}.o_proj.weight": normal(HIDDEN, heads * size, scale=(heads * size) ** -0.5)}


def write(name, config, tensors, dtypes, files=1):
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    config = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "intermediate_size": FFN,
              "max_position_embeddings": CONTEXT, "hidden_act": "silu"} | config
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    if files == 1:
        write_safetensors(os.path.join(folder, "model.safetensors"), tensors, dtypes)
        return
    names = sorted(tensors)
    parts = [names[i::files] for i in range(files)]
    index = {"metadata": {"total_size": 0}, "weight_map": {}}
    for i, part in enumerate(parts):
        file_name = f"model-{i + 1:05}-of-{files:05}.safetensors"
        write_safetensors(os.path.join(folder, file_name), {key: tensors[key] for key in part}, dtypes)
        index["weight_map"].update({key: file_name for key in part})
    with open(os.path.join(folder, "model.safetensors.index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file, indent=2)
        file.write("\n")


def kvshift():
    """Grouped queries, a head size that is not hidden / heads; config.json does not speak of the shift."""
    tensors = base()
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}.self_attn"
        tensors |= projections(prefix, 4, 2, 8)
        tensors |= {f"{prefix}.k_shift": scalars(2), f"{prefix}.v_shift": scalars(2)}
    write("kvshift", {"model_type": "kv_shift", "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "rope_theta": 1000.0,
                      "rms_norm_eps": 1e-5, "tie_word_embeddings": False}, tensors, "F32")


def llama():
    """A Llama folder as newer programs write it: bfloat16, three files, tied embeddings, rope_parameters, no num_key_value_heads."""
    tensors = base(tied=True)
    for layer in range(LAYERS):
        tensors |= projections(f"model.layers.{layer}.self_attn", 4, 4, 6)
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = np.ones(3)
    write("llama", {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_attention_heads": 4,
                    "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}, "rope_scaling": None, "attention_bias": False,
                    "tie_word_embeddings": True, "eos_token_id": [2, 5], "torch_dtype": "bfloat16"}, tensors, "BF16", files=3)


def baichuan(name, sliding):
    """Baichuan-M1's names in float16: packed projections, kernels of five axes, a head that is not normalised in the file."""
    tensors = base()
    layers = [layer for layer in range(LAYERS) if layer % 2 == 1] if sliding else []
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}.self_attn"
        heads, kv_heads = (6, 3) if layer in layers else (4, 2)
        parts = projections(prefix, heads, kv_heads, HIDDEN // heads)
        tensors[f"{prefix}.W_pack.weight"] = np.concatenate([parts[f"{prefix}.{which}_proj.weight"] for which in "qkv"])
        tensors[f"{prefix}.o_proj.weight"] = parts[f"{prefix}.o_proj.weight"]
        tensors |= {f"{prefix}.conv_{which}": scalars(kv_heads).reshape(1, 1, kv_heads, 1, 2) for which in "kv"}
    tensors["lm_head.weight"] = tensors["lm_head.weight"] * random.uniform(0.2, 3, (VOCABULARY, 1))
    write(name, {"architectures": ["BaichuanM1ForCausalLM"], "model_type": "baichuan_m1", "num_attention_heads": 4,
                 "num_key_value_heads": 2, "num_swa_attention_heads": 6, "num_swa_key_value_heads": 3, "sliding_window": 5,
                 "sliding_window_layers": layers, "conv_window": 2, "rope_theta": 10000.0, "rms_norm_eps": 1e-6,
                 "tie_word_embeddings": False}, tensors, "F16")


def main():
    kvshift()
    llama()
    baichuan("baichuan", sliding=False)
    baichuan("baichuan-sliding", sliding=True)

    # Empty documents, ones without a target, ones that end at a window's end, and ones longer than the context.
    lengths = [0, 1, 2, 33, 32, 31, 150, 64, 65, 66, 7, 0, 97] + [int(n) for n in random.integers(2, 80, 14)]
    documents = [[int(token) for token in random.integers(0, VOCABULARY, n)] for n in lengths]
    with open(os.path.join(HERE, "documents.json"), "w", encoding="utf-8") as file:
        json.dump(documents, file)
        file.write("\n")

    expected = []
    for name in ("kvshift", "llama", "baichuan", "baichuan-sliding"):
        for vanilla in (False, True):
            for context in (CONTEXT, 7):
                loss, tokens = Model(*read_folder(os.path.join(HERE, name)), vanilla).loss(documents, context)
                expected.append({"model": name, "vanilla": vanilla, "context": context, "loss": loss, "tokens": tokens})
                print(expected[-1])
    with open(os.path.join(HERE, "expected.json"), "w", encoding="utf-8") as file:
        json.dump(expected, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
