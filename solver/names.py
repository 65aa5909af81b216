"""Names that LP and MPS files can hold."""

import re
from collections.abc import Sequence

import numpy as np

from aicfg.solver.points import Ask, IntArray


def lp_safe(text: str) -> str:
    """``text`` with everything that an LP or MPS file cannot hold in a name replaced by ``_``."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", text)


def distinct(names: Sequence[str], identity: IntArray) -> list[str]:
    """``names``, with the identity behind those that are not unique."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [name if seen[name] == 1 else f"{name}_{i}" for name, i in zip(names, identity, strict=True)]


def pool_names(ask: Ask) -> list[str]:
    """LP-safe names of the pools, distinct even when two pools are of one kind."""
    return distinct([lp_safe(pool.name) for pool in ask.pools], np.arange(len(ask.pools)))
