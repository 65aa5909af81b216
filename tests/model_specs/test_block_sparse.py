"""MiniMax-M3: grouped-query attention to chosen blocks of tokens."""

from dataclasses import replace
from typing import Any

import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Attention, BlockSparseModule, Gemm
from aicfg.model_specs.parts import BlockIndexFacts
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import catalogue_config, load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence, weight_bytes

M3 = "MiniMaxAI/MiniMax-M3"
FACTS = BlockIndexFacts(heads=4, head_dim=128, topk_blocks=16, block=128, layers=57)


def read(**changes: Any) -> Architecture:
    """MiniMax-M3 with some keys changed."""
    found = catalogue_config(M3)
    assert found is not None
    return Architecture.from_config({**found[1], **changes}, "m3", "made")


@pytest.mark.parametrize("model", [M3, "nvidia/MiniMax-M3-NVFP4"])
def test_facts_are_read_from_both_classes(model: str) -> None:
    """Text alone and within the multimodal model; dense layers have their own width."""
    arch = load_architecture(model)
    assert (arch.block_index, arch.intermediate_size) == (FACTS, 12288)
    assert arch.moe is not None and (arch.moe.inner, arch.moe.dense_layers) == (3072, 3)
    assert FACTS.topk == 2048


def test_a_config_without_its_choice_is_refused() -> None:
    """The message names the mapping, and within it the key."""
    with pytest.raises(InputError, match="sparse_attention_config: a mapping is needed, found None"):
        read(sparse_attention_config=None)
    with pytest.raises(InputError, match="sparse_attention_config: sparse_num_index_heads: missing"):
        read(sparse_attention_config={})


def test_leading_layers_attend_to_everything() -> None:
    """Three layers of full attention, 57 modules; together the model's 60."""
    listed = operations(load_architecture(M3), Layout(tp=8, moe_ep=8), "decode", Graph("vllm"))
    (full,) = (op for op in listed if isinstance(op, Attention))
    (module,) = (op for op in listed if isinstance(op, BlockSparseModule))
    assert (full.count, module.count) == (3, 57)
    assert (module.heads, module.kv_heads, module.topk) == (8, 1, 2048)


def test_the_index_is_split_as_far_as_its_heads_go() -> None:
    """Its key is whole on every rank, its four query heads one a rank from tp 4 on."""
    for tp, width in ((1, 5 * 128), (2, 3 * 128), (8, 2 * 128)):
        listed = operations(load_architecture(M3), Layout(tp=tp, moe_ep=tp), "prefill", Graph("vllm"))
        (module,) = (op for op in listed if isinstance(op, BlockSparseModule))
        (index,) = (product for product in module.projections if product.name == "index")
        assert isinstance(index, Gemm) and index.n == width


def test_a_prompt_cannot_be_shared() -> None:
    """SGLang's context parallelism is refused with the reason."""
    with pytest.raises(InputError, match="attention to blocks of tokens cannot share a prompt"):
        operations(load_architecture(M3), Layout(cp=8, moe_ep=8), "prefill", Graph("sglang"))


def test_cache_and_weights_by_convention() -> None:
    """The peer keeps no index and no weights of the attention: 104.70 GiB on 8 GPUs (its own run)."""
    arch, layout, quant = load_architecture(M3), Layout(tp=8, moe_tp=8), Quant()
    keys_values = 60 * 2 * 128 * 2
    assert kv_bytes_per_sequence(arch, layout, quant, 10.0) == (keys_values + 57 * 128 * 2) * 10
    peer = Conventions(
        experts_in_every_layer=True, whole_latent_embedding=True, block_sparse_by_convention=True
    )
    assert kv_bytes_per_sequence(arch, layout, quant, 10.0, peer) == keys_values * 10
    listed = operations(arch, layout, "prefill", Graph("vllm", conventions=peer))
    assert weight_bytes(listed, quant) / 2**30 == pytest.approx(104.70465, rel=1e-6)


def test_a_layer_of_full_attention_needs_no_index() -> None:
    """A model whose every layer attends to blocks has no other attention."""
    arch = load_architecture(M3)
    every = replace(arch, block_index=replace(FACTS, layers=60))
    listed = operations(every, Layout(), "decode", Graph("vllm"))
    assert not [op for op in listed if isinstance(op, Attention)]
