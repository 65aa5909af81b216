"""node_packing: the lemma, against a search over placements."""

from itertools import product

import pytest
from synthetic import make_points

from aicfg.solver.errors import NodePackingError
from aicfg.solver.packing import check_node_packing, divide_in_a_chain
from aicfg.solver.points import Ask, Pool


def packs(sizes: list[int], gpus: int, node: int) -> bool:
    """Whether workers of ``sizes`` have places: whole nodes for large ones, else within one node."""
    nodes = [node] * (gpus // node) + ([gpus % node] if gpus % node else [])

    def place(left: list[int], free: tuple[int, ...]) -> bool:
        if not left:
            return True
        size, *rest = left
        if size > node:
            whole = [i for i, each in enumerate(free) if each == node][: -(-size // node)]
            taken = tuple(0 if i in whole else each for i, each in enumerate(free))
            return len(whole) == -(-size // node) and place(rest, taken)
        tried = {each: i for i, each in enumerate(free) if each >= size}
        return any(place(rest, (*free[:i], each - size, *free[i + 1 :])) for each, i in tried.items())

    return place(sorted(sizes, reverse=True), tuple(nodes))


CHAINS = [
    *(((1, 2, 4, 8, 16), gpus, node) for gpus, node in ((27, 8), (16, 8), (12, 8), (7, 4), (13, 4))),
    *(((2, 4, 8), gpus, node) for gpus, node in ((27, 8), (13, 4))),
    ((1, 3, 6, 12), 20, 6),
]


@pytest.mark.parametrize(("sizes", "gpus", "node"), CHAINS)
def test_a_chain_packs_whatever_the_budget_allows(sizes, gpus, node):
    """Every set of workers within the budget has places, with a remainder node and without."""
    assert divide_in_a_chain([*sizes, node])
    for counts in product(*(range(gpus // size + 1) for size in sizes)):
        workers = [size for size, count in zip(sizes, counts, strict=True) for _ in range(count)]
        if sum(workers) <= gpus:
            assert packs(workers, gpus, node), workers


def test_five_workers_of_three_do_not_fit_two_nodes():
    """The case the lemma excludes: 15 of 16 GPUs, and no places."""
    assert packs([3] * 4, 16, 8) and not packs([3] * 5, 16, 8)


def ask(gpus: int, node: int) -> Ask:
    """One pool."""
    return Ask((Pool("h100_sxm", gpus, node),), "agg", 1, 1)


def test_sizes_that_are_no_chain_are_refused():
    """A clear error names the pool, the sizes and the node; one node, or a chain, passes."""
    three = make_points([{"gpus": 3}, {"gpus": 1}])
    with pytest.raises(NodePackingError, match=r"pool h100_sxm: workers of 1, 3 GPUs and nodes of 8"):
        check_node_packing(three, ask(16, 8))
    check_node_packing(three, ask(8, 8))
    check_node_packing(make_points([{"gpus": 1}, {"gpus": 4}, {"gpus": 16}]), ask(27, 8))
