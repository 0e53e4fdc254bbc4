"""A decoder-only transformer with KV shifting attention (arXiv 2411.19574).

    model = load_folder("my-model")
    logits = model(torch.tensor([[1, 2, 3]]))

needs PyTorch alone. Where transformers is installed, KvShiftForCausalLM is the same network as one of its models:

    model = transformers.AutoModelForCausalLM.from_pretrained("my-model", trust_remote_code=True)

Keys of config.json beside Llama's: kv_shift says what is shifted (kv, k, v, none, qkv, gate, clip, window2, window3, window4); layers in
sliding_window_layers see sliding_window keys, their own counted, and have num_swa_attention_heads, num_swa_key_value_heads and
swa_head_dim. There is no cache of keys and values: each token that is generated computes the text before it again.
"""
import json
import mmap
import os
import struct

import torch
from torch import nn
from torch.nn import functional

SHIFTED = {"kv": "kv", "k": "k", "v": "v", "none": "", "qkv": "qkv", "gate": "kv", "clip": "kv", "window2": "kv", "window3": "kv", "window4": "kv"}
TAPS = {"window3": 3, "window4": 4}

STORED = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class RmsNorm(nn.Module):
    """x / sqrt(mean(x^2) + epsilon) * weight over the last axis, computed in float32 or wider."""

    def __init__(self, size, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)).to(x.dtype) * self.weight


def shift_weights(variant, scalars):
    """Learned scalars [heads, 1 or taps] to weights [heads, taps]; the last column weighs the current token."""
    if variant == "gate":
        return torch.cat([torch.sigmoid(-scalars), torch.sigmoid(scalars)], dim=1)
    return scalars.clamp(0, 1) if variant == "clip" else scalars


def mix(x, weights):
    """Each token of x [batch, tokens, heads, head_size] with those before it, zeros before the first; weights are [heads, taps]."""
    mixed = x * weights[:, -1, None]
    for back in range(1, weights.shape[1]):
        earlier = functional.pad(x, (0, 0, 0, 0, back, 0))[:, :x.shape[1]]
        mixed = mixed + earlier * weights[:, -1 - back, None]
    return mixed.to(x.dtype)


