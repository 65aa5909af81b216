"""Tests of aicfg.model_specs.layouts."""

import pytest

from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.layouts import Degrees, WorkerRole, candidates, layouts, powers_of_two
from aicfg.model_specs.operations import Experts
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import load_architecture
from aicfg.model_specs.sizes import weight_bytes

_MIXTURE = load_architecture("Qwen/Qwen3-235B-A22B")
_DENSE = load_architecture("Qwen/Qwen3-32B")


@pytest.mark.parametrize(
    ("backend", "role", "count"),
    [
        ("vllm", "agg", 29),
        ("vllm", "decode", 29),
        ("trtllm", "prefill", 29),
        ("trtllm", "decode", 29),
        ("sglang", "decode", 55),
    ],
)
def test_mixtures_have_as_many_layouts_as_the_grids(backend: str, role: WorkerRole, count: int) -> None:
    """Up to 16 GPUs, the engines' rules leave the numbers of performance model §7."""
    cp = 8 if backend == "sglang" else 1
    found = list(layouts(_MIXTURE, Graph(backend), role, Degrees.up_to(16, cp=cp)))
    assert len(found) == len(set(found)) == count


def test_context_parallel_candidates() -> None:
    """SGLang's grid of §7 has 135 tuples; 71 of them have cp beside tp or dp, which the engine refuses."""
    degrees = Degrees.up_to(16, cp=8)
    tuples = list(candidates(_MIXTURE, "prefill", degrees))
    legal = list(layouts(_MIXTURE, Graph("sglang"), "prefill", degrees))
    mixed = [layout for layout in tuples if layout.cp > 1 and layout.tp * layout.dp > 1]
    assert (len(tuples), len(mixed), len(legal)) == (135, 71, 64)
    assert set(legal) == set(tuples) - set(mixed)


def test_dense_layouts() -> None:
    """A dense model has tp, pp and on SGLang cp, nothing else."""
    four = [Layout(tp=tp) for tp in (1, 2, 4, 8)]
    assert list(layouts(_DENSE, Graph("vllm"), "agg", Degrees.up_to(8))) == four
    assert list(layouts(_DENSE, Graph("sglang"), "decode", Degrees.up_to(8, cp=8))) == four
    shared = [Layout(cp=cp) for cp in (2, 4, 8)]
    assert set(layouts(_DENSE, Graph("sglang"), "prefill", Degrees.up_to(8, cp=8))) == {*four, *shared}
    staged = list(layouts(_DENSE, Graph("vllm"), "agg", Degrees.up_to(4, pp=4)))
    assert staged == [Layout(tp, pp) for tp in (1, 2, 4) for pp in (1, 2, 4) if tp * pp <= 4]


def test_wide_expert_parallelism_over_nodes() -> None:
    """DeepSeek's 256 experts reach 256 GPUs with one expert each, by data-parallel attention or with tp."""
    arch = load_architecture("deepseek-ai/DeepSeek-V3")
    found = set(layouts(arch, Graph("sglang"), "decode", Degrees.up_to(256)))
    assert {Layout(dp=256, moe_ep=256), Layout(tp=8, dp=32, moe_ep=256), Layout(dp=64, moe_ep=64)} <= found
    assert all(layout.tp <= 128 for layout in found)


def test_given_degrees_bound_the_candidates() -> None:
    """Sizes and degrees that the user lists are the only ones, powers of two or not."""
    degrees = Degrees(gpus=(6, 8), tp=(2,), dp=(3, 4), moe_ep=(1, 2, 8), moe_tp=(1, 3))
    assert list(candidates(_MIXTURE, "agg", degrees)) == [
        Layout(tp=2, dp=3, moe_tp=3, moe_ep=2),
        Layout(tp=2, dp=4, moe_ep=8),
    ]


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize(
    "model",
    ["openai/gpt-oss-20b", "zai-org/GLM-4.7", "moonshotai/Kimi-K2-Instruct", "MiniMaxAI/MiniMax-M1-80k"],
)
def test_no_legal_layout_loses_a_weight(model: str, backend: str) -> None:
    """All ranks of every layout up to 16 GPUs hold the whole model, and of each routed expert one copy."""
    arch, graph, whole = load_architecture(model), Graph(backend), Quant()
    alone = weight_bytes(operations(arch, Layout(), "prefill", graph), whole)
    moe = arch.moe
    assert moe is not None
    routed = (arch.num_layers - moe.dense_layers) * moe.experts * 3 * arch.hidden_size * moe.inner * 2
    for layout in layouts(arch, graph, "prefill", Degrees.up_to(16, cp=8 if backend == "sglang" else 1)):
        listed = operations(arch, layout, "prefill", graph)
        held = sum(weight_bytes((one,), whole) for one in listed if isinstance(one, Experts))
        assert held * layout.gpus == pytest.approx(routed)
        assert weight_bytes(listed, whole) * layout.gpus >= alone * (1 - 1e-6)


def test_powers_of_two() -> None:
    """Up to and including the bound."""
    assert powers_of_two(8) == (1, 2, 4, 8)
    assert powers_of_two(7) == (1, 2, 4)
