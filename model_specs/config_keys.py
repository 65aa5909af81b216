"""Typed reading of a ``config.json``: every complaint names the file and the key."""

from collections.abc import Mapping
from typing import Any

from aicfg.model_specs.errors import InputError, nearest

_MOST = {
    "hidden_size": 2**20,
    "num_hidden_layers": 10_000,
    "num_attention_heads": 2**14,
    "num_key_value_heads": 2**14,
    "head_dim": 2**14,
    "intermediate_size": 2**24,
    "vocab_size": 2**26,
    "max_position_embeddings": 2**31,
    "sliding_window": 2**31,
    "num_experts": 2**16,
    "num_experts_per_tok": 2**10,
    "moe_intermediate_size": 2**24,
    "shared_intermediate_size": 2**24,
    "n_shared_experts": 2**10,
    "first_k_dense_replace": 10_000,
    "sparse_step": 10_000,
    "num_nextn_predict_layers": 100,
    "q_lora_rank": 2**20,
    "kv_lora_rank": 2**20,
    "qk_nope_head_dim": 2**14,
    "qk_rope_head_dim": 2**14,
    "v_head_dim": 2**14,
    "index_n_heads": 2**14,
    "index_head_dim": 2**14,
    "index_topk": 2**20,
    "index_topk_freq": 10_000,
    "index_skip_topk_offset": 10_000,
    "full_attention_interval": 10_000,
    "linear_num_key_heads": 2**14,
    "linear_num_value_heads": 2**14,
    "linear_key_head_dim": 2**14,
    "linear_value_head_dim": 2**14,
    "linear_conv_kernel_dim": 2**10,
    "o_lora_rank": 2**20,
    "o_groups": 2**14,
    "hc_mult": 2**10,
    "hc_sinkhorn_iters": 10_000,
    "sparse_num_index_heads": 2**14,
    "sparse_index_dim": 2**14,
    "sparse_topk_blocks": 2**20,
    "sparse_block_size": 2**20,
    "mamba_num_heads": 2**14,
    "mamba_head_dim": 2**14,
    "n_groups": 2**14,
    "ssm_state_size": 2**14,
    "conv_kernel": 2**10,
    "chunk_size": 2**16,
    "moe_latent_size": 2**20,
    "num_heads": 2**14,
    "short_conv_kernel_size": 2**10,
    "attn_res_block_size": 10_000,
    "full_heads": 2**14,
    "full_kv_heads": 2**14,
    "full_head_dim": 2**14,
    "full_value_dim": 2**14,
    "windowed_heads": 2**14,
    "windowed_kv_heads": 2**14,
    "windowed_head_dim": 2**14,
    "windowed_value_dim": 2**14,
    "num_kv_shared_layers": 10_000,
    "hidden_size_per_layer_input": 2**20,
    "vocab_size_per_layer_input": 2**26,
}
"""Beyond these a value is a mistake: at least ten times what any published model has."""


class ConfigKeys:
    """Reads our keys under the names the model's class gives them, with the class's defaults.

    Parameters
    ----------
    config
        The ``config.json``.
    facts
        The class's entry of ``classes.yaml``.
    source
        Opens every message.
    """

    def __init__(self, config: Mapping[str, Any], facts: Mapping[str, Any], source: str) -> None:
        self.config = config
        self._names: Mapping[str, str | list[str]] = facts.get("keys", {})
        self._defaults: Mapping[str, Any] = facts.get("defaults", {})
        self._source = source
        for key, value in facts.get("must_equal", {}).items():
            if config.get(key, value) != value:
                raise self.error(key, f"only {value!r} is covered, found {config[key]!r:.60}")

    def inside(self, key: str) -> "ConfigKeys":
        """The keys of a mapping within the config."""
        value = self.config.get(key)
        if not isinstance(value, Mapping):
            raise self.error(key, f"a mapping is needed, found {value!r:.60}")
        return ConfigKeys(value, {}, f"{self._source}: {key}")

    def name(self, key: str) -> str:
        """The name under which this config.json has our key: of several, the first that is there."""
        names = self._names.get(key, key)
        if isinstance(names, str):
            return names
        return next((name for name in names if self.config.get(name) is not None), names[0])

    def has(self, key: str) -> bool:
        """The key is there and not null."""
        return self.config.get(self.name(key)) is not None

    def error(self, key: str, problem: str) -> InputError:
        """The complaint about one key."""
        return InputError(f"{self._source}: {self.name(key)}: {problem}")

    def count(self, key: str, default: int | None = None) -> int:
        """A positive integer; ``default`` stands in for an absent or null key, and admits itself."""
        if not self.has(key):
            if default is None:
                close = nearest(self.name(key), self.config)
                raise self.error(key, f"missing, a positive integer is needed{close}")
            return default
        value = self.config[self.name(key)]
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, f"a positive integer is needed, found {value!r:.60}")
        if value != default and not 1 <= value <= _MOST[key]:
            shown = value if abs(value) < 10**18 else f"a number of {len(str(abs(value)))} digits"
            raise self.error(key, f"must lie in 1 … {_MOST[key]}, found {shown}")
        return value

    def layers(self, key: str, layers: int) -> list[Any]:
        """A list with one entry a layer, empty if the key is absent; longer lists (draft layers) are cut."""
        value = self.config.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) < layers:
            raise self.error(key, f"a list of at least {layers} entries is needed, found {value!r:.60}")
        return value[:layers]

    def flag(self, key: str, default: bool | None = None) -> bool:
        """True or false; an absent or null key takes ``default``, else the class's."""
        value = self.config.get(key)
        if value is None:
            value = self._defaults[key] if default is None else default
        if not isinstance(value, bool):
            raise self.error(key, f"true or false is needed, found {value!r:.60}")
        return value
