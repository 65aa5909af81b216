"""Error bars of a plan or an estimate: between which figures most measured runs lie."""

from collections.abc import Sequence

from aicfg.experiments.plans.plan import Likely, PoolPlan
from aicfg.hardware.intervals import Metric, Regime
from aicfg.hardware.profile import Profile

SHARE = 0.8


def likely(
    profile: Profile,
    pools: Sequence[PoolPlan],
    ttft_ms: float | None,
    tpot_ms: float | None,
    tokens_per_s: float | None,
) -> Likely | None:
    """By the residuals of the regimes that run: TTFT is the prefill workers', the rest of those that decode.

    Where pools of one kind run different engines the widest of their ends hold. None if the profile was never
    compared with measured runs of one of them.
    """
    first = [pool for pool in pools if pool.role != "decode"]
    later = [pool for pool in pools if pool.role != "prefill"]
    try:
        return Likely(
            SHARE,
            _range(profile, first, "ttft_ms", ttft_ms),
            _range(profile, later, "tpot_ms", tpot_ms),
            _range(profile, later, "tokens_per_s", tokens_per_s),
        )
    except KeyError:
        return None


def _range(
    profile: Profile, pools: Sequence[PoolPlan], metric: Metric, value: float | None
) -> tuple[float, float] | None:
    if value is None or not pools:
        return None
    if profile.intervals is None:
        raise KeyError(metric)
    ends = [profile.intervals.interval(_regime(pool), metric, SHARE) for pool in pools]
    return value * min(low for low, _ in ends), value * max(high for _, high in ends)


def _regime(pool: PoolPlan) -> Regime:
    return Regime("agg" if pool.role == "agg" else "disagg", pool.backend, pool.estimated)
