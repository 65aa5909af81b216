"""What a plan can be chosen for, and the stages that make the choice unique.

Every objective is lexicographic: what the user asked for first, then fewest GPUs, lowest TTFT, lowest TPOT,
fewest worker types, and at last the canonical order (``order.canonical_keys``). A stage is the same program
with another objective and what the earlier stages reached as bounds.
"""

from dataclasses import replace
from typing import Any, NamedTuple, cast

from aicfg.model_specs.errors import InputError, nearest
from aicfg.solver.points import Ask, Bound, Quantity


class Objective(NamedTuple):
    """One objective of the statement."""

    name: str
    maximize: bool
    per_unit: int
    """Integers of an answer's value in one unit of the program: micro-tokens in a token, ns in a ms."""
    formula: str
    sentence: str


PRECISION = 1e-11
"""Relative difference of rates that floating point may not tell apart (needed above 1e5 units/s only)."""
_MICRO = 1_000_000
_ALL = (
    Objective(
        "tokens_per_s",
        True,
        _MICRO,
        r"\max\; T \sum_g \lambda_g + \mathrm{tokens}",
        "Highest output tokens/s.",
    ),
    Objective("gpus", False, 1, r"\min \sum_p g_p\, n_p", "Fewest GPUs."),
    Objective(
        "cost", False, _MICRO, r"\min \sum_j c_j \sum_{p \in P_j} g_p\, n_p", "Lowest price of an hour."
    ),
    Objective("ttft", False, _MICRO, r"\min\; \mathrm{worst}", "Lowest TTFT, the worst of what is in use."),
    Objective("tpot", False, _MICRO, r"\min\; \mathrm{worst}", "Lowest TPOT, the worst of what is in use."),
    Objective(
        "request_latency",
        False,
        _MICRO,
        r"\min\; \mathrm{worst}",
        "Lowest request latency, the worst of what is in use: of an agg point, of a transfer group.",
    ),
)
OBJECTIVES = {each.name: each for each in _ALL}
"""What a user can ask for."""
STAGES = OBJECTIVES | {
    each.name: each
    for each in (
        Objective("requests_per_s", True, _MICRO, r"\max \sum_g \lambda_g + \ldots", "Highest requests/s."),
        Objective(
            "changes", False, 1, r"\min \sum_w \mathrm{added}_w + \mathrm{removed}_w", "Fewest changes."
        ),
        Objective("types", False, 1, r"\min \sum_p u_p", "Fewest worker types."),
        Objective("order", False, 1, r"\min \sum_w o_w\, u_w", "The first worker types in canonical order."),
        Objective("any", False, 1, "0", "Any plan."),
    )
}
"""Objectives of the statement, those of single stages and of questions about a plan included."""
LATENCIES = {"ttft": "ttft_ns", "tpot": "tpot_ns", "request_latency": "request_latency_ns"}
"""The bound of ``Ask`` that each worst-case objective would be."""
TIE_BREAKS = ("gpus", "ttft", "tpot", "types")


def objective_of(ask: Ask) -> Objective:
    """The objective that ``ask`` names.

    Raises
    ------
    InputError
        When there is no such objective, or a pool has no price and the objective is the cost.
    """
    if ask.objective not in STAGES:
        raise InputError(
            f"objective: {ask.objective!r} is not one of {', '.join(OBJECTIVES)}"
            f"{nearest(ask.objective, list(OBJECTIVES))}"
        )
    if ask.objective == "cost":
        check_prices(ask)
    return STAGES[ask.objective]


def check_prices(ask: Ask) -> None:
    """Every pool has a price.

    Raises
    ------
    InputError
        Naming the first pool without one.
    """
    for pool in ask.pools:
        if pool.micro_price_per_gpu_hour is None:
            raise InputError(
                f"pool {pool.name}: the cost is asked for, but the pool has no price_per_gpu_hour"
            )


def stages(ask: Ask) -> tuple[str, ...]:
    """The objectives of the stages before the canonical order, the asked one first."""
    return (ask.objective, *(each for each in TIE_BREAKS if each != ask.objective))


def keeping(ask: Ask, stage: str, value: int) -> Ask:
    """``ask`` with what ``stage`` reached as a bound."""
    if stage in LATENCIES:
        return bounded(ask, stage, value)
    kind = Bound(cast(Quantity, stage), STAGES[stage].maximize, value)
    return replace(ask, reached=(*ask.reached, kind))


def bounded(ask: Ask, latency: str, bound: int | None) -> Ask:
    """``ask`` with the bound on ``latency`` replaced."""
    change: dict[str, Any] = {LATENCIES[latency]: bound}
    return replace(ask, **change)
