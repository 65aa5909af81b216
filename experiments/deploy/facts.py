"""What the generator asks of a model beside the plan: its longest context, and its checkpoint's formats."""

from dataclasses import dataclass
from pathlib import Path

from aicfg.model_specs.errors import InputError

_SIXTEEN_BITS = frozenset({"bfloat16", "float16"})
_FOUR_BITS = ("mxfp4", "nvfp4")
"""What weights are stored in, whatever the arithmetic that the engine's kernels unpack them for."""


@dataclass(frozen=True)
class ModelFacts:
    """Facts of a model; None where its configuration is not at hand."""

    model: str
    max_length: int | None = None
    gemm: str | None = None
    moe: str | None = None
    has_experts: bool = False
    chooses: bool = False
    """An index chooses the tokens that its attention sees."""

    def turned_into(self, gemm: str, moe: str, where: str) -> str | None:
        """Format that weights are turned into while they are loaded; None when the checkpoint has the plan's.

        Raises ``InputError`` when a server cannot do that.
        """
        if self.gemm is None or self.moe is None:
            return None
        if (_stored(gemm), _stored(moe)) == (_stored(self.gemm), _stored(self.moe)):
            return None
        asked = {gemm, moe} if self.has_experts else {gemm}
        if self.gemm in _SIXTEEN_BITS and self.moe in _SIXTEEN_BITS and asked == {"fp8"}:
            return "fp8"
        if asked == {self.gemm}:
            return None
        raise InputError(
            f"plan: {where}: {gemm} weights (experts {moe}), but the checkpoint of {self.model} has "
            f"{self.gemm} ({self.moe}), and no server turns one into the other; name one that has them in "
            "ServiceConfig.model_path"
        )


def _stored(weights: str) -> str:
    return next((packed for packed in _FOUR_BITS if packed in weights), weights)


def model_facts(model: str, assume_family: str | None = None) -> ModelFacts:
    """Facts of a model of the catalogue or in a folder; nothing is fetched."""
    from aicfg.model_specs.quantization import infer
    from aicfg.model_specs.resolve import catalogue_config, load_architecture

    try:
        if catalogue_config(model) is None and not Path(model).expanduser().exists():
            return ModelFacts(model)
        architecture = load_architecture(model, assume_family)
    except (InputError, OSError, ValueError):
        return ModelFacts(model)
    quant = infer(architecture)
    return ModelFacts(
        model,
        architecture.max_position_embeddings,
        quant.gemm,
        quant.moe,
        architecture.moe is not None,
        architecture.indexer is not None or architecture.compressed is not None,
    )
