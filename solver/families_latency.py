"""Families of rows over latencies: worst cases of what is in use, and their bounds."""

import numpy as np

from aicfg.solver.frame import MICRO, Frame
from aicfg.solver.frame_names import class_name
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
    at = np.flatnonzero(f.base.role == Role.PREFILL)
    return _of_lanes(f, at, f.ttft, f.base.ttft_ns / MICRO)


@family(
    r"L\,\mathrm{tpot}_p\, u_p \text{ summed over a type} \le L\,\mathrm{TPOT}_g",
    "transfer group g, type w",
    "ms",
)
def worst_tpot(f: Frame) -> Rows:
    """L times the TPOT of a group is at least that of its decode point in use; of each type likewise."""
    at = np.flatnonzero(f.base.role == Role.DECODE)
    times = f.latency_tokens[f.base.request_class]
    return _of_lanes(f, at, f.generation, times * f.base.tpot_ns / MICRO)


def _of_lanes(f: Frame, at: IntArray, worst: IntArray, value: FloatArray) -> Rows:
    """sum value_p u_p <= worst: a type has one point in use a class; so has a role of one type."""
    if not len(worst):
        return make_rows([], [])
    lane = f.lane_of[: f.size]
    blocks = lane * len(f.types) + f.type_of if f.by_type else lane
    of_block, row = np.unique(blocks[at], return_inverse=True)
    of_lane = of_block // len(f.types) if f.by_type else of_block
    index = [f.lane_names[each] for each in of_lane]
    if f.by_type:
        classes = [class_name(f, int(f.lane_class[each])) for each in of_lane]
        index = [f.type_names[b % len(f.types)] + k for b, k in zip(of_block, classes, strict=True)]
    own = (np.arange(len(of_block)), worst[of_lane], -1.0)
    return make_rows(index, [own, (row, f.u[at], value[at])], upper=0.0)


@family(r"\mathrm{TTFT}_g + L\,\mathrm{TPOT}_g \le R", "transfer group g", "ms")
def request_latency(f: Frame) -> Rows:
    """A request ends no later than the bound, in every transfer group by its own workers."""
    bounds = [f.latency_bounds[k] for k in f.lane_class[: len(f.ttft)]]
    lanes = np.array([lane for lane, bound in enumerate(bounds) if bound is not None], np.int64)
    row, index = np.arange(len(lanes)), [f.lane_names[lane] for lane in lanes]
    most = np.array([bound for bound in bounds if bound is not None]) / MICRO + HALF_NS
    return make_rows(index, [(row, f.ttft[lanes], 1.0), (row, f.generation[lanes], 1.0)], upper=most)


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
        rows = len(types) + np.arange(len(f.ttft))
        terms += [(rows, f.ttft, 1.0), (rows, f.generation, 1.0), (rows, f.worst, -1.0)]
        index += f.lane_names[: len(f.ttft)]
    return make_rows(index, terms, upper=0.0)
