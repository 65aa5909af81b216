"""Why no capacity plan exists: a class that no worker is fast enough for, or too few GPUs."""

from dataclasses import replace

import numpy as np

from aicfg.experiments.ask.options import Options
from aicfg.experiments.capacity.asks import Joined, capacity_ask
from aicfg.experiments.capacity.case import CapacityCase
from aicfg.experiments.plans.plan import Explanation
from aicfg.experiments.solving.assemble import MODES
from aicfg.solver.capacity import class_ask
from aicfg.solver.capacity_solve import solve_capacity
from aicfg.solver.order import SERVING_ROLES
from aicfg.solver.points import Ask, Role
from aicfg.solver.within import within

TIMES = (2, 4, 8, 16, 32, 64)
"""As many times the fleet are looked at."""


def explain_capacity(case: CapacityCase, of: Joined, options: Options) -> Explanation:
    """What stands in the way, in words."""
    asks = [capacity_ask(case, of, mode, None) for mode in MODES[case.experiment.serving.mode]]
    out_of_reach = [
        (number, kind.name)
        for number, kind in enumerate(case.kinds)
        if not any(_has_workers(of, ask, number) for ask in asks)
    ]
    if out_of_reach:
        conflict = tuple(f"workload.classes[{number}]" for number, _ in out_of_reach)
        return Explanation((), conflict, None, " ".join(_slowest(of, *each) for each in out_of_reach))
    times = next((n for n in TIMES if any(_is_enough(of, ask, n) for ask in asks)), None)
    if times is None:
        text = f"Not even {TIMES[-1]} times the fleet's GPUs serve this, with its spares and constraints."
        return Explanation((), ("fleet", "load"), None, text)
    needed = min(n for n in (_fewest(of, ask, times) for ask in asks) if n is not None)
    pools = "in the same proportion of pools, " if len(case.experiment.fleet.every) > 1 else ""
    budget = case.experiment.fleet.budget
    text = f"{budget:,} GPUs are too few; {pools}{needed:,} serve what is asked, and its spares."
    return Explanation((), ("fleet.gpus", "load"), {"fleet.gpus": float(needed)}, text)


def _has_workers(of: Joined, ask: Ask, number: int) -> bool:
    """Whether each role of the mode has a point of the class within its agreement."""
    own = np.flatnonzero(of.points.request_class == number)
    kept = own[within(of.points.take(own), class_ask(ask, number))]
    there = set(of.points.role[kept].tolist())
    return there >= set(SERVING_ROLES[ask.mode]) if ask.mode != "mixed" else bool(there)


def _slowest(of: Joined, number: int, name: str) -> str:
    """The best latencies that any worker gives the class."""
    points = of.points.take(of.points.request_class == number)
    ttft = points.ttft_ns[points.role != Role.DECODE].min(initial=np.iinfo(np.int64).max) / 1e6
    tpot = points.tpot_ns[points.role != Role.PREFILL].min(initial=np.iinfo(np.int64).max) / 1e6
    best = f"the lowest TTFT of any is {ttft:,.1f} ms, the lowest TPOT {tpot:,.2f} ms"
    return f"No workers keep the agreement of class {name}: {best}, waiting included."


def _times(ask: Ask, times: int) -> Ask:
    pools = tuple(replace(pool, gpus=times * pool.gpus) for pool in ask.pools)
    assert ask.capacity is not None
    offers = tuple(
        tuple(replace(offer, gpus=times * offer.gpus) for offer in of_pool) for of_pool in ask.capacity.offers
    )
    return replace(ask, pools=pools, capacity=replace(ask.capacity, offers=offers))


def _is_enough(of: Joined, ask: Ask, times: int) -> bool:
    return solve_capacity(of.points, replace(_times(ask, times), objective="gpus")).plan is not None


def _fewest(of: Joined, ask: Ask, times: int) -> int | None:
    """Fewest GPUs that serve the busiest step, of ``times`` the fleet."""
    assert ask.capacity is not None
    steps = ask.capacity.steps
    busiest = max(steps, key=lambda step: sum(step.loads))
    capacity = replace(ask.capacity, steps=(replace(busiest, seconds=1),), startup_s=0, current=None)
    answer = solve_capacity(of.points, replace(_times(ask, times), objective="gpus", capacity=capacity))
    return None if answer.value is None else round(answer.value / answer.per_unit)
