"""Latent attention to chosen tokens, as GLM-5 and DeepSeek-V3.2 have it."""

from typing import Any

import pytest

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.families import operations
from aicfg.model_specs.graph import Conventions, Graph
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import Collective, Operation, SparseLatentModule
from aicfg.model_specs.parts import IndexerFacts
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import catalogue_config, load_architecture
from aicfg.model_specs.sizes import kv_bytes_per_sequence, weight_bytes

PEER = Conventions(
    experts_in_every_layer=True,
    whole_latent_embedding=True,
    whole_experts_beside_sparse=True,
    indexers_by_convention=True,
    norms_stand_for_sparse_attention=True,
)
GIB = 2**30


def modules(listed: tuple[Operation, ...]) -> list[SparseLatentModule]:
    """The attention of a step."""
    return [op for op in listed if isinstance(op, SparseLatentModule)]


def glm5(**changes: Any) -> Architecture:
    """GLM-5 with some keys changed."""
    found = catalogue_config("zai-org/GLM-5")
    assert found is not None
    return Architecture.from_config({**found[1], **changes}, "glm", "made")


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        ("zai-org/GLM-5", IndexerFacts(32, 128, 2048, layers=78)),
        ("zai-org/GLM-5.2", IndexerFacts(32, 128, 2048, layers=21)),
        ("deepseek-ai/DeepSeek-V3.2", IndexerFacts(64, 128, 2048, layers=61)),
    ],
)
def test_indexers_of_published_models(model: str, facts: IndexerFacts) -> None:
    """Heads, their size, the tokens chosen, and the layers that choose."""
    assert load_architecture(model).indexer == facts


@pytest.mark.parametrize(
    ("keys", "layers"),
    [({}, 78), ({"index_topk_freq": 4}, 21), ({"index_topk_freq": 4, "index_skip_topk_offset": 3}, 21)],
)
def test_layers_that_choose_follow_the_frequency(keys: dict[str, int], layers: int) -> None:
    """Without a list of layers: the leading ones and then every so many (SGLang's rule)."""
    facts = glm5(**keys).indexer
    assert facts is not None and facts.layers == layers


def test_a_missing_index_key_is_named() -> None:
    """A config of the class without its indexer is refused by the key."""
    with pytest.raises(InputError, match="index_topk: missing"):
        glm5(index_topk=None)


def test_layers_share_choices() -> None:
    """GLM-5.2 has 21 modules that choose and 57 that do not; together its 78 layers."""
    arch = load_architecture("zai-org/GLM-5.2")
    full, shared = modules(operations(arch, Layout(tp=8, moe_ep=8), "decode", Graph("sglang")))
    assert (full.chooses, shared.chooses) == (True, False)
    assert (full.count, shared.count) == pytest.approx((21, 57))
    assert full.heads == shared.heads == 8


@pytest.mark.parametrize(
    ("model", "component"),
    [
        ("zai-org/GLM-5-FP8", "gemm"),
        ("nvidia/GLM-5-NVFP4", "bfloat16"),
        ("nvidia/DeepSeek-V3.2-NVFP4", "gemm"),
    ],
)
def test_the_module_follows_its_output_projection(model: str, component: str) -> None:
    """One table per format: of mixed formats the output projection's, the largest product."""
    layout = Layout(tp=8, moe_ep=8)
    (module,) = modules(operations(load_architecture(model), layout, "prefill", Graph("sglang")))
    assert module.component == component


def test_norms_stand_for_the_attention_by_convention() -> None:
    """GLM-5-FP8 leaves the norms of its attention in bfloat16; the peer takes the whole attention so."""
    graph = Graph("sglang", conventions=PEER)
    (module,) = modules(operations(load_architecture("zai-org/GLM-5-FP8"), Layout(), "prefill", graph))
    assert module.component == "bfloat16"


def test_weights_are_those_of_the_peer_by_convention() -> None:
    """GLM-5-FP8 on 8 GPUs: 96.609 GiB a GPU in AIConfigurator 0.12 (its own run)."""
    graph = Graph("sglang", conventions=PEER)
    layout = Layout(tp=8, moe_tp=8)
    listed = operations(load_architecture("zai-org/GLM-5-FP8"), layout, "prefill", graph)
    assert weight_bytes(listed, Quant("fp8_block", "fp8_block", "fp8")) / GIB == pytest.approx(
        96.6090087890625
    )


def test_the_cache_holds_latents_and_an_index() -> None:
    """A token of a layer: 512 elements, 64 of 2 bytes, and 128 + 4 bytes where the layer has an index."""
    layout, quant = Layout(tp=8, moe_ep=8), Quant(kvcache="fp8")
    plain, shared = load_architecture("zai-org/GLM-5-FP8"), load_architecture("zai-org/GLM-5.2-FP8")
    assert kv_bytes_per_sequence(plain, layout, quant, 1000.0) == 78 * (512 + 128 + 132) * 1000
    assert kv_bytes_per_sequence(shared, layout, quant, 1000.0) == (78 * (512 + 128) + 21 * 132) * 1000
    assert kv_bytes_per_sequence(shared, layout, quant, 1000.0, PEER) == 78 * (512 + 128 + 132) * 1000


def test_the_wide_prefill_gathers_over_tp() -> None:
    """SGLang's large-expert-parallel stack works on all tokens between a gather and a scatter."""
    graph = Graph("sglang", "deepep_ht", "deepep_ll")
    arch, layout = load_architecture("deepseek-ai/DeepSeek-V3.2"), Layout(tp=8, moe_ep=8)
    named = [op.name for op in operations(arch, layout, "prefill", graph)]
    at = named.index("sparse_attention")
    assert named[at - 1 : at + 2] == ["tp_allgather", "sparse_attention", "tp_reduce_scatter"]
    decode = operations(arch, layout, "decode", graph)
    assert not [op for op in decode if isinstance(op, Collective)]
