"""Names of the program's columns, and of what they are about: readable, unique, fit for LP files."""

from typing import TYPE_CHECKING

import numpy as np

from aicfg.solver.names import distinct, lp_safe, pool_names
from aicfg.solver.points import DEGREES, Role

if TYPE_CHECKING:
    from aicfg.solver.frame import Frame

__all__ = ["class_name", "column_names", "lane_names", "pool_names", "type_names"]


def type_names(f: "Frame") -> list[str]:
    """``role_name`` of each type: the caller's name, or its degrees other than 1."""
    names = []
    for worker_type, first in zip(f.types, f.type_first, strict=True):
        if worker_type < len(f.ask.names):
            name = lp_safe(f.ask.names[worker_type])
        else:
            degrees = {key: int(f.base.degrees[key][first]) for key in DEGREES}
            name = "_".join(f"{key}{value}" for key, value in degrees.items() if value != 1) or "tp1"
        names.append(f"{Role(f.base.role[first]).name.lower()}_{name}")
    return distinct(names, f.types)


def point_names(f: "Frame") -> list[str]:
    """``type_b48``, with ``_c4000`` behind it where there is a chunk budget, and the class of several."""
    chunk = f.base.chunk_tokens
    names = [
        f"{f.type_names[f.type_of[p]]}_b{f.base.batch[p]}"
        + (f"_c{chunk[p]}" if chunk[p] else "")
        + class_name(f, int(f.base.request_class[p]))
        for p in range(f.size)
    ]
    return distinct(names, np.arange(f.size))


def class_name(f: "Frame", number: int) -> str:
    """What stands behind a name that is of one class; nothing where there is one class."""
    classes = f.ask.capacity.classes if f.ask.capacity else ()
    return f"_{lp_safe(classes[number].name)}" if len(classes) > 1 else ""


def lane_names(f: "Frame") -> list[str]:
    """The group, with its class and step where there are several."""
    return [
        f"g{group}{class_name(f, k)}{f.step_name(step)}"
        for group, k, step in zip(f.lane_group, f.lane_class, f.lane_step, strict=True)
    ]


def column_names(f: "Frame") -> tuple[str, ...]:
    """Names of all columns, in their order."""
    steps = [f.step_name(t) for t in range(f.steps)]
    by_step = [f"{w}{t}" for t in steps for w in f.type_names] if f.planned else []
    patterns = [_pattern_name(f, i) for i in range(len(f.patterns))]
    first_lanes = f.lane_names[: len(f.ttft)]
    names = {
        "workers": by_step,
        "n": [f"{p}{t}" for t in steps for p in f.point_names],
        "u": f.point_names,
        "in_use": f.type_names,
        "served": f.lane_names,
        "tokens": [""],
        "requests": [""],
        "ttft": first_lanes,
        "generation": first_lanes,
        "started": by_step,
        "added": f.type_names,
        "removed": f.type_names,
        "bought": [_offer_name(f, *each) for each in f.offered],
        "pattern": patterns,
        "level": [str(each.number) for each in f.comparisons],
        "worst": [""],
    }
    return tuple(
        f"{name}({index})" if index else name
        for (name, indices), block in zip(names.items(), f.blocks.values(), strict=True)
        for index in indices[: len(block)]
    )


def _offer_name(f: "Frame", j: int, t: int, number: int) -> str:
    assert f.ask.capacity is not None
    offer = f.ask.capacity.offers[j][number]
    return f"{f.pool_names[j]}_{lp_safe(offer.name)}" + ("" if offer.committed else f.step_name(t))


def _pattern_name(f: "Frame", i: int) -> str:
    """``pattern(pool_node_1x2_2x3)``: one worker of 2 GPUs and two of 3 in a whole node."""
    site, kind, _, counts = f.patterns[i]
    small = f.nodes[site % len(f.ask.pools)].small
    filled = "_".join(f"{n}x{s}" for n, s in zip(counts, small, strict=True) if n)
    return f"{f.site_name(site)}_{kind}_{filled or 'empty'}"
