"""The profiles, and each departure of ``aicfg`` from ``aiconfigurator-0.12`` with its effect."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from aicfg.hardware.curves import ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.host import NO_HOST
from aicfg.hardware.laws import FlowLaw
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.profile import Profile, load_profile, profile_names
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.hardware.workload import Workload
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.graph import Conventions
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.operations import AllReduce, ExpertExchange
from aicfg.model_specs.quantization import infer
from aicfg.model_specs.resolve import load_architecture

PEER, OURS = load_profile("aiconfigurator-0.12"), load_profile("aicfg")
ONE = np.array([1])


def serving(
    profile: Profile, model: str = "Qwen/Qwen3-32B", backend: str = "trtllm", isl: int = 4000
) -> ServingModel:
    """A model on H200 under one profile."""
    arch, system = load_architecture(model), load_system("h200_sxm")
    tables = open_tables("h200_sxm", backend)
    quant = fitting_quant(arch, infer(arch), system, tables, DataMode.SILICON)
    return ServingModel(arch, quant, Workload(isl, 500), system, tables, profile)


def peer_with(part: str, **terms: object) -> Profile:
    """The peer's profile with some terms of one part replaced."""
    return structs.replace(PEER, **{part: structs.replace(getattr(PEER, part), **terms)})


def test_both_profiles_are_shipped_and_an_unknown_one_is_named() -> None:
    """A wrong name gets the nearest."""
    assert profile_names() == ("aicfg", "aiconfigurator-0.12", "physical")
    with pytest.raises(InputError, match="did you mean 'aicfg'"):
        load_profile("aicgf")


def test_our_graph_is_the_truth() -> None:
    """Every convention of ``aicfg`` is the default: what a served model computes."""
    assert OURS.graph == Conventions()
    assert all(
        getattr(PEER.graph, name) != getattr(OURS.graph, name) for name in Conventions.__struct_fields__
    )


def test_a_lone_request_waits_for_nobody() -> None:
    """TTFT at batch 1 is one prefill, and what a first token takes on this engine."""
    model, layout, chunk = serving(OURS), Layout(tp=2), np.array([4000])
    point = model.curve("agg", layout, ONE, chunk)
    rule, one = OURS.aggregated["trtllm"], np.zeros(1)
    assert isinstance(rule, FlowLaw)
    prefill_ms = model.aggregated(layout).mixed_step_ms(chunk, one)
    waited = rule.first_token_ms + rule.first_token_steps * point.tpot_ms
    assert point.ttft_ms == pytest.approx(rule.prompt * prefill_ms + waited)


def test_the_cache_takes_time_to_transfer() -> None:
    """Qwen3-32B in bf16: 4,000 tokens are 0.98 GiB; over 50 GB/s that is 21 ms."""
    plain = serving(peer_with("disaggregated", decimals=None))
    moved = serving(peer_with("disaggregated", decimals=None, kv_transfer=True))
    added = moved.curve("prefill", Layout(), ONE).ttft_ms - plain.curve("prefill", Layout(), ONE).ttft_ms
    assert added[0] == pytest.approx(4000 * 64 * 2 * 8 * 128 * 2 / 50e9 * 1e3 + 0.01, rel=1e-6)


def test_stages_of_one_node_hand_over_inside_it() -> None:
    """Two stages of four GPUs share a node of eight."""
    across, placed = (
        serving(peer_with("operations", stage_link=link)) for link in ("across_nodes", "placed")
    )
    layout, batch = Layout(tp=4, pp=2), np.array([1.0])
    slow = across.step("prefill", layout).prefill_ms(batch, 4000, 0)
    fast = placed.step("prefill", layout).prefill_ms(batch, 4000, 0)
    moved_bytes, system = 4000 * 5120 * 2, across.system
    saved = moved_bytes * (1 / system.inter_node_bytes_per_s - 1 / system.intra_node_bytes_per_s) * 1e3
    assert slow[0] - fast[0] == pytest.approx(saved)


def test_latent_attention_is_charged_for_decoding_in_mixed_steps() -> None:
    """The peer's mixed step of DeepSeek-V3 costs the same whatever its decoding requests have cached."""

    def longer(profile: Profile) -> float:
        """How much a mixed step gains when every request has ten times the cache."""
        short = serving(profile, "deepseek-ai/DeepSeek-V3", isl=1000)
        long = replace(short, workload=Workload(1000, 20_000))
        layout, decoding = Layout(tp=8, moe_ep=8), np.array([64.0])
        steps = [
            model.aggregated(layout).mixed_step_ms(np.array([1000]), decoding)[0] for model in (short, long)
        ]
        return float(steps[1] - steps[0])

    assert longer(PEER) == 0.0
    assert longer(peer_with("operations", mixed_step_blocks="apart")) > 1.0


def test_every_wanted_position_has_its_logits() -> None:
    """In a mixed step 200 decoding requests want 200 rows of the LM head, and the finished prompt one."""
    one, wanted = (
        serving(peer_with("operations", mixed_step_lm_head_rows=rows)) for rows in ("one", "wanted")
    )
    few, many = (
        model.aggregated(Layout()).mixed_step_ms(np.array([4000]), np.array([200.0]))[0]
        for model in (one, wanted)
    )
    assert few < many < 1.02 * few


