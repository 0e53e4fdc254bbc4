"""The keys of config.json as a configuration of transformers."""
from transformers import PretrainedConfig


class KvShiftConfig(PretrainedConfig):
    """Shape of a decoder with KV shifting attention; docs of the keys stand in modeling_kv_shift.py."""

    model_type = "kv_shift"

    def __init__(self, vocab_size=32000, hidden_size=512, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=8, head_dim=64,
                 intermediate_size=1408, max_position_embeddings=2048, rope_theta=100000.0, rms_norm_eps=1e-6, initializer_range=0.02,
                 kv_shift="kv", sliding_window=None, sliding_window_layers=(), num_swa_attention_heads=None, num_swa_key_value_heads=None,
                 swa_head_dim=None, tie_word_embeddings=False, **others):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads
        self.head_dim = head_dim
        self.intermediate_size = intermediate_size
        self.max_position_embeddings = max_position_embeddings
        self.rope_theta = rope_theta
        self.rms_norm_eps = rms_norm_eps
        self.initializer_range = initializer_range
        self.kv_shift = kv_shift
        self.sliding_window = sliding_window
        self.sliding_window_layers = list(sliding_window_layers)
        self.num_swa_attention_heads = num_swa_attention_heads
        self.num_swa_key_value_heads = num_swa_key_value_heads
        self.swa_head_dim = swa_head_dim
        super().__init__(tie_word_embeddings=tie_word_embeddings, **others)
