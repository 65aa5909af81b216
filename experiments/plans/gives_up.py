"""What an alternative gives up against the best plan, in numbers and in words."""

from dataclasses import replace

from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.plans.tradeoffs import GivesUp
from aicfg.experiments.plans.words import lost_words, number, type_words


def with_what_it_gives_up(plan: Plan, best: Plan) -> Plan:
    """``plan`` with what it gives up against ``best``; both have pools."""
    value, most = plan.objective.value, best.objective.value
    assert value is not None
    assert most is not None
    sign = 1 if best.objective.sense == "max" else -1
    own, others = ([type_words(pool) for pool in each.pools] for each in (plan, best))
    gpus = (plan.gpus_used or 0) - (best.gpus_used or 0)
    ttft, tpot = (
        round((getattr(plan, name) or 0.0) - (getattr(best, name) or 0.0), 6)
        for name in ("ttft_ms", "tpot_ms")
    )
    lost = sign * (most - value) / most if most else 0.0
    without, instead = (tuple(each for each in a if each not in b) for a, b in ((others, own), (own, others)))
    text = _words(lost_words(lost, best.objective.sense), gpus, ttft, tpot)
    return replace(plan, gives_up=GivesUp(lost, gpus, ttft, tpot, without, instead, text))


def _words(lost: str, gpus: int, ttft: float, tpot: float) -> str:
    """Such as ``1.4 % less; 2 GPUs more, TTFT 12.10 ms less``; what is the same is left out."""
    others = (
        _signed("", gpus, "GPU" if abs(gpus) == 1 else "GPUs"),
        _signed("TTFT ", ttft, "ms"),
        _signed("TPOT ", tpot, "ms"),
    )
    rest = ", ".join(each for each in others if each)
    return f"{lost}; {rest}" if rest else lost


def _signed(what: str, value: float, unit: str) -> str:
    return f"{what}{number(abs(value))} {unit} {'more' if value > 0 else 'less'}" if value else ""
