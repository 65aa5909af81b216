"""Curves into the solver's integers."""

from pathlib import Path

import numpy as np
import pytest

from aicfg.experiments.ask.loader import load
from aicfg.experiments.solving.assemble import ask, candidates, modes
from aicfg.experiments.solving.prepare import Case, prepare
from aicfg.model_specs.errors import InputError
from aicfg.solver.points import Role


@pytest.fixture
def case(small: Path) -> Case:
    """The small experiment, ready."""
    return prepare(load(small)[0])


def test_every_point_leads_back_to_its_curve(case: Case) -> None:
    """Role, batch, chunk, GPUs and degrees of each point are those of the curve that it maps to."""
    found = candidates(case)
    points = found.points
    assert len(points) == sum(len(curve.batch) for curve in found.curves)
    for at in range(0, len(points), 37):
        curve, index = found.curves[found.curve[at]], found.index[at]
        assert Role(int(points.role[at])).name.lower() == curve.role
        assert points.batch[at] == curve.batch[index]
        assert points.chunk_tokens[at] == curve.chunk_tokens[index]
        assert points.gpus[at] == curve.layout.gpus
        assert points.degrees["tp"][at] == curve.layout.tp
        assert points.worker_type[at] == found.curve[at]


def test_figures_become_integers_once(case: Case) -> None:
    """Rates are micro-units with the efficiency applied, times nanoseconds as they count: the nearest."""
    margin = case.model.profile.tpot_margin
    found = candidates(case)
    points = found.points
    for number, curve in enumerate(found.curves):
        mine = points.worker_type == number
        expected = curve.requests_per_s * curve.efficiency * 1e6
        assert np.abs(points.request_rate[mine] - expected).max() <= 0.5
        assert np.abs(points.token_rate[mine] - curve.tokens_per_s * 1e6).max() <= 0.5
        assert np.abs(points.ttft_ns[mine] - curve.ttft_ms * 1e6).max() <= 0.5
        assert np.abs(points.tpot_ns[mine] - curve.tpot_ms * margin * 1e6).max() <= 0.5
    assert points.request_rate.dtype == np.int64


def test_all_points_fit_where_any_does(case: Case) -> None:
    """Points beyond the memory are left out, and the integers agree with the curves about it."""
    found = candidates(case)
    points = found.points
    assert (points.memory_bytes <= points.memory_limit_bytes).all()
    assert np.concatenate([curve.memory.fits for curve in found.curves]).all()


def test_points_beyond_the_memory_where_none_fits(small: Path) -> None:
    """A model that fits no layout still has points, to say what is missing; none is within its limit."""
    settings = ["model=meta-llama/Meta-Llama-3.1-405B", "fleet.system=l40s"]
    settings += [
        f"serving.search.{role}.{axis}=[1, 2]"
        for role in ("agg", "prefill", "decode")
        for axis in ("tp", "pp")
    ]
    points = candidates(prepare(load(small, settings=settings)[0])).points
    assert len(points) > 0
    assert (points.memory_bytes > points.memory_limit_bytes).all()


def test_larger_workers_when_asked_for(small: Path) -> None:
    """Workers larger than the fleet take part in explanations only."""
    case = prepare(load(small, settings=["fleet.gpus=2"])[0])
    assert candidates(case).points.gpus.max() == 2
    assert candidates(case, any_size=True).points.gpus.max() >= 8


def test_only_prefill_and_decode_share_a_transfer_group(case: Case) -> None:
    """Aggregated points have group -1, the others one group where all layouts can exchange caches."""
    points = candidates(case).points
    assert set(points.group[points.role == Role.AGG]) == {-1}
    assert set(points.group[points.role != Role.AGG]) == {0}


def test_sglang_exchanges_caches_at_equal_tp_only(small: Path) -> None:
    """On SGLang the transfer group follows the tensor-parallel degree."""
    (experiment,) = load(small, settings=["serving.backend=sglang", "serving.mode=disagg"])
    points = candidates(prepare(experiment)).points
    pairs = set(zip(points.group.tolist(), points.degrees["tp"].tolist(), strict=True))
    assert len({group for group, _ in pairs}) == len({tp for _, tp in pairs}) == len(pairs) > 1


@pytest.mark.parametrize(("mode", "roles"), [("agg", {Role.AGG}), ("disagg", {Role.PREFILL, Role.DECODE})])
def test_a_mode_prices_only_its_roles(small: Path, mode: str, roles: set[Role]) -> None:
    """Asking for one mode leaves the other's workers out."""
    (experiment,) = load(small, settings=[f"serving.mode={mode}"])
    case = prepare(experiment)
    assert modes(case) == (mode,)
    assert set(candidates(case).points.role.tolist()) == roles


