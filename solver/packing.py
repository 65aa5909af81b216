"""Nodes: workers lie within one node, or take whole ones.

Lemma (chain). Let all worker sizes of a pool and its node size divide one another in a chain, and let the
pool have G GPUs: whole nodes and, if G is not a multiple, one remainder node. Then every set of workers that
takes at most G GPUs in sum can be packed: lay them side by side along the GPUs 0..G-1, largest first.
What is laid before a worker of s GPUs is a sum of multiples of s, so it starts at a multiple of s: if s
divides the node it does not cross a node's end, and if the node divides s it takes whole nodes. It ends
at or before G, so the remainder node, the start of a node, holds what reaches into it. A pool of at most
one node packs any set.

Lemma (slots). Let only the sizes up to a node divide one another in a chain. Place them largest first. When
those of s GPUs come, every node is filled up to a multiple of s, so a node of C GPUs that holds a has
floor(C/s) - a/s places left, wherever the larger ones lie. So they fit exactly if, for each s, workers of s
GPUs and more take at most s floor(C/s) GPUs in sum over the nodes that no larger worker takes whole.

Else (say 3 and 4 GPUs on 8) a node is filled by one of its maximal patterns of sizes, and their number is
counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from aicfg.solver.errors import NodePackingError
from aicfg.solver.points import Ask, IntArray, Points, Pool
from aicfg.solver.unique import unique

MOST_PATTERNS = 5000
Pattern = tuple[int, ...]
"""Workers of each size in a node, by size ascending."""


def divide_in_a_chain(sizes: list[int]) -> bool:
    """Whether each size divides the next larger one."""
    ascending = sorted(set(sizes))
    return all(large % small == 0 for small, large in pairwise(ascending))


@dataclass(frozen=True)
class Nodes:
    """How workers of the sizes of a pool meet its nodes."""

    pool: Pool
    sizes: tuple[int, ...]

    @property
    def whole(self) -> int:
        """Nodes with all their GPUs."""
        return self.pool.gpus // self.pool.gpus_per_node

    @property
    def rest(self) -> int:
        """GPUs of the remainder node."""
        return self.pool.gpus % self.pool.gpus_per_node

    @property
    def small(self) -> tuple[int, ...]:
        """Sizes that lie within a node."""
        return tuple(size for size in self.sizes if size <= self.pool.gpus_per_node)

    @property
    def is_free(self) -> bool:
        """Whether whatever the budget allows has places (lemma: chain)."""
        node = self.pool.gpus_per_node
        return self.pool.gpus <= node or divide_in_a_chain([*self.sizes, node])

    @property
    def by_slots(self) -> bool:
        """Whether counting places of each size is enough (lemma: slots)."""
        return divide_in_a_chain(list(self.small))

    def taken(self, size: int) -> int:
        """Whole nodes that a worker of ``size`` takes; 0 for one that lies within a node."""
        return -(-size // self.pool.gpus_per_node) if size > self.pool.gpus_per_node else 0

    def slots(self, size: int) -> int:
        """GPUs of all nodes that workers of ``size`` can use."""
        return self.in_node(size) * self.whole + self.rest // size * size

    def in_node(self, size: int) -> int:
        """GPUs of one node that workers of ``size`` can use."""
        return self.pool.gpus_per_node // size * size

    def binding_slots(self) -> list[int]:
        """Sizes whose places the budget does not already count."""
        exact = all(
            self.taken(size) * self.pool.gpus_per_node == size for size in self.sizes if self.taken(size)
        )
        return [size for size in self.small if not exact or self.slots(size) < self.pool.gpus]

    def all_patterns(self) -> list[tuple[str, int, Pattern]]:
        """Kind of node, how many there are, and pattern, where patterns must be counted."""
        kinds = (("node", self.whole, self.pool.gpus_per_node), ("rest", min(self.rest, 1), self.rest))
        return [
            (kind, most, pattern)
            for kind, most, gpus in kinds
            if most and not self.by_slots
            for pattern in self.patterns(gpus)
        ]

    def patterns(self, gpus: int) -> list[Pattern]:
        """Maximal patterns of a node of ``gpus``.

        Raises
        ------
        NodePackingError
            When there are too many to state.
        """
        found = _patterns(self.small[::-1], gpus)
        if len(found) > MOST_PATTERNS:
            raise NodePackingError(
                f"pool {self.pool.name}: workers of {', '.join(map(str, self.sizes))} GPUs fill a node of "
                f"{gpus} in more than {MOST_PATTERNS} ways; restrict the layouts to sizes that divide another"
            )
        return found


def _patterns(sizes: tuple[int, ...], gpus: int) -> list[Pattern]:
    """Maximal patterns by size ascending, from ``sizes`` descending: none has room for the smallest one."""
    if not sizes:
        return [()]
    size, *smaller = sizes
    if not smaller:
        return [(gpus // size,)]
    found: list[Pattern] = []
    for count in range(gpus // size, -1, -1):
        found += [(*rest, count) for rest in _patterns(tuple(smaller), gpus - count * size)]
        if len(found) > MOST_PATTERNS:
            break
    return found


def copies(gpus: int, smaller: IntArray, node: int) -> IntArray:
    """Workers of each of ``smaller`` GPUs that fit wherever one of ``gpus`` does, and take no more GPUs."""
    by_budget = gpus // np.maximum(smaller, 1)
    if gpus <= node:
        return by_budget
    whole = -(-gpus // node)
    by_nodes = np.where(smaller <= node, whole * (node // smaller), whole // -(-smaller // node))
    return np.minimum(by_budget, by_nodes)


def fewest_gpus(one: IntArray, other: IntArray, node: int) -> IntArray:
    """GPUs that a pool needs to have places for a worker of ``one`` and one of ``other`` GPUs (0: none)."""
    whole_one, whole_other = (np.where(size > node, -(-size // node) * node, size) for size in (one, other))
    together = whole_one + whole_other
    apart = (one <= node) & (other <= node) & (together > node)
    return np.where(apart, node + np.minimum(one, other), together)


def nodes_of(points: Points, ask: Ask) -> dict[int, Nodes]:
    """The pools whose nodes need rows beside the budget, by index."""
    found = {}
    for j in unique(points.pool):
        sizes = unique(points.gpus[points.pool == j])
        nodes = Nodes(ask.pools[j], tuple(int(size) for size in sizes))
        if not nodes.is_free:
            found[int(j)] = nodes
    return found


def packs(pool: Pool, workers: Mapping[int, int]) -> bool:
    """Whether ``workers[size]`` workers of each size have places in the pool's nodes."""
    used = {size: count for size, count in workers.items() if count}
    if sum(size * count for size, count in used.items()) > pool.gpus:
        return False
    nodes = Nodes(pool, tuple(sorted(used)))
    left = nodes.whole - sum(nodes.taken(size) * count for size, count in used.items())
    if nodes.is_free or left < 0:
        return nodes.is_free
    small = tuple(used[size] for size in nodes.small)
    if nodes.by_slots:
        return all(
            sum(s * n for s, n in zip(nodes.small, small, strict=True) if s >= size)
            <= nodes.in_node(size) * left + nodes.rest // size * size
            for size in nodes.small
        )
    return _covered(nodes, left, small)


def _covered(nodes: Nodes, left: int, small: Pattern) -> bool:
    """Whether ``left`` whole nodes and the remainder node have places for ``small``, by trying patterns."""
    patterns = tuple(nodes.patterns(nodes.pool.gpus_per_node))

    @cache
    def rest(first: int, count: int, wanted: Pattern) -> bool:
        if not any(wanted):
            return True
        if not count or first == len(patterns):
            return False
        pattern = patterns[first]
        useful = max((-(-w // p) for w, p in zip(wanted, pattern, strict=True) if p), default=0)
        return any(
            rest(first + 1, count - times, _less(wanted, pattern, times))
            for times in range(min(useful, count), -1, -1)
        )

    return any(rest(0, left, _less(small, pattern, 1)) for pattern in nodes.patterns(nodes.rest))


def _less(wanted: Pattern, pattern: Pattern, times: int) -> Pattern:
    return tuple(max(w - times * p, 0) for w, p in zip(wanted, pattern, strict=True))
