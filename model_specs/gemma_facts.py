"""Facts of Gemma 4 beside its attention, read out of a ``config.json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aicfg.model_specs.config_keys import ConfigKeys


@dataclass(frozen=True, slots=True)
class GemmaFacts:
    """What Gemma 4 has beside its attention, FFNs and experts."""

    wide_layers: int = 0
    """Layers whose FFN is twice as wide."""
    input_width: int = 0
    """Width of a token's embedding for each layer; 0: there is none."""
    input_vocabulary: int = 0
    """Rows of that embedding."""

    def parameters(self, hidden: int, layers: int, inner: int, mixture: bool) -> int:
        """Beside attention, plain FFNs, experts and two norms a layer."""
        norms = layers * hidden * (5 if mixture else 2)  # after attention and FFN; three around the experts
        wide = self.wide_layers * 3 * hidden * inner
        if not self.input_width:
            return norms + wide
        table = self.input_vocabulary * layers * self.input_width
        once = hidden * layers * self.input_width + self.input_width
        return norms + wide + table + once + layers * (2 * hidden * self.input_width + hidden)


def gemma_facts(keys: ConfigKeys, facts: Mapping[str, Any]) -> GemmaFacts | None:
    """Of a class that is Gemma 4."""
    if facts["family"] != "gemma":
        return None
    shared = keys.count("num_kv_shared_layers", default=0)
    width = keys.count("hidden_size_per_layer_input", default=0)
    return GemmaFacts(
        wide_layers=shared if keys.flag("use_double_wide_mlp", default=False) else 0,
        input_width=width,
        input_vocabulary=keys.count("vocab_size_per_layer_input", default=0) if width else 0,
    )
