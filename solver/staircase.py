"""What is not dominated in two figures of which less is better, and one of which more is better."""

from bisect import bisect_right

import numpy as np

from aicfg.solver.points import IntArray


class Staircase:
    """Pairs of which none is at most another in both: what the points with more tokens/s need."""

    def __init__(self) -> None:
        self.first: list[int] = []
        self.second: list[int] = []

    def add(self, first: int, second: int) -> bool:
        """Whether no pair so far is at most this one in both; then it is added."""
        at = bisect_right(self.first, first)
        if at and self.second[at - 1] <= second:
            return False
        end = at
        while end < len(self.first) and self.second[end] >= second:
            end += 1
        at -= at > 0 and self.first[at - 1] == first
        self.first[at:end], self.second[at:end] = [first], [second]
        return True


def undominated(size: IntArray, more: IntArray, first: IntArray, second: IntArray) -> IntArray:
    """Positions at which no other of the same ``size`` has as much and is no slower in either."""
    kept: list[int] = []
    order = np.lexsort((second, first, -more, size))
    for own in np.split(order, np.flatnonzero(np.diff(size[order])) + 1):
        stairs = Staircase()
        kept += [i for i in own.tolist() if stairs.add(int(first[i]), int(second[i]))]
    return np.sort(np.array(kept, np.int64))
