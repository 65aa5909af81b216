"""An experiment's own coefficients in place of its profile's."""

from typing import Any

import pytest

import aicfg
from aicfg.experiments.solving.overrides import overridden
from aicfg.hardware.profile import load_profile
from aicfg.model_specs.errors import InputError

EXPERIMENT: dict[str, Any] = {
    "model": "Qwen/Qwen3-32B-FP8",
    "workload": {"isl": 2000, "osl": 200},
    "sla": {"ttft_ms": 1000, "tpot_ms": 40},
    "fleet": {"system": "h100_sxm", "gpus": 8},
    "serving": {"backend": "vllm", "mode": "disagg"},
}


def test_only_the_named_coefficients_change() -> None:
    """The rest of the profile stays as it is, and without changes it is the same object."""
    profile = load_profile("aicfg")
    changed = overridden(profile, {"phases": {"decode_correction": 1.5}})
    assert changed.phases.decode_correction == 1.5
    assert changed.phases.prefill_correction == profile.phases.prefill_correction
    assert (changed.memory, changed.name) == (profile.memory, profile.name)
    assert overridden(profile, None) is profile


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phases": {"decode_corection": 1}}, "did you mean 'decode_correction'"),
        ({"fases": {}}, "did you mean 'phases'"),
        ({"phases": 3}, "phases: got 3; expected a mapping"),
        ({"phases": {"decode_correction": "much"}}, "Expected `float`"),
        ({"name": "mine"}, "unknown key 'name'"),
    ],
)
def test_wrong_overrides(changes: dict[str, Any], message: str) -> None:
    """A key that the profile has not, or another type, is one clear line."""
    with pytest.raises(InputError, match=message):
        overridden(load_profile("aicfg"), changes)


def test_the_plan_follows() -> None:
    """A slower decode serves less, is recomputed so, and the plan's inputs say why."""
    slower = aicfg.solve({**EXPERIMENT, "profile_overrides": {"phases": {"decode_correction": 2.0}}})
    plain = aicfg.solve(EXPERIMENT)
    assert slower.tokens_per_s is not None
    assert plain.tokens_per_s is not None
    assert slower.tokens_per_s < plain.tokens_per_s
    assert slower.certificate.recomputed == pytest.approx(slower.tokens_per_s, rel=1e-6)
    assert slower.inputs["profile_overrides"] == {"phases": {"decode_correction": 2.0}}
