"""Memory of one GPU."""

import numpy as np
import pytest

from aicfg.hardware.memory import MemoryModel
from aicfg.hardware.profile import load_profile
from aicfg.hardware.system import load_system
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.resolve import load_architecture


def model(system: str, backend: str, tp: int = 1, version: str = "") -> MemoryModel:
    """Qwen3-32B on one GPU of a system."""
    return MemoryModel(
        load_architecture("Qwen/Qwen3-32B"),
        Layout(tp=tp),
        load_system(system),
        backend,
        version,
        load_profile("aiconfigurator-0.12"),
        weights_bytes=30e9,
        sequence_bytes=1e5,
    )


@pytest.mark.parametrize(
    ("system", "fraction"), [("h100_sxm", 0.836), ("h200_sxm", 0.907), ("b200_sxm", 0.858)]
)
def test_sglang_derives_its_fraction_from_what_it_sets_aside(system: str, fraction: float) -> None:
    """The figures that the engine's own rule gives at tp 1."""
    assert model(system, "sglang").budget(aggregated=False).fraction == fraction


def test_vllm_fraction_depends_on_the_version() -> None:
    """Older engines take less of the GPU."""
    budget = model("a100_sxm", "vllm").budget(aggregated=True)
    assert (budget.fraction_for("0.14.0"), budget.fraction_for("0.24.0")) == (0.9, 0.92)


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_more_cache_takes_more_and_ends_at_the_limit(backend: str) -> None:
    """Use grows with the cached tokens; what fits is within the GPU."""
    memory = model("h100_sxm", backend)
    tokens = np.arange(1, 1_000_000, 1000, dtype=float)
    use = memory.use(np.full(len(tokens), 4000.0), tokens, memory.budget(aggregated=True))
    assert (np.diff(use.total) > 0).all()
    assert use.fits[0]
    assert not use.fits[-1]
    assert (use.limit <= memory.system.memory_bytes).all()
    assert np.array_equal(use.fits, use.total <= use.limit)


def test_activations_never_fall_below_the_floor() -> None:
    """One token still needs the engine's buffers."""
    memory = model("h100_sxm", "vllm")
    use = memory.use(np.ones(1), np.ones(1), memory.budget(aggregated=True))
    assert use.activations[0] == 70 * 2**20
