"""What a capacity question takes for granted about its input, checked once."""

import numpy as np

from aicfg.model_specs.errors import InputError
from aicfg.solver.objectives import check_prices, objective_of
from aicfg.solver.points import Ask, Points
from aicfg.solver.user import Row, rules

OBJECTIVES = ("tokens_per_s", "gpus", "cost")


def check_capacity(points: Points, ask: Ask) -> None:
    """Classes, steps and offers fit together, and the objective is one that they have a meaning for.

    Raises
    ------
    InputError
        For an objective or a constraint that has no meaning here.
    ValueError
        For a defect of the caller.
    """
    capacity = ask.capacity
    if capacity is None or not capacity.classes or not capacity.steps:
        raise ValueError("ask.capacity: at least one class and one step expected")
    if ask.objective not in OBJECTIVES:
        given = ", ".join(OBJECTIVES)
        raise InputError(f"objective: {ask.objective} is not planned for; expected one of {given}")
    objective_of(ask)
    if ask.objective == "tokens_per_s" and len(capacity.steps) > 1:
        raise InputError("objective: tokens_per_s has no meaning over time; expected gpus or cost")
    if capacity.current is not None and len(capacity.steps) > 1:
        raise InputError("a plan over time starts from no other plan: leave out the one or the other")
    if any(len(step.loads) != len(capacity.classes) or step.seconds < 1 for step in capacity.steps):
        raise ValueError("ask.capacity.steps: a load for each class and at least one second expected")
    if capacity.offers and len(capacity.offers) != len(ask.pools):
        raise ValueError("ask.capacity.offers: one entry for each pool expected")
    if len(points) and int(points.request_class.max()) >= len(capacity.classes):
        raise ValueError("points.request_class: an index of ask.capacity.classes expected")
    if ask.objective == "cost":
        check_prices(ask)
    _check_constraints(points, ask)


def _check_constraints(points: Points, ask: Ask) -> None:
    """Own constraints on totals weigh workers by their type alone, and no rates."""
    for number, rule in enumerate(rules(points, ask)):
        if not isinstance(rule, Row):
            continue
        of_type = np.unique(np.stack((points.worker_type, rule.per_worker)), axis=1)
        if of_type.shape[1] > len(np.unique(points.worker_type)):
            raise InputError(
                f"constraints[{number}]: a worker of several classes has no one batch to multiply"
            )
        if rule.tokens or rule.requests:
            raise InputError(f"constraints[{number}]: rates of several classes; state them as load")
