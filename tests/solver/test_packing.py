"""node_packing: the lemmas, against a search over placements."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from instances import MICRO, agg
from oracle import packs as placed
from synthetic import make_points

from aicfg.solver.errors import NodePackingError
from aicfg.solver.packing import Nodes, copies, divide_in_a_chain, fewest_gpus, packs
from aicfg.solver.points import Ask, Pool
from aicfg.solver.solve import solve


def some(sizes: tuple[int, ...], gpus: int):
    """Every multiset of ``sizes`` within ``gpus``, as counts by size."""
    for counts in product(*(range(gpus // size + 1) for size in sizes)):
        if sum(s * n for s, n in zip(sizes, counts, strict=True)) <= gpus:
            yield dict(zip(sizes, counts, strict=True))


def listed(workers: dict[int, int]) -> tuple[int, ...]:
    """Sizes one by one, largest first."""
    return tuple(sorted((size for size, n in workers.items() for _ in range(n)), reverse=True))


CHAINS = [
    *(((1, 2, 4, 8, 16), gpus, node) for gpus, node in ((27, 8), (16, 8), (12, 8), (7, 4), (13, 4))),
    *(((2, 4, 8), gpus, node) for gpus, node in ((27, 8), (13, 4))),
    ((1, 3, 6, 12), 20, 6),
]


AGG_300 = Ask((Pool("a", 300, 72),), "agg", 9, 9)
OTHERS = [
    ((1, 3), 16, 8), ((3,), 20, 8), ((1, 2, 4, 8), 20, 6), ((2, 4, 12), 27, 8), ((3, 12), 29, 8),
    ((2, 3), 20, 8), ((2, 3, 4), 16, 8), ((3, 4, 6), 21, 9), ((4, 6), 20, 8), ((2, 3, 12), 26, 8),
]  # fmt: skip


@pytest.mark.parametrize(("sizes", "gpus", "node"), CHAINS)
def test_a_chain_packs_whatever_the_budget_allows(sizes, gpus, node):
    """Every set of workers within the budget has places, with a remainder node and without (lemma: chain)."""
    assert divide_in_a_chain([*sizes, node])
    assert Nodes(Pool("a", gpus, node), sizes).is_free
    for workers in some(sizes, gpus):
        assert placed(listed(workers), gpus, node), workers
        assert packs(Pool("a", gpus, node), workers)


@pytest.mark.parametrize(("sizes", "gpus", "node"), OTHERS)
def test_what_packs_is_what_has_places(sizes, gpus, node):
    """By slots or by patterns, the answer is that of the search; some sets within budget have no places."""
    pool, without = Pool("a", gpus, node), 0
    for workers in some(sizes, gpus):
        has = placed(listed(workers), gpus, node)
        assert packs(pool, workers) == has, workers
        without += not has
    assert without


@pytest.mark.parametrize(("sizes", "gpus", "node"), OTHERS)
def test_the_rows_say_the_same(sizes, gpus, node):
    """With every size worth about the GPUs it takes, the program fills the nodes as the search does."""
    random = np.random.default_rng(sum(sizes))
    values = [size * MICRO + int(random.integers(0, MICRO // 2)) for size in sizes]
    points = make_points(
        [
            agg(w, size, 1, 0, token_rate=value)
            for w, (size, value) in enumerate(zip(sizes, values, strict=True))
        ]
    )
    ask = Ask((Pool("a", gpus, node),), "agg", 9, 9, types_per_role=None)
    best = max(
        sum(workers[size] * value for size, value in zip(sizes, values, strict=True))
        for workers in some(sizes, gpus)
        if placed(listed(workers), gpus, node)
    )
    assert solve(points, ask).value == best


def test_four_workers_of_three_fit_two_nodes_and_five_do_not():
    """The case that the budget alone gets wrong: 15 of 16 GPUs, and no places."""
    three = make_points([agg(0, 3, 1, 10)])
    answer = solve(three, Ask((Pool("a", 16, 8),), "agg", 9, 9))
    assert (answer.workers, answer.bound) == ((4,), 40 * MICRO)
    assert packs(Pool("a", 16, 8), {3: 4}) and not packs(Pool("a", 16, 8), {3: 5})


def test_copies_fit_where_the_larger_worker_was():
    """k smaller workers fit in the GPUs, and in the nodes, of a larger one."""
    for node in (4, 6, 8):
        for gpus in range(1, 20):
            smaller = np.arange(1, gpus)
            for size, k in zip(smaller.tolist(), copies(gpus, smaller, node).tolist(), strict=True):
                assert k * size <= gpus
                room = gpus if gpus <= node else -(-gpus // node) * node
                assert placed((size,) * k, room, node)


def test_fewest_gpus_of_two_workers():
    """The smallest pool that has places for both, by trying pools one GPU larger each."""
    for node in (4, 8):
        for one, other in product(range(1, 14), range(14)):
            sizes = tuple(sorted((one, other), reverse=True))[: 1 + bool(other)]
            fewest = next(gpus for gpus in range(1, 60) if placed(sizes, gpus, node))
            assert fewest_gpus(np.array([one]), np.array([other]), node).tolist() == [fewest], (
                one,
                other,
                node,
            )


def test_too_many_patterns_are_refused():
    """A clear error names the pool and the sizes."""
    sizes = tuple(range(2, 40))
    points = make_points([agg(w, size, 1, 10) for w, size in enumerate(sizes)])
    points = replace(points, token_rate=points.gpus**2)
    with pytest.raises(NodePackingError, match=r"pool a: workers of 2, 3, .* more than 5000 ways"):
        solve(points, AGG_300)