def rotary_table(positions, head_size, base, dtype):
    """Cosines and sines [batch, tokens, 1, head_size / 2] of positions [batch, tokens]; angles are float64 where the device has it."""
    angle_type = torch.float32 if positions.device.type == "mps" else torch.float64
    pairs = torch.arange(0, head_size, 2, dtype=angle_type, device=positions.device)
    angles = positions[:, :, None, None].to(angle_type) * base ** (-pairs / head_size)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x, table):
    """Rotary positions in the rotate-half convention: pairs are (i, i + head_size / 2)."""
    cosine, sine = table
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class KvShiftAttention(nn.Module):
    """Grouped-query attention over keys and values that are mixed with those of the tokens before, then rotated."""

    def __init__(self, config, layer):
        super().__init__()
        slides = layer in (config.get("sliding_window_layers") or [])
        self.heads = config["num_swa_attention_heads" if slides else "num_attention_heads"]
        self.kv_heads = config["num_swa_key_value_heads" if slides else "num_key_value_heads"]
        self.head_size = config["swa_head_dim" if slides else "head_dim"]
        self.window = config["sliding_window"] if slides else None
        self.variant = config["kv_shift"]
        hidden = config["hidden_size"]
        self.q_proj = nn.Linear(hidden, self.heads * self.head_size, bias=False)
        self.k_proj = nn.Linear(hidden, self.kv_heads * self.head_size, bias=False)
        self.v_proj = nn.Linear(hidden, self.kv_heads * self.head_size, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_size, hidden, bias=False)
        for which in SHIFTED[self.variant]:
            scalars = torch.zeros(self.heads if which == "q" else self.kv_heads, 1 if self.variant == "gate" else TAPS.get(self.variant, 2))
            scalars[:, -1] = 1
            self.register_parameter(f"{which}_shift", nn.Parameter(scalars))

    def forward(self, x, tables, real):
        """x is [batch, tokens, hidden_size]; real, [batch, tokens], is False where a row is padded, or None."""
        batch, tokens, _ = x.shape
        query = self.project("q", x, self.heads, real)
        key = self.project("k", x, self.kv_heads, real)
        value = self.project("v", x, self.kv_heads, real)
        query, key = (rotate(rows, tables[self.head_size]).transpose(1, 2) for rows in (query, key))
        group = self.heads // self.kv_heads
        key, value = key.repeat_interleave(group, dim=1), value.transpose(1, 2).repeat_interleave(group, dim=1)
        scores = query @ key.transpose(2, 3) * self.head_size ** -0.5
        # The least number, not minus infinity: a query that is padding may see no key at all.
        scores = scores.masked_fill(~self.seen(tokens, real, x.device), torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1, dtype=torch.promote_types(x.dtype, torch.float32)).to(x.dtype)
        return self.o_proj((weights @ value).transpose(1, 2).reshape(batch, tokens, self.heads * self.head_size))

    def project(self, which, x, heads, real):
        """Queries, keys or values [batch, tokens, heads, head_size], shifted where the variant says so; padding comes before no token."""
        rows = getattr(self, f"{which}_proj")(x).view(*x.shape[:2], heads, self.head_size)
        if which not in SHIFTED[self.variant]:
            return rows
        if real is not None:
            rows = rows * real[:, :, None, None]
        return mix(rows, shift_weights(self.variant, getattr(self, f"{which}_shift")))

    def seen(self, tokens, real, device):
        """Which keys each query sees, [1 or batch, 1, queries, keys]."""
        position = torch.arange(tokens, device=device)
        distance = position[:, None] - position
        seen = distance >= 0
        if self.window is not None:
            seen = seen & (distance < self.window)
        seen = seen[None, None]
        return seen if real is None else seen & real[:, None, None, :]


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x))."""

    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config["hidden_size"], config["intermediate_size"], bias=False)
        self.up_proj = nn.Linear(config["hidden_size"], config["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(config["intermediate_size"], config["hidden_size"], bias=False)

    def forward(self, x):
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class KvShiftBlock(nn.Module):
    """Attention and feed-forward, each behind a norm and added to the residual stream."""

    def __init__(self, config, layer):
        super().__init__()
        self.input_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.self_attn = KvShiftAttention(config, layer)
        self.post_attention_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.mlp = FeedForward(config)

    def forward(self, x, tables, real):
        x = x + self.self_attn(self.input_layernorm(x), tables, real)
        return x + self.mlp(self.post_attention_layernorm(x))


class KvShiftDecoder(nn.Module):
    """Embedding, blocks and final norm."""

    def __init__(self, config):
        super().__init__()
        self.rope_theta = config["rope_theta"]
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(KvShiftBlock(config, layer) for layer in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])

    def forward(self, ids, real=None):
        """Hidden states [batch, tokens, hidden_size] of ids [batch, tokens]; real is False where a row is padded, on either side."""
        x = self.embed_tokens(ids)
        positions = torch.arange(ids.shape[1], device=ids.device)[None] if real is None else (real.cumsum(-1) - 1).clamp(min=0)
        head_sizes = {layer.self_attn.head_size for layer in self.layers}
        tables = {size: rotary_table(positions, size, self.rope_theta, x.dtype) for size in head_sizes}
        for layer in self.layers:
            x = layer(x, tables, real)
        return self.norm(x)


def build(owner, config):
    """Gives a module the decoder, and an output head where that is not the embedding."""
    owner.model = KvShiftDecoder(config)
    owner.lm_head = None if config.get("tie_word_embeddings") else nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)


def logits_of(owner, ids, real):
    """[batch, tokens, vocab_size]."""
    hidden = owner.model(ids, real)
    if owner.lm_head is not None:
        return owner.lm_head(hidden)
    # A model in parts may have its embedding on another device.
    weight = owner.model.embed_tokens.weight
    return functional.linear(hidden.to(weight.device), weight)


class KvShiftTransformer(nn.Module):
    """The network without transformers; config is the dictionary that config.json holds."""

    def __init__(self, config):
        super().__init__()
        build(self, config)

    def forward(self, ids, attention_mask=None):
        """Logits [batch, tokens, vocab_size] of ids [batch, tokens]; attention_mask is 0 where a row is padded."""
        return logits_of(self, ids, None if attention_mask is None else attention_mask.bool())


def load_safetensors(path):
    """The tensors of a file by name. They share the file's memory until they are written to."""
    with open(path, "rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    (length,) = struct.unpack_from("<Q", content)
    tensors = {}
    for name, entry in json.loads(content[8:8 + length]).items():
        if name == "__metadata__":
            continue
        dtype, (begin, end) = STORED[entry["dtype"]], entry["data_offsets"]
        count = (end - begin) // torch.empty(0, dtype=dtype).element_size()
        tensors[name] = torch.frombuffer(content, dtype=dtype, count=count, offset=8 + length + begin).view(entry["shape"])
    return tensors


def load_folder(folder):
    """The model of a folder in float32, ready to be evaluated."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        model = KvShiftTransformer(json.load(file))
    index = os.path.join(folder, "model.safetensors.index.json")
    files = ["model.safetensors"]
    if os.path.exists(index):
        with open(index, encoding="utf-8") as file:
            files = sorted(set(json.load(file)["weight_map"].values()))
    tensors = {}
    for name in files:
        tensors.update(load_safetensors(os.path.join(folder, name)))
    if model.lm_head is None:
        # Some writers store a head that is the embedding a second time.
        tensors.pop("lm_head.weight", None)
    model.load_state_dict(tensors)
    return model.eval()


try:
    from transformers import GenerationMixin, PreTrainedModel
    from transformers.modeling_outputs import CausalLMOutputWithPast

    from .configuration_kv_shift import KvShiftConfig
except ImportError:
    # Also where this file is imported by itself, outside of a package.
    PreTrainedModel = None

if PreTrainedModel is not None:

    class KvShiftForCausalLM(PreTrainedModel, GenerationMixin):
        """The network as a model of transformers."""

        config_class = KvShiftConfig
        base_model_prefix = "model"
        _no_split_modules = ["KvShiftBlock"]

        def __init__(self, config):
            super().__init__(config)
            build(self, config.to_dict())
            self.post_init()

        def _init_weights(self, module):
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=self.config.initializer_range)

        def get_input_embeddings(self):
            return self.model.embed_tokens

        def set_input_embeddings(self, value):
            self.model.embed_tokens = value

        def get_output_embeddings(self):
            return self.lm_head

        def set_output_embeddings(self, value):
            self.lm_head = value

        def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **others):
            return {"input_ids": input_ids, "attention_mask": attention_mask}

        def forward(self, input_ids, attention_mask=None, labels=None, **others):
            """Logits [batch, tokens, vocab_size]; with labels, -100 where there is none, the mean loss of each next token in nats."""
            logits = logits_of(self, input_ids, None if attention_mask is None else attention_mask.bool())
            loss = None
            if labels is not None:
                loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100)
            return CausalLMOutputWithPast(loss=loss, logits=logits)
