"""The direct formulation of a capacity question on CP-SAT: from the points' data, without the program.

Workers of each type and step are integers, and so is their time at each point: in whole parts of a worker's,
``parts`` of them (720,720 = lcm(1..16), fewer for large fleets). What rounding time down to whole parts may
lose is given back in loads and shares: a plan of the statement is one here; the reverse holds to a millionth.
"""

from typing import Any

from aicfg.solver.answer import Ended
from aicfg.solver.capacity import MICRO
from aicfg.solver.capacity_plan import CapacityPlan, value
from aicfg.solver.capacity_solve import CapacityAnswer
from aicfg.solver.cpsat import ENDED
from aicfg.solver.cpsat_capacity_model import Model, most_workers, variables
from aicfg.solver.cpsat_capacity_rows import state
from aicfg.solver.objectives import objective_of
from aicfg.solver.points import Ask, Points, Role


def solve_cpsat_capacity(points: Points, ask: Ask, hint: CapacityPlan | None = None) -> CapacityAnswer:
    """The best plan by the direct formulation; the search may start from the workers of ``hint``.

    Raises
    ------
    UnsupportedAskError
        For more nodes than it can fill one by one, where worker sizes do not divide.
    """
    import ortools
    from ortools.sat.python import cp_model

    model = variables(cp_model.CpModel(), points, ask)
    state(model)
    if hint is not None:
        for (w, t), count in model.workers.items():
            model.cp.add_hint(count, hint.workers[w][t] if w in hint.workers else 0)
    solver = cp_model.CpSolver()
    if ask.time_limit_s is not None:
        solver.parameters.max_time_in_seconds = ask.time_limit_s
    moved = _moved(model)
    if model.capacity.current is not None and model.capacity.change_cost is None:
        model.cp.minimize(moved)
        if solver.solve(model.cp) == cp_model.OPTIMAL:
            model.cp.add(moved == round(solver.objective_value))
    goal, per_unit = _goal(model, moved)
    if objective_of(ask).maximize:
        model.cp.maximize(goal)
    else:
        model.cp.minimize(goal)
    ended = ENDED[solver.status_name(solver.solve(model.cp))]
    answer = CapacityAnswer(ended, "cpsat", ortools.__version__, None, None, None, per_unit)
    if not solver.response_proto.solution:
        return answer
    plan = _plan(model, solver)
    reached, bound = value(points, ask, plan), round(solver.best_objective_bound)
    if objective_of(ask).maximize:
        bound = bound // model.parts
    if ended is Ended.PROVEN_OPTIMAL:
        bound = reached
    return CapacityAnswer(ended, "cpsat", ortools.__version__, plan, reached, bound, per_unit)


def _moved(m: Model) -> Any:
    """Workers that are added to, or removed from, those of today."""
    today = m.capacity.current
    if today is None:
        return 0
    total: Any = sum(n for w, n in today.items() if w not in m.used)
    for w in m.types:
        moved = m.cp.new_int_var(0, most_workers(m, m.first[w]) + today.get(w, 0), "")
        m.cp.add_abs_equality(moved, m.workers[w, 0] - today.get(w, 0))
        total = total + moved
    return total


def _goal(m: Model, moved: Any) -> tuple[Any, int]:
    """The objective in its integers (tokens/s: times ``parts``), and how many make one unit."""
    capacity, points = m.capacity, m.points
    fee = (capacity.change_cost or 0) * moved
    if m.ask.objective == "tokens_per_s":
        tokens: Any = 0
        for k, of in enumerate(capacity.classes):
            agg = [p for p, _ in m.time if points.request_class[p] == k and points.role[p] == Role.AGG]
            tokens = tokens + sum(int(points.token_rate[p]) * m.time[p, 0] for p in agg)
            total, _ = m.served[0, k]
            alone = sum(int(points.request_rate[p]) * m.time[p, 0] for p in agg)
            tokens = tokens + of.tokens_per_request * (total - alone)
        return tokens - m.parts * fee, MICRO
    return _spent(m) + capacity.time_unit * fee, MICRO * capacity.time_unit


def _spent(m: Model) -> Any:
    """Micro-GPU-seconds, or what they cost, of workers and their starts, and of what is bought."""
    priced, total = m.ask.objective == "cost", 0
    steps = m.capacity.steps
    for w in m.types:
        p = m.first[w]
        j = int(m.points.pool[p])
        each = int(m.points.gpus[p]) * ((m.ask.pools[j].micro_price_per_gpu_hour or 0) if priced else MICRO)
        offered = priced and bool(m.capacity.offers) and bool(m.capacity.offers[j])
        for t, step in enumerate(steps):
            if not offered:
                total = total + each * step.seconds * m.workers[w, t]
            if len(steps) > 1:
                starts = m.cp.new_int_var(0, most_workers(m, p), "")
                m.cp.add(starts >= m.workers[w, t] - m.workers[w, (t - 1) % len(steps)])
                total = total + each * m.capacity.startup_s * starts
    for (j, o, t), gpus in m.bought.items() if priced else ():
        total = total + m.capacity.offers[j][o].micro_price_per_gpu_hour * steps[t].seconds * gpus
    return total


def _plan(m: Model, solver: Any) -> CapacityPlan:
    steps = range(len(m.capacity.steps))
    workers = {w: tuple(solver.value(m.workers[w, t]) for t in steps) for w in m.types}
    bought = {
        (j, o): tuple(solver.value(m.bought[j, o, t]) for t in steps)
        for j, offers in enumerate(m.capacity.offers)
        for o in range(len(offers))
    }
    return CapacityPlan(
        {w: n for w, n in workers.items() if any(n)},
        {key: solver.value(x) / m.parts for key, x in m.time.items() if solver.value(x)},
        {key: each for key, each in bought.items() if any(each)},
    )
