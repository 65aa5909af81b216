"""node_packing: workers lie within nodes, or take whole ones."""

from itertools import pairwise

import numpy as np

from aicfg.solver.errors import NodePackingError
from aicfg.solver.points import Ask, Points


def divide_in_a_chain(sizes: list[int]) -> bool:
    """Whether each size divides the next larger one."""
    ascending = sorted(set(sizes))
    return all(large % small == 0 for small, large in pairwise(ascending))


def check_node_packing(points: Points, ask: Ask) -> None:
    """node_packing adds no rows, or the statement is refused.

    Lemma. Let all worker sizes of a pool and its node size divide one another in a chain, and let the pool
    have G GPUs: whole nodes and, if G is not a multiple, one remainder node. Then every set of workers that
    takes at most G GPUs in sum can be packed: lay them side by side along the GPUs 0..G-1, largest first.
    What is laid before a worker of s GPUs is a sum of multiples of s, so it starts at a multiple of s: if s
    divides the node it does not cross a node's end, and if the node divides s it takes whole nodes. It ends
    at or before G, so the remainder node, the start of a node, holds what reaches into it. A pool of at most
    one node packs any set.

    Raises
    ------
    NodePackingError
        When the sizes are no chain: then gpu_budget alone could promise a plan that no nodes can hold.
    """
    for j, pool in enumerate(ask.pools):
        sizes = [int(size) for size in np.unique(points.gpus[points.pool == j])]
        if pool.gpus > pool.gpus_per_node and not divide_in_a_chain([*sizes, pool.gpus_per_node]):
            raise NodePackingError(
                f"pool {pool.name}: workers of {', '.join(map(str, sizes))} GPUs and nodes of "
                f"{pool.gpus_per_node} do not divide one another, and packing them is not supported yet; "
                f"restrict the layouts to sizes that divide, or are multiples of, {pool.gpus_per_node}"
            )
