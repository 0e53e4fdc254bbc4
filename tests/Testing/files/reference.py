"""The model once more, in NumPy and float64, from the paper's equations and the Llama block; and safetensors files in thirty lines.

Shares no code with the program: what `kvshift eval` and the import and export of model folders are compared with.
"""
import json
import math
import os
import struct

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def to_bfloat16(values):
    """float32 to the bits of bfloat16, nearest even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_safetensors(path, tensors, dtypes):
    header, data, offset = {}, [], 0
    for name, values in tensors.items():
        kind = dtypes[name] if isinstance(dtypes, dict) else dtypes
        raw = (to_bfloat16(values) if kind == "BF16" else np.asarray(values, DTYPES[kind])).tobytes()
        header[name] = {"dtype": kind, "shape": list(np.shape(values)), "data_offsets": [offset, offset + len(raw)]}
        data.append(raw)
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))


def read_safetensors(path):
    """Name to (element type, float64 array)."""
    with open(path, "rb") as file:
        raw = file.read()
    (length,) = struct.unpack("<Q", raw[:8])
    tensors = {}
    for name, entry in json.loads(raw[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(raw[8 + length + begin:8 + length + end], DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = (entry["dtype"], values.astype(np.float64).reshape(entry["shape"]))
    return tensors


def read_folder(folder):
    """(config, name to float64 array), from one file or several."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    index = os.path.join(folder, "model.safetensors.index.json")
    names = ["model.safetensors"]
    if os.path.exists(index):
        with open(index, encoding="utf-8") as file:
            names = sorted(set(json.load(file)["weight_map"].values()))
    tensors = {}
    for name in names:
        for key, (_, values) in read_safetensors(os.path.join(folder, name)).items():
            assert key not in tensors, key
            tensors[key] = values
    return config, tensors


class Model:
    """A decoder of a model folder in any of the three namings."""

    def __init__(self, config, tensors, vanilla=False):
        self.config, self.tensors, self.vanilla = config, tensors, vanilla
        self.hidden = config["hidden_size"]
        self.layers = config["num_hidden_layers"]
        self.eps = config.get("rms_norm_eps", 1e-6)
        parameters = config.get("rope_parameters") or {}
        self.base = config.get("rope_theta", parameters.get("rope_theta", 10000.0))
        self.baichuan = config.get("model_type") == "baichuan_m1"
        head = tensors["model.embed_tokens.weight" if config.get("tie_word_embeddings") else "lm_head.weight"]
        if self.baichuan:
            head = head / np.maximum(np.sqrt((head ** 2).sum(1, keepdims=True)), 1e-12)
        self.head = head

    def attention_shape(self, layer):
        config = self.config
        sliding = layer in config.get("sliding_window_layers", [])
        heads = config["num_swa_attention_heads"] if sliding else config["num_attention_heads"]
        kv_heads = config["num_swa_key_value_heads"] if sliding else config.get("num_key_value_heads", heads)
        size = config.get("swa_head_dim" if sliding else "head_dim", self.hidden // heads)
        return heads, kv_heads, size, config["sliding_window"] if sliding else None

    def norm(self, x, name):
        return x / np.sqrt((x ** 2).mean(-1, keepdims=True) + self.eps) * self.tensors[name]

    def rotate(self, x, size):
        """Rotate-half convention; x is [tokens, heads, size]."""
        angles = np.arange(len(x))[:, None] * self.base ** (-2.0 * np.arange(size // 2) / size)
        cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
        first, second = x[..., :size // 2], x[..., size // 2:]
        return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)

    def shift(self, x, prefix, which):
        """Weights of positions t - width + 1 to t, in that order of columns; x is [tokens, kv_heads, size]."""
        scalars = self.tensors.get(f"{prefix}.{which}_shift")
        if scalars is None and f"{prefix}.conv_{which}" in self.tensors:
            scalars = self.tensors[f"{prefix}.conv_{which}"].reshape(x.shape[1], -1)
        if scalars is None or self.vanilla:
            return x
        width = scalars.shape[1]
        mixed = np.zeros_like(x)
        for back in range(width):
            moved = np.concatenate([np.zeros_like(x[:back]), x[:len(x) - back]])[:len(x)]
            mixed += moved * scalars[None, :, width - 1 - back, None]
        return mixed

    def attention(self, x, layer):
        prefix = f"model.layers.{layer}.self_attn"
        heads, kv_heads, size, window = self.attention_shape(layer)
        if self.baichuan:
            q, k, v = np.split(x @ self.tensors[f"{prefix}.W_pack.weight"].T, [heads * size, (heads + kv_heads) * size], -1)
        else:
            q, k, v = (x @ self.tensors[f"{prefix}.{which}_proj.weight"].T for which in "qkv")
        tokens = len(x)
        q = self.shift(q.reshape(tokens, heads, size), prefix, "q")
        k = self.shift(k.reshape(tokens, kv_heads, size), prefix, "k")
        v = self.shift(v.reshape(tokens, kv_heads, size), prefix, "v")
        q, k = self.rotate(q, size), self.rotate(k, size)
        k, v = (np.repeat(y, heads // kv_heads, 1) for y in (k, v))
        scores = np.einsum("thd,shd->hts", q, k) / math.sqrt(size)
        distance = np.arange(tokens)[:, None] - np.arange(tokens)[None]
        hidden = (distance < 0) if window is None else (distance < 0) | (distance >= window)
        scores = np.where(hidden, -np.inf, scores)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        mixed = np.einsum("hts,shd->thd", weights, v).reshape(tokens, heads * size)
        return mixed @ self.tensors[f"{prefix}.o_proj.weight"].T

    def logits(self, ids):
        x = self.tensors["model.embed_tokens.weight"][ids]
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}"
            x = x + self.attention(self.norm(x, f"{prefix}.input_layernorm.weight"), layer)
            y = self.norm(x, f"{prefix}.post_attention_layernorm.weight")
            gate = y @ self.tensors[f"{prefix}.mlp.gate_proj.weight"].T
            up = y @ self.tensors[f"{prefix}.mlp.up_proj.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ self.tensors[f"{prefix}.mlp.down_proj.weight"].T
        return self.norm(x, "model.norm.weight") @ self.head.T

    def loss(self, documents, context):
        """(mean negative log-likelihood, targets): each window of `context` inputs of a document stands alone."""
        total, count = 0.0, 0
        for ids in documents:
            for start in range(0, len(ids) - 1, context):
                window = np.asarray(ids[start:start + context + 1])
                logits = self.logits(window[:-1])
                largest = logits.max(-1)
                chosen = logits[np.arange(len(logits)), window[1:]]
                total += float((largest + np.log(np.exp(logits - largest[:, None]).sum(-1)) - chosen).sum())
                count += len(logits)
        return total / count, count
