"""Imports a model folder into PyTorch, computes its loss there, and writes it back:  elsewhere.py FOLDER DOCUMENTS CONTEXT OUTPUT

FOLDER has Llama's names with k_shift and v_shift. Prints {"loss", "tokens", "torch"}. OUTPUT gets the same tensors in two files, in
another order, through torch.save and torch.load. The forward pass is a third one: the shift is a depthwise conv1d over time.
"""
import io
import json
import os
import sys

import numpy as np
import torch
from torch.nn import functional as F

from reference import read_folder, write_safetensors


def forward(config, weights, ids):
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size, eps, tokens = config["head_dim"], config["rms_norm_eps"], len(ids)
    angles = torch.outer(torch.arange(tokens, dtype=torch.float64), config["rope_theta"] ** (-torch.arange(0, size, 2, dtype=torch.float64) / size))
    turn = torch.polar(torch.ones_like(angles), angles)

    def norm(x, name):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weights[name]

    def rotate(x):
        # Pairs (i, i + size / 2) as complex numbers.
        turned = torch.complex(x[..., :size // 2].contiguous(), x[..., size // 2:].contiguous()) * turn
        return torch.cat([turned.real, turned.imag], -1)

    def shift(x, name):
        # [kv_heads, tokens, size]: every channel of a head is a sequence for the same kernel [previous, current].
        if name not in weights:
            return x
        kernel = weights[name].unsqueeze(1)
        return F.conv1d(F.pad(x.permute(2, 0, 1), (1, 0)), kernel, groups=kv_heads).permute(1, 2, 0)

    def split(x, count):
        return x.view(tokens, count, size).transpose(0, 1)

    x = F.embedding(torch.tensor(ids), weights["model.embed_tokens.weight"])
    mask = torch.full((tokens, tokens), float("-inf"), dtype=torch.float64).triu(1)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        y = norm(x, prefix + "input_layernorm.weight")
        q, k, v = (split(F.linear(y, weights[f"{prefix}self_attn.{which}_proj.weight"]), count)
                   for which, count in (("q", heads), ("k", kv_heads), ("v", kv_heads)))
        k, v = shift(k, prefix + "self_attn.k_shift"), shift(v, prefix + "self_attn.v_shift")
        q, k = rotate(q), rotate(k)
        k, v = (z.repeat_interleave(heads // kv_heads, 0) for z in (k, v))
        mixed = torch.softmax(q @ k.transpose(1, 2) * size ** -0.5 + mask, -1) @ v
        x = x + F.linear(mixed.transpose(0, 1).reshape(tokens, heads * size), weights[prefix + "self_attn.o_proj.weight"])
        y = norm(x, prefix + "post_attention_layernorm.weight")
        gate, up = (F.linear(y, weights[f"{prefix}mlp.{which}_proj.weight"]) for which in ("gate", "up"))
        x = x + F.linear(F.silu(gate) * up, weights[prefix + "mlp.down_proj.weight"])
    head = "model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"
    return F.linear(norm(x, "model.norm.weight"), weights[head])


def main(folder, documents, context, output):
    config, tensors = read_folder(folder)
    stored = {name: torch.from_numpy(values.astype(np.float32)) for name, values in tensors.items()}
    buffer = io.BytesIO()
    torch.save(stored, buffer)
    buffer.seek(0)
    stored = torch.load(buffer)

    weights = {name: values.double() for name, values in stored.items()}
    total, count = 0.0, 0
    with open(documents, encoding="utf-8") as file:
        for ids in json.load(file):
            for start in range(0, len(ids) - 1, context):
                window = ids[start:start + context + 1]
                total += F.cross_entropy(forward(config, weights, window[:-1]), torch.tensor(window[1:]), reduction="sum").item()
                count += len(window) - 1

    os.makedirs(output)
    names = sorted(stored, reverse=True)
    weight_map = {}
    for i, part in enumerate((names[::2], names[1::2])):
        file_name = f"model-{i + 1:05}-of-00002.safetensors"
        write_safetensors(os.path.join(output, file_name), {name: stored[name].numpy() for name in part}, "F32")
        weight_map.update({name: file_name for name in part})
    with open(os.path.join(output, "model.safetensors.index.json"), "w", encoding="utf-8") as file:
        json.dump({"weight_map": weight_map}, file)
    with open(os.path.join(output, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    print(json.dumps({"loss": total / count, "tokens": count, "torch": torch.__version__}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
