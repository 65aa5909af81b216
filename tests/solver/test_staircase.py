"""Staircases: what nothing beats in two figures, or in three."""

import numpy as np
import pytest

from aicfg.solver.staircase import Staircase, undominated


def test_staircase():
    """Equal and dominated pairs are refused; a better one takes the place of those it beats."""
    stairs = Staircase()
    assert stairs.add(5, 5) and not stairs.add(5, 5) and not stairs.add(6, 5)
    assert stairs.add(3, 8) and stairs.add(7, 2) and stairs.add(4, 1)
    assert (stairs.first, stairs.second) == ([3, 4], [8, 1])
    assert stairs.add(4, 0) and (stairs.first, stairs.second) == ([3, 4], [8, 0])


@pytest.mark.parametrize("seed", range(20))
def test_undominated_in_three_figures(seed):
    """By size: of equal ones one is kept, and of any other just what none is as good as in all three."""
    random = np.random.default_rng(seed)
    size, more, first, second = (random.integers(0, n, 40) for n in (2, 6, 6, 6))
    kept = undominated(size, more, first, second).tolist()
    figures = list(zip(size.tolist(), more.tolist(), (-first).tolist(), (-second).tolist(), strict=True))

    def matched(one: tuple[int, ...]) -> bool:
        own = (each for each in figures if each != one and each[0] == one[0])
        return any(all(a >= b for a, b in zip(each, one, strict=True)) for each in own)

    best = {each for each in figures if not matched(each)}
    assert {figures[i] for i in kept} == best
    assert len(kept) == len(best)