def test_rotary_embedding_touches_every_token() -> None:
    """The passes beside prefill attention grow with the prompt."""
    extra = structs.replace(PEER.operations.attention_extra, tokens="all")
    one, every = serving(PEER), serving(peer_with("operations", attention_extra=extra))
    short, long = (
        float(every.step("prefill", Layout()).prefill_ms(np.array([1.0]), isl, 0)[0])
        - float(one.step("prefill", Layout()).prefill_ms(np.array([1.0]), isl, 0)[0])
        for isl in (1000, 8000)
    )
    assert 0 < short < long / 7


def test_collectives_past_a_node_pay_for_their_hops() -> None:
    """A small sum over 16 GPUs costs more than over 8 by at least the hops between two nodes."""
    model = serving(OURS, "Qwen/Qwen3-235B-A22B-FP8")
    small = np.array([1.0])
    inside, across = (
        model.step("decode", Layout(tp=tp, moe_ep=tp)).decode_ms(small, np.array([100.0]), small)[0]
        for tp in (8, 16)
    )
    layers, hops_ms = model.architecture.num_layers, 2 * model.system.p2p_latency_ms
    assert across - inside > layers * hops_ms


def test_experts_past_the_sweep_follow_its_slope() -> None:
    """Beyond 16,384 tokens: never below light, and not in proportion to the last point."""
    end_point, slope = (
        serving(peer_with("operations", experts_past_the_sweep=rule), "Qwen/Qwen3-235B-A22B-FP8")
        for rule in ("end_point", "slope")
    )
    layout, batch = Layout(dp=8, moe_ep=8), np.array([1.0])
    inside, outside = (
        [float(model.step("prefill", layout).prefill_ms(batch, isl, 0)[0]) for model in (end_point, slope)]
        for isl in (1000, 8000)
    )
    assert inside[0] == inside[1]
    assert outside[0] != outside[1]


def test_sglang_answers_alike_in_both_modes() -> None:
    """The same engine leaves the same room for its cache whether it prefills, decodes or both."""
    model = serving(OURS, backend="sglang")
    uses = (model.memory("agg", Layout(), ONE, np.array([4000])), model.memory("decode", Layout(), ONE))
    agg, decode = (use.limit - use.weights - use.activations - use.other for use in uses)
    assert agg == pytest.approx(decode)


def test_sglang_keeps_activations_out_of_its_fraction() -> None:
    """More tokens a step take nothing from the cache: they lie in what the fraction leaves."""
    model = serving(OURS, backend="sglang")
    uses = [model.memory("agg", Layout(), ONE, np.array([chunk])) for chunk in (4000, 8000)]
    assert uses[0].activations < uses[1].activations
    room = [use.limit - use.weights - use.activations - use.other for use in uses]
    assert room[0] == pytest.approx(room[1])


def test_larger_chunks_hold_more_activations() -> None:
    """TensorRT-LLM: past 8,192 context tokens the step's own count holds."""
    ours, peer = serving(OURS, isl=20_000), serving(PEER, isl=20_000)
    big = np.array([20_000])
    assert (
        ours.memory("agg", Layout(), ONE, big).activations
        > peer.memory("agg", Layout(), ONE, big).activations
    )


def test_ranks_of_one_rack_pay_no_hops() -> None:
    """On GB200, eight GPUs are two nodes of one NVLink rack: a small sum costs about as in a node."""
    arch, system = load_architecture("Qwen/Qwen3-235B-A22B-FP8"), load_system("gb200")
    tables = open_tables("gb200", "trtllm")
    quant = fitting_quant(arch, infer(arch), system, tables, DataMode.SILICON)
    model = ServingModel(arch, quant, Workload(4000, 500), system, tables, OURS)
    one = np.array([1.0])
    four, eight = (
        sum(
            op.count * float(model.pricing.price(op, StepLoad(one, one))[0])
            for op in model.step("decode", Layout(tp=tp, moe_ep=tp)).decode
            if isinstance(op, AllReduce | ExpertExchange)
        )
        for tp in (4, 8)
    )
    assert four < eight < 1.3 * four


def test_replicated_tokens_are_not_exchanged() -> None:
    """Without attention data parallelism vLLM's ranks have all tokens: no all-to-all reaches the experts."""
    arch, system = load_architecture("deepseek-ai/DeepSeek-V3"), load_system("h200_sxm")
    tables = open_tables("h200_sxm", "vllm")
    quant = fitting_quant(arch, infer(arch), system, tables, DataMode.SILICON)
    replicated, shared_out = Layout(tp=8, moe_ep=8), Layout(dp=8, moe_ep=8)
    for profile, exchanged in ((PEER, True), (OURS, False)):
        model = ServingModel(arch, quant, Workload(1000, 500), system, tables, profile)
        assert model.graph("agg", replicated).wide == exchanged
        assert model.graph("agg", shared_out).wide


def test_host_time_is_in_the_step() -> None:
    """Decode steps of both kinds of workers take the host's time beside their kernels'."""
    hosts = {**OURS.host, "trtllm": NO_HOST}
    with_host, without = serving(OURS), serving(structs.replace(OURS, host=hosts))
    batch, chunk, layout = np.array([64]), np.array([4000]), Layout(tp=2)
    added = with_host.host_ms(layout, batch.astype(float))
    assert added > 0.3
    for role, chunks in (("agg", chunk), ("decode", None)):
        slow, fast = (model.curve(role, layout, batch, chunks) for model in (with_host, without))
        assert slow.step_ms - fast.step_ms == pytest.approx(added)
