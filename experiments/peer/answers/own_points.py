"""Operating points of workers that are of their role's own kind."""

import numpy as np
from numpy.typing import NDArray

from aicfg.experiments.peer.requests.request import Request
from aicfg.experiments.peer.requests.roles import POOLS, Formats, has_two_systems, told_apart
from aicfg.experiments.solving.assemble import Candidates


def own_points(request: Request, own: Formats, found: Candidates) -> NDArray[np.bool_]:
    """Which operating points have the pool and the formats of their role: what the constraints leave."""
    pools, split, names = list(POOLS.values()), has_two_systems(request), told_apart(own)
    kept = []
    for curve, owner in zip(found.curves, found.owner, strict=True):
        here = not split or pools[owner.pool] == POOLS[curve.role]
        kept.append(here and all(getattr(curve.quant, name) == own[curve.role][name] for name in names))
    return np.asarray(kept, bool)[found.curve]
