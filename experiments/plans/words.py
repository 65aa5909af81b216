"""Figures in words: how reports and messages write numbers, layouts and pools."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any

from aicfg.experiments.plans.plan import Counted, Objective, Plan, PoolPlan, Sources
from aicfg.model_specs.layout import Layout

MODES = {"agg": "aggregated", "disagg": "disaggregated", "mixed": "mixed"}
UNITS = {
    "tokens_per_s": "tokens/s",
    "gpus": "GPUs",
    "cost": "per hour",
    "gpu_hours": "GPU-hours",
    "cost_in_all": "in all",
    "ttft": "ms TTFT",
    "tpot": "ms TPOT",
    "request_latency": "ms a request",
}
ENGINES = {"highs": "HiGHS", "cpsat": "CP-SAT", "pyomo": "Pyomo"}

_RESTS_ON = {
    "measured": "measured",
    "interpolated": "interpolated",
    "extrapolated": "extrapolated",
    "replaced": "estimated in place of implausible measurements",
    "estimated": "estimated",
    "formula": "plain memory passes",
    "light": "speed of light",
}

_EIGHTHS = " ▏▎▍▌▋▊▉"


def number(value: float | None) -> str:
    """A figure with as many digits as it deserves: ``9,048.2``, ``282.8``, ``9.781``, ``32``."""
    if value is None:
        return "-"
    if value == int(value):
        return f"{int(value):,}"
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}"


def exact(value: float) -> str:
    """A bound with all the digits that make it hold: ``136.08``, ``5.823``, ``16``."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def share(value: float) -> str:
    """A share as a percentage: ``26 %``, ``2.2 %``, ``<0.1 %``."""
    percent = 100 * value
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def bar(filled: float, cells: int) -> str:
    """``filled`` (0 to 1) of a bar of ``cells`` characters."""
    eighths = round(min(max(filled, 0.0), 1.0) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells, "░")


def layout(pool: PoolPlan) -> str:
    """The layout of one worker, such as ``tp4pp2``."""
    return str(Layout(pool.tp, pool.pp, pool.dp, pool.cp, pool.moe_tp, pool.moe_ep))


def counted_words(counted: Counted) -> str:
    """What bounds are on, where they are not on the means."""
    runs = [f"{share(counted.confidence)} of measured runs"] if counted.confidence else []
    if counted.tpot_margin != 1:
        runs = [f"TPOT with a margin of {share(counted.tpot_margin - 1)}"]
    of = (("TTFT", counted.ttft_percentile), ("TPOT", counted.tpot_percentile))
    requests = [f"P{percentile:g} of {name}" for name, percentile in of if percentile is not None]
    if requests:
        loop = "Poisson arrivals" if counted.arrivals == "poisson" else "a closed loop"
        requests[-1] += f" in {loop}" if counted.arrivals == "closed" else f" under {loop}"
    return "; ".join([" and ".join(requests), *runs] if requests else runs)


def sources_words(sources: Sources, most: int | None = None) -> str:
    """What a time rests on, the largest share first: ``62 % measured, 35 % interpolated``."""
    ordered = sorted(asdict(sources).items(), key=lambda each: -each[1])
    return ", ".join(f"{share(part)} {_RESTS_ON[name]}" for name, part in ordered[:most] if part > 0)


def sources_together(pools: Sequence[PoolPlan]) -> Sources | None:
    """What the time of all pools' GPUs rests on; None where a pool does not say."""
    known = [(pool.gpus, astuple(pool.sources)) for pool in pools if pool.sources is not None]
    if len(known) < len(pools):
        return None
    total = sum(gpus for gpus, _ in known)
    return Sources(
        *(sum(column) for column in zip(*([g * x / total for x in each] for g, each in known), strict=True))
    )


def formats_words(quant: Mapping[str, str | Sequence[str] | None]) -> str:
    """Number formats in a few words; that of the experts where there are any and it is another one."""
    weights, moe, cache = (_format_words(quant[name]) for name in ("gemm", "moe", "kvcache"))
    experts = f", experts {moe}" if quant["moe"] not in (None, quant["gemm"]) else ""
    return f"weights {weights}{experts}, KV {cache}"


def _format_words(given: str | Sequence[str] | None) -> str:
    """A format, several to choose from, or none that is the same everywhere."""
    if given is None:
        return "by pool"
    return given if isinstance(given, str) else " or ".join(given)


def type_words(pool: PoolPlan) -> str:
    """The worker type of a pool: ``tp8 decode``, and where it runs if the fleet has several pools."""
    where = f" on {pool.pool}" if pool.pool else ""
    return f"{layout(pool)} {pool.role}{where}"


def pool_words(pool: PoolPlan) -> str:
    """One pool in a few words: ``2 × tp8 decode``."""
    return f"{pool.workers:,} × {type_words(pool)}"


def value_words(objective: Objective, value: float | None = None) -> str:
    """What an objective reached, or ``value`` of it, with its unit: ``9,048.2 tokens/s``, ``12 GPUs``."""
    return f"{number(objective.value if value is None else value)} {UNITS[objective.name]}"


def lost_words(lost: float, sense: str) -> str:
    """What is lost of an objective, as a share: ``1.4 % less``; where less is better ``46 % more``."""
    if not lost:
        return "the same"
    return f"{share(abs(lost))} {'less' if (sense == 'max') == (lost > 0) else 'more'}"


def plan_words(plan: Plan) -> str:
    """The pools of a plan in a few words."""
    return " + ".join(pool_words(pool) for pool in plan.pools)


def lengths_words(workload: Mapping[str, Any]) -> str:
    """The lengths of requests as they are given."""
    if workload.get("trace"):
        return f"requests of {workload['trace']} as up to {workload['reduce_to']} classes"
    if workload.get("distribution"):
        return f"lengths by quantile as up to {workload['reduce_to']} classes"
    if classes := workload.get("classes"):
        return f"{len(classes)} {'classes' if len(classes) > 1 else 'class'} of requests"
    prefix = f" ({workload['prefix']:,} cached)" if workload["prefix"] else ""
    return f"{workload['isl']:,} tokens in{prefix}, {workload['osl']:,} out"
