"""Every model of the catalogue, on every engine, is solved somewhere."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

import aicfg
from aicfg.experiments.ask.support import Verdict, engines_of, verdicts
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import Places
from aicfg.hardware.profile import load_profile
from aicfg.model_specs.resolve import catalogue_ids, load_architecture

SYSTEMS = ("h200_sxm", "b200_sxm", "rtx_pro_6000_server")
BACKENDS = ("vllm", "sglang", "trtllm")


@cache
def matrix(backend: str) -> dict[str, list[Verdict]]:
    """Verdicts of every model on three systems, gaps in the tables filled by estimates."""
    engines = engines_of(Places(), SYSTEMS, [backend], DataMode.HYBRID)
    found: dict[str, list[Verdict]] = {}
    for each in verdicts(catalogue_ids(), engines, DataMode.HYBRID, load_profile("aicfg")):
        found.setdefault(each.model, []).append(each)
    return found


@cache
def solved(architecture: Any, verdict: Verdict) -> aicfg.Plan:
    """The plan on the smallest worker, for short requests; models alike share it."""
    short = min(512, architecture.max_position_embeddings // 2)
    mapping = {
        "model": verdict.model,
        "workload": {"isl": short, "osl": 16},
        "sla": {"ttft_ms": 100_000, "tpot_ms": 10_000},
        "fleet": {"system": verdict.system, "gpus": verdict.gpus},
        "serving": {
            "backend": verdict.backend,
            "mode": "agg",
            "data_mode": "hybrid",
            "search": {"agg": {"gpus_per_worker": [verdict.gpus], "max_batch": 2}},
        },
    }
    return aicfg.solve(mapping)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", catalogue_ids())
def test_solved_somewhere(model: str, backend: str) -> None:
    """A model has a proven plan on at least one system."""
    cells = matrix(backend)[model]
    found = next((each for each in cells if each.supported), None)
    assert found is not None, cells
    architecture = load_architecture(model)
    alike = replace(architecture, model="", source="")
    same = next(name for name in catalogue_ids() if _alike(name) == alike)
    plan = solved(architecture if same == model else load_architecture(same), replace(found, model=same))
    assert plan.status == "optimal"
    assert plan.pools[0].gpus_per_worker == found.gpus
    assert plan.certificate.recomputed == pytest.approx(plan.tokens_per_s, rel=1e-6)


@cache
def _alike(model: str) -> object:
    """What models of one architecture share."""
    return replace(load_architecture(model), model="", source="")


def test_the_catalogue_is_whole() -> None:
    """No model got lost."""
    assert len(catalogue_ids()) >= 218
