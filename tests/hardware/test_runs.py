"""Runs as they are measured: more clients than places, drawn lengths, prefill and decode pools."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from aicfg.hardware.curve import Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.fitting import fitting_quant
from aicfg.hardware.host import NO_HOST
from aicfg.hardware.launch import Launch
from aicfg.hardware.laws import FlowLaw
from aicfg.hardware.modes import DataMode
from aicfg.hardware.profile import load_profile
from aicfg.hardware.runs import aggregated_run, by_steps, disaggregated_run, drawn, exceeded, most_requests
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.hardware.workload import Speculative, Workload
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import infer
from aicfg.model_specs.resolve import load_architecture

PROFILE = load_profile("aicfg")
INFINITE = float("inf")
NO_QUEUE = structs.replace(PROFILE.disaggregated, queue={"vllm": 0.0, "trtllm": 0.0})


def serving(backend: str = "vllm", profile: str = "aicfg", osl: int = 1000) -> ServingModel:
    """Qwen3-32B on H100."""
    arch, system = load_architecture("Qwen/Qwen3-32B"), load_system("h100_sxm")
    tables = open_tables("h100_sxm", backend)
    quant = fitting_quant(arch, infer(arch), system, tables, DataMode.SILICON)
    return ServingModel(arch, quant, Workload(4000, osl), system, tables, load_profile(profile))


def test_lengths_are_drawn_below_the_nominal_ones() -> None:
    """Nine tenths on average, whole, at least one token in and two out."""
    assert drawn(Workload(8192, 1024), 0.9) == Workload(7373, 922)
    assert drawn(Workload(1, 2), 0.1) == Workload(1, 2)


def test_clients_beyond_the_cache_wait_in_line() -> None:
    """Twice as many clients as places: TPOT of a full cache, and as long in line as a request takes."""
    model, layout = serving(), Layout(tp=2)
    places, rule, host = most_requests(model, layout), PROFILE.aggregated["vllm"], PROFILE.host["vllm"]
    assert isinstance(rule, FlowLaw)
    full, twice = (
        aggregated_run(model, layout, np.array([n * places])).latency(rule, host, INFINITE) for n in (1, 2)
    )
    assert twice.tpot_ms == pytest.approx(full.tpot_ms)
    served = aggregated_run(model, layout, np.array([places])).times
    request_ms = served.mixed_ms + 999 * full.tpot_ms
    assert twice.ttft_ms - full.ttft_ms == pytest.approx(request_ms)


def test_whole_answers_reserved_leave_fewer_places() -> None:
    """An engine that reserves whole answers holds fewer requests than one that does not."""
    model = serving(osl=4000)
    budgets = model.profile.memory.kv_budget
    whole = structs.replace(budgets["vllm"], reserved_answer=1.0)
    memory = structs.replace(model.profile.memory, kv_budget={**budgets, "vllm": whole})
    reserving = ServingModel(
        model.architecture,
        model.quant,
        model.workload,
        model.system,
        model.tables,
        structs.replace(model.profile, memory=memory),
    )
    ratio = most_requests(model, Layout(tp=4)) / most_requests(reserving, Layout(tp=4))
    assert ratio == pytest.approx(8000 / 6000, rel=0.01)


@pytest.mark.parametrize("role", ["agg", "prefill", "decode"])
def test_what_a_worker_cannot_hold(role: Role) -> None:
    """Half of Qwen3-32B's 65 GB fits on a GPU; beside all of it there is no room for 100 000 tokens."""
    assert exceeded(serving(), role, Layout(tp=2)) == ""
    long = replace(serving(), workload=Workload(100_000, 100_000))
    assert exceeded(long, role, Layout(tp=1)) == "a request exceeds the cache"
    small = replace(serving(), system=replace(load_system("h100_sxm"), memory_bytes=32 * 10**9))
    assert exceeded(small, role, Layout(tp=2)) == "weights exceed the memory of a GPU"
    assert exceeded(small, role, Layout(tp=4)) == ""


def test_a_steady_flow_is_the_curve() -> None:
    """Without an opening burst a run within the cache has the latencies of the plan's operating point."""
    model, layout = serving(), Layout(tp=4)
    rule, host = PROFILE.aggregated["vllm"], PROFILE.host["vllm"]
    assert isinstance(rule, FlowLaw)
    found = aggregated_run(model, layout, np.array([32.0])).latency(rule, host, INFINITE)
    curve = model.curve("agg", layout, np.array([32]), np.array([4000]))
    assert found.tpot_ms == pytest.approx(curve.tpot_ms)
    assert found.ttft_ms == pytest.approx(curve.ttft_ms)


