"""Every kind of deployment passes the project's validator, and starts exactly the plan's GPUs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deploy_plans import CASES, Case

from aicfg.experiments.deploy.settings.schema import K8s, Settings
from aicfg.experiments.deploy.write import put_files, render
from aicfg.experiments.plans.plan import Plan


def test_the_matrix_is_large() -> None:
    """At least 60 plans: engines × modes × dense and MoE × spans of 1, 2, 8 nodes × five budgets."""
    assert len(CASES) >= 60
    for field, values in (("nodes", {1, 2, 8}), ("gpus", {8, 12, 50, 64, 256}), ("mode", {"agg", "disagg"})):
        assert {getattr(case, field) for case, _ in CASES} == values


@pytest.mark.parametrize(("case", "plan"), CASES, ids=[case.name for case, _ in CASES])
def test_files_pass_the_validator(
    case: Case, plan: Plan, tmp_path: Path, validate: Callable[..., Any]
) -> None:
    """No finding at all, and replicas × nodes × GPUs is what the plan uses, in manifests and in scripts."""
    put_files(render(plan), tmp_path)
    findings, gpus = validate(tmp_path, total=case.gpus, planned=plan.gpus_used)
    assert not findings
    assert set(gpus["pods"].values()) == set(gpus["scripts"].values()) == {plan.gpus_used}
    assert plan.gpus_used is not None and plan.gpus_used <= case.gpus
    assert {path.name for path in gpus["pods"]} >= {"k8s_deploy.yaml", "lws.yaml"}


def test_older_api_version_passes_too(tmp_path: Path, validate: Callable[..., Any]) -> None:
    """v1alpha1 manifests, on request, hold the same GPUs."""
    case, plan = next(pair for pair in CASES if pair[0].nodes == 2 and pair[0].mode == "disagg")
    put_files(render(plan, Settings(k8s=K8s(api_version="v1alpha1")), ["dynamo-k8s"]), tmp_path)
    findings, gpus = validate(tmp_path, total=case.gpus, planned=plan.gpus_used)
    assert not findings
    assert "nvidia.com/v1alpha1" in (tmp_path / "disagg" / "k8s_deploy.yaml").read_text()
    assert set(gpus["pods"].values()) == {plan.gpus_used}
