"""Four deployments, file by file, as they are kept in ``tests/data/deploy/golden``.

After a change that is meant, write them anew and read the difference:
``AICFG_WRITE_GOLDEN=1 python -m pytest tests/experiments/deploy/test_golden.py``
"""

import os
from pathlib import Path

import pytest
from deploy_plans import MOE, plan, pool

from aicfg.experiments.deploy.write import put_files, render
from aicfg.experiments.plans.plan import Plan

GOLDEN = Path(__file__).parents[2] / "data" / "deploy" / "golden"
MTP = {"serving": {"speculative": {"nextn": 2}, "memory_fraction": 0.85}}
PREFIX = {"workload": {"isl": 4000, "osl": 500, "prefix": 1000}}

PLANS = {
    "vllm-disagg-one-node": plan(pool("vllm", "prefill", 2, tp=2), pool("vllm", "decode", 1, tp=4, batch=48)),
    "vllm-agg-two-nodes-a-worker": plan(pool("vllm", "agg", 2, dp=16, moe_ep=16), model=MOE, budget=50),
    "sglang-disagg-context-parallel": plan(
        pool("sglang", "prefill", 2, cp=2, pp=2),
        pool("sglang", "decode", 1, tp=2, dp=8, moe_ep=16),
        model=MOE,
        **PREFIX,
    ),
    "trtllm-disagg-drafts": plan(
        pool("trtllm", "prefill", 2, dp=4, moe_ep=4),
        pool("trtllm", "decode", 1, dp=16, moe_ep=16),
        model=MOE,
        **MTP,
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_files_are_as_kept(name: str) -> None:
    """Every file of the deployment, byte by byte; none is missing and none is new."""
    files = render(PLANS[name])
    if os.environ.get("AICFG_WRITE_GOLDEN"):
        put_files(files, GOLDEN / name)
    kept = {
        str(path.relative_to(GOLDEN / name)): path.read_text(encoding="utf-8")
        for path in (GOLDEN / name).rglob("*")
        if path.is_file()
    }
    assert kept.keys() == files.keys()
    for file, text in files.items():
        assert text == kept[file], file


@pytest.mark.parametrize("name", PLANS)
def test_a_saved_plan_renders_the_same(name: str) -> None:
    """The same plan, read back from its JSON, gives the same bytes."""
    assert render(Plan.from_json(PLANS[name].to_json())) == render(PLANS[name])