def test_pools_share_the_clients_out() -> None:
    """Twice the decode workers halve their batch; the opening burst shrinks with the prefill workers."""
    model, layout = serving(), Layout(tp=2)
    one, two = (disaggregated_run((model, layout, n), (model, layout, n), np.array([64.0])) for n in (1, 2))
    rule, host = NO_QUEUE, PROFILE.host["vllm"]
    slow, fast = (run.latency(rule, host, "vllm", 10.0) for run in (one, two))
    assert fast.tpot_ms < slow.tpot_ms
    burst = rule.burst["vllm"] * one.prefill_ms * 32 / 20
    assert slow.ttft_ms - fast.ttft_ms == pytest.approx(burst)
    assert two.decoding == 32


def test_prompts_queue_before_a_busy_prefill_rank() -> None:
    """Half busy, a prompt waits for as long as the queue's share of one takes; never for more than nine."""
    model, layout = serving(), Layout(tp=2)
    run = disaggregated_run((model, layout, 1), (model, layout, 64), np.array([1.0, 1e6]))
    host, queued = PROFILE.host["vllm"], structs.replace(NO_QUEUE, queue={"vllm": 0.5})
    without, waiting = (run.latency(rule, host, "vllm", INFINITE) for rule in (NO_QUEUE, queued))
    answer = 999 * without.tpot_ms[0]
    busy = run.prefill_ms[0] / (run.prefill_ms[0] + answer)
    waits = waiting.ttft_ms - without.ttft_ms
    assert waits[0] == pytest.approx(0.5 * run.prefill_ms[0] * busy / (1.0 - busy))
    assert waits[1] == pytest.approx(0.5 * 9.0 * run.prefill_ms[1])


def test_clients_beyond_the_decode_places_wait() -> None:
    """Half the places: TPOT of the places' batch, and in line as long as an answer takes."""
    model, layout = serving(), Layout(tp=2)
    rule, host = PROFILE.disaggregated, PROFILE.host["vllm"]
    pools = (model, layout, 8), (model, layout, 1)
    free = disaggregated_run(*pools, np.array([32.0, 64.0])).latency(rule, host, "vllm", 10.0)
    few = [Launch(decode_batch_limit=32.0)] * 2
    full = disaggregated_run(*pools, np.array([32.0, 64.0]), launches=few).latency(rule, host, "vllm", 10.0)
    assert full.ttft_ms[0] == free.ttft_ms[0]
    assert full.tpot_ms.tolist() == [free.tpot_ms[0]] * 2
    assert full.ttft_ms[1] == pytest.approx(999 * free.tpot_ms[0])


def test_drafts_share_what_a_decode_step_takes() -> None:
    """Two tokens a step: each takes half of the step's host time, as on the curve of the decode workers."""
    model, layout = replace(serving(), speculative=Speculative(nextn=1, accepted=1.0)), Layout(tp=2)
    pool, host = (model, layout, 1), PROFILE.host["vllm"]
    run = disaggregated_run(pool, pool, np.array([32.0]))
    own, none = (run.latency(NO_QUEUE, rule, "vllm", INFINITE).tpot_ms for rule in (host, NO_HOST))
    assert own - none == pytest.approx(model.host_ms(layout, np.array([32.0])) / 2.0)
    assert own == pytest.approx(model.curve("decode", layout, np.array([32])).tpot_ms)


def test_a_lone_prompt_has_the_experts_to_itself() -> None:
    """With attention data parallelism a prompt beside idle ranks takes less than one beside busy ranks."""
    arch, system = load_architecture("Qwen/Qwen3-235B-A22B"), load_system("h200_sxm")
    tables = open_tables("h200_sxm", "trtllm")
    quant = fitting_quant(arch, infer(arch), system, tables, DataMode.SILICON)
    model = ServingModel(arch, quant, Workload(4000, 1000), system, tables, PROFILE)
    layout = Layout(dp=8, moe_ep=8)
    run = disaggregated_run((model, layout, 1), (model, layout, 1), np.array([1.0, 8000.0]))
    assert (run.lone_prefill_ms < 0.8 * run.prefill_ms).all()
    first = run.latency(NO_QUEUE, PROFILE.host["trtllm"], "trtllm", INFINITE).ttft_ms
    more = PROFILE.disaggregated.ttft_factor * (run.prefill_ms - run.lone_prefill_ms)[0]
    assert 0.9 * more < first[1] - first[0] <= more


def test_the_other_law_knows_no_burst() -> None:
    """Under a profile of steps a run is the operating point."""
    model, layout = serving(profile="aiconfigurator-0.12"), Layout(tp=4)
    curve = model.curve("agg", layout, np.array([32]), np.array([4000]))
    assert by_steps(model, layout, np.array([32.0])).ttft_ms == pytest.approx(curve.ttft_ms)
