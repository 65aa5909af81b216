"""Every model of the catalogue, on every engine: solved somewhere, or refused with the right reason."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

import aicfg
from aicfg.experiments.support import Verdict, engines_of, verdicts
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import Places
from aicfg.hardware.profile import load_profile
from aicfg.model_specs.resolve import catalogue_ids, load_architecture

SYSTEMS = ("h200_sxm", "b200_sxm", "rtx_pro_6000_server")
BACKENDS = ("vllm", "sglang", "trtllm")
NOT_COVERED = {
    "layers of different shapes": ("Llama-3_3-Nemotron",),
}
"""What the families lack, and parts of the ids that need it."""


def lacking(model: str) -> str | None:
    """What the families lack for a model; None where one covers it."""
    return next((why for why, parts in NOT_COVERED.items() if any(part in model for part in parts)), None)


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
def test_solved_somewhere_or_refused_with_its_reason(model: str, backend: str) -> None:
    """A covered model has a proven plan on at least one system; another one is refused by what it lacks."""
    cells, why = matrix(backend)[model], lacking(model)
    if why is not None:
        assert {each.supported for each in cells} == {False}
        with pytest.raises(aicfg.InputError, match=rf"\({why}\) is not covered yet"):
            load_architecture(model)
        return
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
    """What models of one architecture share; the id itself where no family covers it."""
    try:
        return replace(load_architecture(model), model="", source="")
    except aicfg.InputError:
        return model


def test_most_of_the_catalogue_is_covered() -> None:
    """The list of what is not covered is as short as the families allow."""
    refused = [model for model in catalogue_ids() if lacking(model)]
    assert len(refused) <= 2
    assert len(catalogue_ids()) >= 218
