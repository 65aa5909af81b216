"""The exact frontier between tokens/s, TPOT (tokens/s of a user) and, as an option, TTFT.

The bound on TPOT (and on TTFT, where it is an axis) is dropped; all other constraints stay. Only latencies of
points can be a plan's, so the frontier has finitely many corners, and none is missing:

one type a role
    For every decode point the most that any prefill point lets it serve (``pairs``) is exact. By rising TPOT
    the running maximum of these is the frontier. A decode point that another one of its size (pool, group,
    GPUs) beats in rate at no higher TPOT adds no corner.
mixed with one type a role, or several types in one pool
    What GPUs serve at most is kept up while points are allowed by rising TPOT (``rising``).
otherwise
    The highest tokens/s is a rising step function of the bound on TPOT. Where both ends of an interval of
    bounds have one value there is no corner within; else it is halved. Equal programs are solved once.
"""

from dataclasses import dataclass, replace

import numpy as np

from aicfg.solver.cheapest import cheapest
from aicfg.solver.check import check_input
from aicfg.solver.errors import EngineImpreciseError
from aicfg.solver.evaluate import evaluate
from aicfg.solver.halving import Halving
from aicfg.solver.pairs import served_by_pairs
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.prune import fastest_of_size, strict_front
from aicfg.solver.rising import is_rising, rising
from aicfg.solver.scan import agg_tokens
from aicfg.solver.scope import is_scannable, is_splittable
from aicfg.solver.splitting_ttft import rising_over_both
from aicfg.solver.staircase import Staircase
from aicfg.solver.thresholds import Plan
from aicfg.solver.ways import Ways, ways
from aicfg.solver.within import within


@dataclass(frozen=True)
class Corner:
    """A plan of which no other has as many tokens/s at no higher latency."""

    tokens: int
    """Micro-tokens/s."""
    tpot_ns: int
    ttft_ns: int
    """Of the plan; an axis of the frontier only where asked for."""
    requests: int
    gpus_used: int
    mode: str
    points: tuple[int, ...]
    workers: tuple[int, ...]
    meets_sla: bool
    """Whether the plan keeps the bounds that were dropped for the frontier."""


Step = tuple[int, int, int | None]
"""Micro-tokens/s, the lowest TPOT with which they can be had, and the TTFT where it is an axis."""


def frontier(points: Points, asked: Ways, ttft: bool = False, settled: bool = False) -> tuple[Corner, ...]:
    """All corners, by rising TPOT and then TTFT.

    With one type a role the plans are those that the stages choose; otherwise each is one with the corner's
    figures, as it was found.

    Parameters
    ----------
    asked
        What is asked, or several ways to serve: then a corner is that of the best one.
    ttft
        Make TTFT a third axis instead of a bound.
    settled
        Let the stages choose the plans in every case: about a second a corner in a large mixed fleet.
    """
    found = [corner for ask in ways(asked) for corner in _corners(points, ask, ttft, settled)]
    return tuple(found) if len(ways(asked)) == 1 else _best_of(found, ttft)


def _corners(points: Points, ask: Ask, ttft: bool, settled: bool) -> list[Corner]:
    """The corners of one way to serve."""
    check_input(points, ask)
    free = replace(ask, objective="tokens_per_s", tpot_ns=None)
    if ttft:
        free = replace(free, ttft_ns=None)
    allowed = within(points, free)
    of = points.take(allowed)
    if is_scannable(of, free):
        steps = _agg_steps(of, free, ttft) if ask.mode == "agg" else _pair_steps(of, free, ttft)
        plans = _scanned(of, free, steps)
    else:
        found = None if settled else _shared(of, free, ttft)
        plans = Halving(of, free, ttft).plans(settled) if found is None else found
    return [_corner(points, ask, {int(allowed[p]): n for p, n in plan.items()}) for plan in plans]


def _shared(points: Points, ask: Ask, ttft: bool) -> list[Plan] | None:
    """The plans of the corners where sharing GPUs is all there is to choose; None where it is not."""
    if ttft:
        return rising_over_both(points, ask) if is_splittable(points, ask) else None
    return rising(points, ask) if is_rising(points, ask) else None


