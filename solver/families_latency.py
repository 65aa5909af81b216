"""Families of rows over latencies: worst cases of what is in use, and their bounds."""

import numpy as np

from aicfg.solver.frame import MICRO, Frame
from aicfg.solver.points import IntArray, Role
from aicfg.solver.rows import FloatArray, Rows, Term, family, make_rows

HALF_NS = 0.5e-6
"""Half a nanosecond in ms: latencies are whole ns, so it tells R from R + 1 ns and forgives rounding."""


@family(
    r"\mathrm{ttft}_p\, u_p \text{ summed over a type} \le \mathrm{TTFT}_g",
    "transfer group g, type w",
    "ms",
)
def worst_ttft(f: Frame) -> Rows:
    """The TTFT of a group is at least that of its prefill point in use; of each type if there are several."""
    at = np.flatnonzero(f.points.role == Role.PREFILL)
    return _of_groups(f, at, f.ttft, f.points.ttft_ns / MICRO)


@family(
    r"L\,\mathrm{tpot}_p\, u_p \text{ summed over a type} \le L\,\mathrm{TPOT}_g",
    "transfer group g, type w",
    "ms",
)
def worst_tpot(f: Frame) -> Rows:
    """L times the TPOT of a group is at least that of its decode point in use; of each type likewise."""
    at = np.flatnonzero(f.points.role == Role.DECODE)
    return _of_groups(f, at, f.generation, f.ask.latency_tokens * f.points.tpot_ns / MICRO)


def _of_groups(f: Frame, at: IntArray, worst: IntArray, value: FloatArray) -> Rows:
    """sum value_p u_p <= worst(g): a type has one point in use, and with one type a role so has the role."""
    if not len(worst):
        return make_rows([], [])
    blocks = f.type_of if f.several_types else f.group_of
    names = f.type_names if f.several_types else f.group_names
    of_block, row = np.unique(blocks[at], return_inverse=True)
    group = np.zeros(len(of_block), np.int64)
    group[row] = f.group_of[at]
    own = (np.arange(len(of_block)), worst[group], -1.0)
    return make_rows([names[b] for b in of_block], [own, (row, f.u[at], value[at])], upper=0.0)


@family(r"\mathrm{TTFT}_g + L\,\mathrm{TPOT}_g \le R", "transfer group g", "ms")
def request_latency(f: Frame) -> Rows:
    """A request ends no later than the bound, in every transfer group by its own workers."""
    if not len(f.ttft) or f.ask.request_latency_ns is None:
        return make_rows([], [])
    row = np.arange(len(f.groups))
    bound = f.ask.request_latency_ns / MICRO + HALF_NS
    return make_rows(f.group_names, [(row, f.ttft, 1.0), (row, f.generation, 1.0)], upper=bound)


@family(
    r"\mathrm{latency}_p\, u_p \text{ summed over a type} \le \mathrm{worst}, \quad "
    r"\mathrm{TTFT}_g + L\,\mathrm{TPOT}_g \le \mathrm{worst}",
    "type w; transfer group g (objectives ttft, tpot, request_latency)",
    "ms",
)
def worst_case(f: Frame) -> Rows:
    """The latency that is minimised is at least that of every type in use, and of every transfer group."""
    if not len(f.worst):
        return make_rows([], [])
    ttft, generation = f.points.ttft_ns / MICRO, f.points.tpot_ns / MICRO
    of, at = {
        "ttft": (ttft, np.flatnonzero(f.points.role != Role.DECODE)),
        "tpot": (generation, np.flatnonzero(f.points.role != Role.PREFILL)),
        "request_latency": (ttft + f.ask.latency_tokens * generation, f.agg),
    }[f.objective.name]
    types, row = np.unique(f.type_of[at], return_inverse=True)
    index = [f.type_names[w] for w in types]
    terms: list[Term] = [(row, f.u[at], of[at]), (np.arange(len(types)), f.worst, -1.0)]
    if f.objective.name == "request_latency":
        rows = len(types) + np.arange(len(f.groups))
        terms += [(rows, f.ttft, 1.0), (rows, f.generation, 1.0), (rows, f.worst, -1.0)]
        index += f.group_names
    return make_rows(index, terms, upper=0.0)