def test_search_lists_restrict_a_role(small: Path) -> None:
    """Degrees and the largest batch of one role do not touch the others."""
    settings = ["serving.search.decode.tp=[4]", "serving.search.decode.max_batch=16"]
    points = candidates(prepare(load(small, settings=settings)[0])).points
    decode = points.role == Role.DECODE
    assert set(points.degrees["tp"][decode].tolist()) == {4}
    assert points.batch[decode].max() == 16
    assert set(points.degrees["tp"][points.role == Role.AGG].tolist()) == {1, 2, 4, 8}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("sla={ttft_ms: 0.1234567}", (123457, 40_000_000, None)),
        ("sla={ttft_ms: null, tpot_ms: null, request_latency_ms: 5000}", (None, None, 5_000_000_000)),
    ],
)
def test_bounds_become_nanoseconds(small: Path, setting: str, expected: tuple[int | None, ...]) -> None:
    """A bound left out is none; the others are whole nanoseconds."""
    case = prepare(load(small, settings=[setting])[0])
    asked = ask(case, candidates(case), "disagg", None)
    assert (asked.ttft_ns, asked.tpot_ns, asked.request_latency_ns) == expected


def test_what_is_asked_of_the_fleet(case: Case) -> None:
    """Budget, node size, tokens of a request and names of the worker types reach the solver."""
    found = candidates(case)
    asked = ask(case, found, "agg", 2.5)
    (pool,) = asked.pools
    assert (pool.name, pool.gpus, pool.gpus_per_node) == ("h100_sxm", 8, 8)
    assert (asked.tokens_per_request, asked.latency_tokens, asked.time_limit_s) == (200, 199, 2.5)
    assert len(asked.names) == len(found.curves) == len(set(asked.names))
    assert "decode_tp4" in asked.names


def test_listed_batches_and_sizes_are_all_there_is(small: Path) -> None:
    """A list of batches leaves out all others of its role; so does a list of worker sizes."""
    settings = [
        "serving.search.decode={batch: [3, 40, 17], max_batch: null}",
        "serving.search.agg.gpus_per_worker=[2, 8]",
        "serving.search.prefill.gpus_per_worker=[4]",
    ]
    found = candidates(prepare(load(small, settings=settings)[0]))
    points = found.points
    assert set(points.batch[points.role == Role.DECODE].tolist()) == {3, 17, 40}
    assert set(points.gpus[points.role == Role.AGG].tolist()) == {2, 8}
    assert set(points.gpus[points.role == Role.PREFILL].tolist()) == {4}
    batches = [found.curves[c].batch[i] for c, i in zip(found.curve, found.index, strict=True)]
    assert points.batch.tolist() == batches


def test_degrees_of_the_experts_restrict_a_role(small: Path) -> None:
    """Attention and experts of a mixture each have their own degrees."""
    settings = ["model=mistralai/Mixtral-8x7B-v0.1", "serving.mode=agg"]
    settings.append("serving.search.agg={tp: [2], dp: [1, 4], pp: [1], moe_ep: [2, 8], max_batch: 4}")
    degrees = candidates(prepare(load(small, settings=settings)[0])).points.degrees
    names = ("tp", "dp", "moe_tp", "moe_ep")
    found = set(zip(*(degrees[name].tolist() for name in names), strict=True))
    assert found == {(2, 1, 1, 2), (2, 4, 1, 8)}


def test_what_no_mode_can_do_without_is_named(small: Path) -> None:
    """Where each mode lacks a role, the reasons are those of that role's layouts."""
    settings = ["serving.search.agg.tp=[3]", "serving.search.prefill.tp=[7]"]
    with pytest.raises(InputError, match=r"no worker can be priced: tp3(pp8)? agg: .*tp7(pp8)? prefill: "):
        candidates(prepare(load(small, settings=settings)[0]))


@pytest.mark.parametrize(("fraction", "larger"), [(0.99, True), (0.6, False)])
def test_the_memory_fraction_reaches_the_limit(small: Path, fraction: float, larger: bool) -> None:
    """A larger share of the memory allows larger caches, a smaller one less."""
    usual, other = (
        candidates(prepare(load(small, settings=settings)[0])).points.memory_limit_bytes.max()
        for settings in ([], [f"serving.memory_fraction={fraction}"])
    )
    assert (other > usual) == larger


def test_a_case_afresh_knows_nothing_yet(small: Path) -> None:
    """Its models price the same and share the tables, but no price and no layout that was found out."""
    case = prepare(load(small)[0])
    candidates(case)
    again = case.afresh
    assert again.model == case.model
    assert again.model is not case.model
    assert again.model.tables is case.model.tables
    assert again.model.pricing is not case.model.pricing
    assert case.model._known
    assert not again.model._known