def _best_of(corners: list[Corner], ttft: bool) -> tuple[Corner, ...]:
    """Those that no other is at least as good as; of equal ones that with the fewest GPUs, then the first."""
    stairs = Staircase()
    order = sorted(corners, key=lambda each: (-each.tokens, each.tpot_ns, each.ttft_ns, each.gpus_used))
    kept = [each for each in order if stairs.add(each.tpot_ns, each.ttft_ns if ttft else 0)]
    return tuple(sorted(kept, key=lambda each: (each.tpot_ns, each.ttft_ns)))


def _corner(points: Points, ask: Ask, plan: Plan) -> Corner:
    found = evaluate(points, ask, plan)
    return Corner(
        found.tokens,
        found.tpot_ns,
        found.ttft_ns,
        found.requests,
        sum(found.gpus),
        ask.mode,
        tuple(plan),
        tuple(plan.values()),
        not {"ttft", "tpot"} & set(found.broken),
    )


def _agg_steps(points: Points, ask: Ask, ttft: bool) -> list[Step]:
    """Steps of aggregated serving: a point with all the workers of its pool each."""
    tokens = agg_tokens(points, ask)
    if not ttft:
        return _rising(tokens, points.tpot_ns, None)
    steps: list[Step] = []
    stairs = Staircase()
    for i in np.lexsort((points.ttft_ns, points.tpot_ns, -tokens)):
        if tokens[i] and stairs.add(int(points.tpot_ns[i]), int(points.ttft_ns[i])):
            steps.append((int(tokens[i]), int(points.tpot_ns[i]), int(points.ttft_ns[i])))
    return steps


def _pair_steps(points: Points, ask: Ask, ttft: bool) -> list[Step]:
    """Steps of prefill and decode: for each decode point the best prefill point."""
    front = strict_front(points, points.request_rate)
    firsts, nexts = (front[points.role[front] == role] for role in (Role.PREFILL, Role.DECODE))
    if not ttft and ask.request_latency_ns is None:
        firsts = firsts[fastest_of_size(points.take(firsts), points.request_rate[firsts])]
    served = served_by_pairs(points, ask, firsts, nexts) * ask.tokens_per_request
    tpot = points.tpot_ns[nexts]
    if not ttft:
        return _rising(served.max(axis=0, initial=0), tpot, None)
    steps: list[Step] = []
    before: list[Step] = []
    for bound in np.unique(points.ttft_ns[firsts]):
        best = served[points.ttft_ns[firsts] <= bound].max(axis=0, initial=0)
        after = _rising(best, tpot, int(bound))
        steps += _new(before, after)
        before = after
    return steps


def _rising(tokens: IntArray, tpot_ns: IntArray, ttft_ns: int | None) -> list[Step]:
    """The running maximum of ``tokens`` by rising TPOT, where it rises."""
    order = np.lexsort((-tokens, tpot_ns))
    tokens, tpot_ns = tokens[order], tpot_ns[order]
    before = np.concatenate(([0], np.maximum.accumulate(tokens)))[:-1]
    rises = np.flatnonzero(tokens > before)
    return [(int(tokens[i]), int(tpot_ns[i]), ttft_ns) for i in rises]


def _new(before: list[Step], after: list[Step]) -> list[Step]:
    """Steps of ``after`` that are higher than what ``before``, at a lower TTFT, has at their TPOT."""
    found, reached, i = [], 0, 0
    for tokens, tpot_ns, ttft_ns in after:
        while i < len(before) and before[i][1] <= tpot_ns:
            reached, i = before[i][0], i + 1
        if tokens > reached:
            found.append((tokens, tpot_ns, ttft_ns))
    return found


def _scanned(points: Points, ask: Ask, steps: list[Step]) -> list[Plan]:
    """The plan of each step, from the points that could be in one."""
    front = strict_front(points, points.request_rate) if ask.mode == "disagg" else np.arange(len(points))
    of = points.take(front)
    plans = []
    for tokens, tpot_ns, ttft_ns in sorted(steps, key=lambda step: (step[1], step[2] or 0)):
        keep = of.tpot_ns <= tpot_ns
        if ttft_ns is not None:
            keep &= of.ttft_ns <= ttft_ns
        if ask.mode == "agg":
            keep &= of.tpot_ns == tpot_ns  # with fewer ns there are fewer tokens/s
        at = np.flatnonzero(keep)
        plan = cheapest(of.take(at), ask, tokens)
        if plan is None:
            raise EngineImpreciseError(f"no plan has {tokens} micro-tokens/s at a TPOT of {tpot_ns} ns")
        plans.append({int(front[at[p]]): n for p, n in plan.items()})
    return plans
