"""The direct formulation on CP-SAT: degrees, batch, chunk, quantisation and counts are the variables.

It is a second statement of the same problem. It reads the points' data and nothing of the program: no
filter, no pruning, no column a point. Memory, latency bounds, transfer groups, budgets and nodes are
constraints, so an error in a filter, in a lemma of ``prune`` or in a family of ``program`` shows as a
disagreement. A role has K slots for worker types (``cpsat_slots``), each used or not.

Domains are shrunk first, by arguments of its own: a (batch, chunk) of a worker type is left out that exceeds
the memory or a latency bound by itself, serves nobody, or is beaten by another one of the same type that is
no slower. The constraints are stated all the same, and ``shrink=False`` leaves the domains whole.
"""

from typing import Any

from aicfg.solver.answer import Ended, Outcome
from aicfg.solver.cpsat_fleet import add_budget, add_user, price_terms
from aicfg.solver.cpsat_serving import add_latency, add_partners, add_rates, request_latencies
from aicfg.solver.cpsat_slots import Slot, add_role, domain_of
from aicfg.solver.errors import UnsupportedAskError
from aicfg.solver.objectives import objective_of
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.unique import unique

ENDED = {
    "UNKNOWN": Ended.TIME_LIMIT,
    "MODEL_INVALID": Ended.ERROR,
    "FEASIBLE": Ended.TIME_LIMIT,
    "INFEASIBLE": Ended.PROVEN_INFEASIBLE,
    "OPTIMAL": Ended.PROVEN_OPTIMAL,
}
"""Every member of CpSolverStatus. Nothing but time ends this search early."""
MOST_SLOTS = 6
"""Types a role that it takes on; a slot more makes the search many times longer."""
SERVING = {"agg": (Role.AGG,), "disagg": (Role.PREFILL, Role.DECODE), "mixed": tuple(Role)}


def solve_cpsat(points: Points, ask: Ask, shrink: bool = True) -> Outcome:
    """Solve over all points of the mode; counts by position in ``points``.

    Raises
    ------
    UnsupportedAskError
        For more types a role, or more nodes, than this formulation can search in sensible time.
    """
    import ortools
    from ortools.sat.python import cp_model

    if ask.excluded or ask.reached:
        raise UnsupportedAskError("engine cpsat: alternatives and stages are solved on highs only")
    domains = {role: domain_of(points, ask, role, shrink) for role in SERVING[ask.mode]}
    version = ortools.__version__
    if not _can_serve(ask, domains):
        return Outcome("cpsat", version, Ended.PROVEN_INFEASIBLE, None, None)
    model = cp_model.CpModel()
    slots = [
        slot
        for role, positions in domains.items()
        if len(positions)
        for slot in add_role(model, points, ask, positions, _slots(points, ask, positions))
    ]
    unit = _state(model, points, ask, slots)
    solver = cp_model.CpSolver()
    if ask.time_limit_s is not None:
        solver.parameters.max_time_in_seconds = ask.time_limit_s
    status = solver.solve(model)
    counts = None
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        used = [slot for slot in slots if solver.value(slot.workers)]
        counts = {int(slot.positions[solver.value(slot.at)]): solver.value(slot.workers) for slot in used}
    # Without a solution the engine's bound is a meaningless 0.
    bound = None if counts is None else unit * round(solver.best_objective_bound)
    return Outcome("cpsat", version, ENDED[solver.status_name(status)], counts, bound)


def _can_serve(ask: Ask, domains: dict[Role, IntArray]) -> bool:
    """Whether the roles that a plan needs have points at all."""
    pair = all(len(domains.get(role, ())) for role in (Role.PREFILL, Role.DECODE))
    alone = bool(len(domains.get(Role.AGG, ())))
    return alone or pair if ask.mode == "mixed" else pair if ask.mode == "disagg" else alone


def _slots(points: Points, ask: Ask, positions: IntArray) -> int:
    types = len(unique(points.worker_type[positions]))
    slots = types if ask.types_per_role is None else min(ask.types_per_role, types)
    if slots > MOST_SLOTS:
        asked = "any number of" if ask.types_per_role is None else ask.types_per_role
        raise UnsupportedAskError(
            f"engine cpsat: {asked} types a role, of {types}, are too many to search (at most {MOST_SLOTS}); "
            "use highs, or set types_per_role"
        )
    return slots


def _state(model: Any, points: Points, ask: Ask, slots: list[Slot]) -> int:
    """Constraints and objective; returns the integers of the objective in one unit of what is optimised."""
    if ask.mode == "mixed":
        model.add_bool_or([slot.used for slot in slots])
    add_budget(model, ask, slots)
    pairs = add_partners(model, ask, slots)
    add_latency(model, ask, slots, pairs)
    rates = add_rates(model, ask, slots)
    if ask.load is not None:
        model.add(rates.requests >= ask.load)
    add_user(model, points, ask, slots, rates)
    goal: Any = {
        "tokens_per_s": lambda: rates.goal,
        "gpus": lambda: sum(slot.gpus_taken for slot in slots),
        "cost": lambda: sum(price_terms(model, ask, slots)),
        "ttft": lambda: _worst(model, [(slot, slot.ttft) for slot in slots]),
        "tpot": lambda: _worst(model, [(slot, slot.tpot) for slot in slots]),
        "request_latency": lambda: request_latencies(model, ask, slots, pairs),
    }[objective_of(ask).name]()
    if objective_of(ask).maximize:
        model.add(goal >= 1)
        model.maximize(goal)
        return rates.unit
    model.minimize(goal)
    return 1


def _worst(model: Any, each: list[tuple[Slot, Any]]) -> Any:
    """A variable at least as large as the figure of every slot in use."""
    worst = model.new_int_var(0, 2**60, "worst")
    for slot, figure in each:
        model.add(worst >= figure).only_enforce_if(slot.used)
    return worst
