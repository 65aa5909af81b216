"""Engines, number formats and chunk budgets as choices, against brute force."""

from dataclasses import replace
from itertools import product

import numpy as np
import oracle
import pytest
from synthetic import make_points

from aicfg.solver.points import Ask, Points, Pool, Role
from aicfg.solver.solve import solve

ENGINES = ("vllm", "sglang")
WEIGHTS, CACHES = ("bf16", "fp8"), ("bf16", "fp8")
ROLES = {"agg": (Role.AGG,), "disagg": (Role.PREFILL, Role.DECODE), "mixed": tuple(Role)}
RULES = (
    (),
    ("prefill.quant.gemm == decode.quant.gemm",),
    ("agg.chunk_tokens <= 1024",),
    ("decode.backend == 'vllm'", "agg.quant.kvcache != 'bf16'"),
)


def choices(seed: int) -> tuple[Points, Ask]:
    """One or two layouts a role, on each engine, in each pair of formats; aggregated ones at three budgets.

    A transfer group is one engine and one format of the cache.
    """
    random = np.random.default_rng(seed)
    mode = tuple(ROLES)[seed % 3]
    rows: list[dict[str, int]] = []
    labels: dict[str, list[str]] = {"backend": [], "quant.gemm": [], "quant.kvcache": []}
    kinds = list(product(ENGINES, WEIGHTS, CACHES))
    few = [kinds[0], *(kinds[1 + i] for i in random.choice(len(kinds) - 1, 2, replace=False))]
    for role, (engine, weights, cache) in product(ROLES[mode], few):
        gpus = int(random.choice([1, 2, 4]))
        shared = {
            "role": int(role), "worker_type": len(labels["backend"]), "gpus": gpus, "tp": gpus,
            "group": 2 * ENGINES.index(engine) + CACHES.index(cache),
            "quant": kinds.index((engine, weights, cache)), "memory_bytes": 1, "memory_limit_bytes": 9,
        }  # fmt: skip
        for name, label in zip(labels, (engine, weights, cache), strict=True):
            labels[name].append(label)
        budgets = (512, 1024, 4000) if role == Role.AGG else (0,)
        for batch, chunk in product((1, 4), budgets):
            rate = int(random.integers(1, 9)) * gpus
            rows.append(shared | {
                "batch": batch, "chunk_tokens": chunk, "request_rate": rate * 1_000_000,
                "token_rate": rate * 9_000_000 + chunk + batch,
                "ttft_ns": 0 if role == Role.DECODE else int(random.integers(1, 6)) * 10_000_000,
                "tpot_ns": 0 if role == Role.PREFILL else int(random.integers(1, 6)) * 1_000_000,
            })  # fmt: skip
    ask = Ask(
        (Pool("h100_sxm", int(random.integers(4, 8)), 8),), mode, 10, 9,
        ttft_ns=40_000_000, tpot_ns=4_000_000, types_per_role=1 + seed // 3 % 2,
        constraints=RULES[seed % 4], labels={name: tuple(each) for name, each in labels.items()},
    )  # fmt: skip
    return make_points(rows), ask


@pytest.mark.parametrize("seed", range(72))
def test_choices_against_brute_force(seed):
    """The value is that of brute force on both engines; a cache stays with its engine and format."""
    points, ask = choices(seed)
    best, answer = oracle.best(points, ask), solve(points, ask, "both")
    assert answer.value == (best[0] if best else None)
    assert answer.checked_by == ("cpsat",)
    for group in {int(points.group[p]) for p in answer.points if points.role[p] != Role.AGG}:
        roles = {int(points.role[p]) for p in answer.points if points.group[p] == group}
        assert roles == {Role.PREFILL, Role.DECODE}


def test_a_wider_choice_never_hurts():
    """The best over all kinds is at least that of each kind by itself, and sometimes a mixture."""
    mixtures = 0
    for seed in range(1, 60, 3):
        points, ask = choices(seed)
        ask = replace(ask, constraints=())
        kinds = {int(each) for each in points.quant}
        alone = max(solve(points.take(points.quant == kind), ask).value or 0 for kind in kinds)
        answer = solve(points, ask)
        assert (answer.value or 0) >= alone
        mixtures += len({int(points.quant[p]) for p in answer.points}) > 1 and (answer.value or 0) > alone
    assert mixtures
