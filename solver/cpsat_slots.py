"""Slots of the direct formulation: one worker type of a role, what it is, and how many workers it has."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from aicfg.solver.points import DEGREES, Ask, IntArray, Points, Role
from aicfg.solver.unique import unique


@dataclass(frozen=True)
class Slot:
    """The variables of one worker type and its count."""

    role: Role
    positions: IntArray
    """Position in the points of each value of ``at``."""
    at: Any
    used: Any
    layout: Any
    pool: Any
    group: Any
    gpus: Any
    workers: Any
    gpus_taken: Any
    requests: Any
    """Micro-requests/s of all workers together."""
    tokens: Any
    """Micro-tokens/s of all workers together (agg)."""
    ttft: Any
    tpot: Any
    most_requests: int
    """No more micro-requests/s than this are possible."""
    sizes: IntArray
    """GPUs of a worker that are possible, and (``pools``) in which pool."""
    pools: IntArray
    groups: IntArray


def domain_of(points: Points, ask: Ask, role: Role, shrink: bool) -> IntArray:
    """Positions of the points of ``role`` that the variables range over."""
    positions = np.flatnonzero(points.role == role)
    if not shrink:
        return positions
    of = points.take(positions)
    keep = (of.memory_bytes <= of.memory_limit_bytes) & (_rate(of, role) > 0)
    if ask.ttft_ns is not None:
        keep &= of.ttft_ns <= ask.ttft_ns
    if ask.tpot_ns is not None:
        keep &= of.tpot_ns <= ask.tpot_ns
    if ask.request_latency_ns is not None:
        keep &= of.ttft_ns + ask.latency_tokens * of.tpot_ns <= ask.request_latency_ns
    positions = positions[keep]
    if ask.constraints:
        return positions  # they may ask for a batch that is beaten
    types = points.worker_type[positions]
    return np.concatenate(
        [positions[:0], *(_unbeaten(points, ask, role, positions[types == w]) for w in unique(types))]
    )


def _unbeaten(points: Points, ask: Ask, role: Role, positions: IntArray) -> IntArray:
    """Of one type's points, those that no faster one matches in what counts: latencies, the other rate."""
    of = points.take(positions)
    rate, others = _rate(of, role), []
    worst = ask.objective in ("ttft", "tpot", "request_latency")
    if worst or (role != Role.AGG and ask.request_latency_ns is not None):
        others += [of.ttft_ns, of.tpot_ns]
    if role == Role.AGG and (ask.load is not None or ask.objective != "tokens_per_s"):
        others.append(-of.request_rate)
    if not others:
        return positions[rate.argmax() :][:1]
    figures = np.stack([-rate, *others])
    keep, kept = [], np.zeros((len(figures), 0), np.int64)
    for p in np.lexsort(figures[::-1]):
        if not (kept <= figures[:, [p]]).all(axis=0).any():
            keep.append(p)
            kept = np.append(kept, figures[:, [p]], axis=1)
    return positions[np.sort(keep)]


def _rate(points: Points, role: Role) -> IntArray:
    return points.token_rate if role == Role.AGG else points.request_rate


def add_role(model: Any, points: Points, ask: Ask, positions: IntArray, slots: int) -> list[Slot]:
    """``slots`` slots of one role: different layouts, the used ones first."""
    made = [_add_slot(model, points, ask, positions, i) for i in range(slots)]
    if ask.mode != "mixed":
        model.add(made[0].used == 1)
    for one, other in pairwise(made):
        model.add_implication(other.used, one.used)
        model.add(one.layout < other.layout).only_enforce_if(other.used)
    return made


def _add_slot(model: Any, points: Points, ask: Ask, positions: IntArray, number: int) -> Slot:
    """One slot: the layout's table, and what its (batch, chunk) costs and gives, by element constraints."""
    of, role = points.take(positions), Role(points.role[positions[0]])
    most = max(int((np.array([pool.gpus for pool in ask.pools])[of.pool] // of.gpus).max()), 1)
    make = _Maker(model, of, f"{role.name}.{number}", most)
    at, used = make.at, model.new_bool_var(f"{make.name}.used")
    layout, table, first = make.layout()
    spare = make.element("memory_spare", of.memory_limit_bytes - of.memory_bytes)
    model.add(spare >= 0).only_enforce_if(used)
    workers = model.new_int_var(0, most, f"{make.name}.workers")
    model.add(workers >= 1).only_enforce_if(used)
    model.add(workers == 0).only_enforce_if(~used)
    rate = make.element("rate", _rate(of, role))
    model.add(rate >= 1).only_enforce_if(used)
    taken = model.new_int_var(0, sum(pool.gpus for pool in ask.pools), f"{make.name}.gpus_taken")
    model.add_multiplication_equality(taken, [workers, table["gpus"]])
    agg = role == Role.AGG
    tokens = make.total("tokens", of.token_rate, rate, workers, taken) if agg else 0
    both = agg and (ask.load is not None or bool(ask.constraints))
    each = make.element("request_rate", of.request_rate) if both else rate
    requests = make.total("requests", of.request_rate, each, workers, taken) if both or not agg else 0
    ttft, tpot = make.element("ttft", of.ttft_ns), make.element("tpot", of.tpot_ns)
    return Slot(
        role, positions, at, used, layout, table["pool"], table["group"], table["gpus"], workers, taken,
        requests, tokens, ttft, tpot, int(of.request_rate.max()) * most, of.gpus[first], of.pool[first],
        unique(of.group),
    )  # fmt: skip


class _Maker:
    """Variables of one slot over the points ``of``."""

    def __init__(self, model: Any, of: Points, name: str, most_workers: int) -> None:
        self.model, self.of, self.name, self.most_workers = model, of, name, most_workers
        self.at = model.new_int_var(0, len(of) - 1, f"{name}.at")

    def element(self, what: str, values: IntArray) -> Any:
        """The value that ``values`` has at the slot's point."""
        variable = variable_of(self.model, f"{self.name}.{what}", values)
        self.model.add_element(self.at, values.tolist(), variable)
        return variable

    def layout(self) -> tuple[Any, dict[str, Any], IntArray]:
        """The worker type, its degrees and places as variables held by a table, and where it starts."""
        of = self.of
        types, first, layout_of = np.unique(of.worker_type, return_index=True, return_inverse=True)
        layout = self.element("layout", layout_of)
        self.element("batch", of.batch)
        self.element("chunk_tokens", of.chunk_tokens)
        columns = {key: of.degrees[key][first] for key in DEGREES}
        columns |= {key: getattr(of, key)[first] for key in ("quant", "pool", "group", "gpus")}
        table = {key: variable_of(self.model, f"{self.name}.{key}", each) for key, each in columns.items()}
        rows = np.column_stack((np.arange(len(types)), *columns.values()))
        self.model.add_allowed_assignments([layout, *table.values()], rows.tolist())
        return layout, table, first

    def total(self, what: str, values: IntArray, each: Any, workers: Any, taken: Any) -> Any:
        """``workers`` times what each gives, and the most that the GPUs taken can, for the relaxation."""
        most = int(values.max()) * self.most_workers
        variable = self.model.new_int_var(0, most, f"{self.name}.total_{what}")
        self.model.add_multiplication_equality(variable, [workers, each])
        self.model.add(variable <= int((-(-values // self.of.gpus)).max()) * taken)
        return variable


def variable_of(model: Any, name: str, values: IntArray) -> Any:
    """A variable that takes just ``values``."""
    from ortools.sat.python import cp_model

    return model.new_int_var_from_domain(cp_model.Domain.from_values(unique(values).tolist()), name)
