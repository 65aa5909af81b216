"""Tests of aicfg.model_specs.families."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.checkpoint import CheckpointQuant
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.families import illegal, operations
from aicfg.model_specs.graph import Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Attention, Experts, FirstMeasured, Gemm, Operation, Overlap, Phase
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import catalogue_ids, load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence, weight_bytes

_QWEN = load_architecture("Qwen/Qwen3-32B")  # 64 heads, 8 key-value heads, intermediate 25600, 64 layers


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (Layout(), None),
        (Layout(tp=8, pp=64), None),
        (Layout(tp=16), None),
        (Layout(tp=3), "tp 3 does not divide the intermediate size 25600"),
        (Layout(tp=128), "tp 128 does not divide the 64 attention heads"),
        (Layout(pp=65), "pp 65 exceeds the 64 layers"),
        (Layout(dp=2), "a dense model has dp = moe_tp = moe_ep = 1"),
        (Layout(cp=2), "vllm has no context parallelism (cp 2)"),
        (Layout(moe_tp=2), "a dense model has"),
        (Layout(moe_ep=2), "a dense model has"),
        (Layout(tp=0), "every degree must be at least 1"),
    ],
)
def test_illegal_layouts_and_their_reasons(layout: Layout, reason: str | None) -> None:
    """Every rule speaks for itself; legal layouts have no reason."""
    found = illegal(_QWEN, layout)
    assert found is None if reason is None else found is not None and found.startswith(reason)


def test_key_value_heads_must_divide_or_be_divided() -> None:
    """Twelve heads over eight key-value heads: four ranks split them, six would cut one in two."""
    arch = replace(_QWEN, num_heads=24, num_kv_heads=8, intermediate_size=24 * 128)
    assert illegal(arch, Layout(tp=4)) is None
    assert illegal(arch, Layout(tp=6)) == "tp 6 and the 8 key-value heads: one must divide the other"


def test_fp8_blocks_must_stay_whole() -> None:
    """Qwen3-4B-FP8 on eight ranks leaves 1216 columns, nine and a half blocks: engines refuse to load it."""
    arch = load_architecture("Qwen/Qwen3-4B-FP8")
    assert illegal(arch, Layout(tp=4)) is None
    assert illegal(arch, Layout(tp=8)) == (
        "tp 8 leaves 1216 of the intermediate size, no multiple of the fp8 block 128"
    )
    assert illegal(replace(arch, checkpoint=CheckpointQuant()), Layout(tp=8)) is None


def test_operations_of_an_illegal_layout_are_refused() -> None:
    """The message names the model, the layout and the reason."""
    with pytest.raises(InputError, match=r"Qwen/Qwen3-32B: layout tp3: tp 3 does not divide"):
        operations(_QWEN, Layout(tp=3), "decode")


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """A dense model of some sort."""
    kv_heads = draw(st.sampled_from([1, 2, 4, 8]))
    return replace(
        _QWEN,
        family=draw(st.sampled_from(["gpt", "llama"])),
        num_kv_heads=kv_heads,
        num_heads=kv_heads * draw(st.integers(1, 8)),
        head_dim=draw(st.sampled_from([64, 128])),
        hidden_size=64 * draw(st.integers(1, 64)),
        intermediate_size=128 * draw(st.integers(1, 96)),
        num_layers=draw(st.integers(1, 80)),
        gated_mlp=draw(st.booleans()),
    )


@given(architectures(), st.sampled_from([1, 2, 3, 4, 6, 8, 16]), st.integers(1, 4))
def test_a_legal_layout_loses_nothing(arch: Architecture, tp: int, pp: int) -> None:
    """All ranks together hold at least the whole model, and query heads and FFN exactly once."""
    layout = Layout(tp=tp, pp=pp)
    assume(illegal(arch, layout) is None)
    alone, shared = operations(arch, Layout(), "decode"), operations(arch, layout, "decode")
    whole = {operation.name: operation for operation in alone}
    for operation in shared:
        if isinstance(operation, Attention):
            assert operation.heads * tp == arch.num_heads
            assert operation.kv_heads * tp >= arch.num_kv_heads
        if isinstance(operation, Gemm) and operation.name in ("gate_up", "down", "attention_out"):
            full = whole[operation.name]
            assert isinstance(full, Gemm)
            assert operation.n * operation.k * tp == full.n * full.k
    assert weight_bytes(shared, Quant()) * tp >= weight_bytes(alone, Quant()) * (1 - tp / arch.vocab_size)
    alone_bytes = kv_bytes_per_sequence(arch, Layout(), Quant(), 1)
    assert kv_bytes_per_sequence(arch, layout, Quant(), 1) * tp >= alone_bytes


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize("model", catalogue_ids())
def test_every_model_has_operations(model: str, backend: str) -> None:
    """Each id of the catalogue lists the operations of one GPU on every engine."""
    arch = load_architecture(model)
    assert arch.model == model
    phases: tuple[Phase, ...] = ("prefill", "decode")
    for phase in phases:
        listed = operations(arch, Layout(), phase, Graph(backend))
        inside = [part for operation in listed for part in _parts(operation)]
        assert sum(isinstance(operation, Experts) for operation in inside) == (arch.moe is not None)
        assert all(operation.count > 0 for operation in inside)


def _parts(operation: Operation) -> tuple[Operation, ...]:
    """The operation, or those of a block of them."""
    if isinstance(operation, Overlap):
        return operation.first + operation.second
    return operation.parts if isinstance(operation, FirstMeasured) else (operation,)
