"""Step times of one layout as tables of one and two variables: what a simulation asks step by step.

The prices are those of the closed forms (``aicfg.hardware.aggregated``), evaluated once on a grid and read
linearly in between.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aicfg.hardware.curve import Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.interpolation import FloatArray
from aicfg.model_specs.layout import Layout

SIZES = 24
"""Points of a geometric grid."""
LENGTHS = 5


class Surface:
    """Values on the product of two ascending axes, bilinear in between and beyond the ends."""

    def __init__(self, x: ArrayLike, y: ArrayLike, values: FloatArray) -> None:
        """``values`` has the axes' lengths as its shape; an axis of one point is constant."""
        self._x, self._y = (np.asarray(axis, dtype=np.float64).tolist() for axis in (x, y))
        self._values = values.tolist()

    def times(self, factor: float) -> "Surface":
        """Every value times a factor."""
        return Surface(self._x, self._y, factor * np.array(self._values))

    def __call__(self, x: float, y: float) -> float:
        """The value at one point."""
        i, at_x = _place(self._x, x)
        j, at_y = _place(self._y, y)
        low, high = self._values[i], self._values[min(i + 1, len(self._x) - 1)]
        k = min(j + 1, len(self._y) - 1)
        first = low[j] + at_y * (low[k] - low[j])
        second = high[j] + at_y * (high[k] - high[j])
        return float(first + at_x * (second - first))


def _place(axis: list[float], at: float) -> tuple[int, float]:
    """The interval that a coordinate lies in (or is nearest to), and where in it."""
    if len(axis) == 1:
        return 0, 0.0
    i = min(max(bisect_right(axis, at) - 1, 0), len(axis) - 2)
    return i, (at - axis[i]) / (axis[i + 1] - axis[i])


def sizes(most: float) -> FloatArray:
    """Whole numbers from 1 to ``most``, ever farther apart."""
    return np.unique(np.rint(np.geomspace(1.0, max(most, 2.0), SIZES)))


@dataclass(frozen=True)
class StepCosts:
    """Milliseconds of a worker's steps."""

    decode: Surface
    """Of a step that only decodes, over requests and their mean cached length; host time included."""
    shared: Surface
    """Of what a step with prompts shares, over its tokens and its decoding requests."""
    beside: Surface
    """Attention of the decoding requests of such a step, over requests and mean cached length."""
    prompt: Surface
    """Attention of one prompt from its first token on, over its length (and nothing)."""
    together: Surface
    """Attention of several prompts at once over that of as many alone, over their number (and nothing)."""
    host: Surface
    """Host time of a step over its decoding requests (and nothing)."""

    def decode_ms(self, requests: float, length: float) -> float:
        """A step in which ``requests`` decode over ``length`` cached tokens each."""
        return self.decode(requests, length)

    def mixed_ms(self, chunks: Sequence[tuple[int, int]], requests: float, length: float) -> float:
        """A step that computes ``chunks`` of prompts (first token, token after the last) beside decoding."""
        tokens = sum(end - start for start, end in chunks)
        attention = sum(self.prompt(end, 0.0) - self.prompt(start, 0.0) for start, end in chunks)
        ms = self.shared(tokens + requests, requests) + attention * self.together(len(chunks), 0.0)
        return ms + self.host(requests, 0.0) + (self.beside(requests, length) if requests else 0.0)


def step_costs(
    model: ServingModel, role: Role, layout: Layout, most_requests: float, most_tokens: int
) -> StepCosts:
    """The steps of one rank of a worker, up to so many requests in flight and tokens of prompts a step."""
    step, work, spec = model.step(role, layout), model.workload, model.speculative
    requests, isl = sizes(most_requests), work.isl
    lengths = np.linspace(isl, isl + work.osl + 1, LENGTHS)
    ones = np.ones(1)
    decode = [
        step.decode_ms(requests * spec.queries, np.array([length]), ones) + model.host_ms(layout, requests)
        for length in lengths
    ]
    beside = [step.decoding_ms(requests * spec.queries, float(length)) for length in lengths]
    tokens, decoding = sizes(most_tokens + most_requests), np.concatenate([[0.0], requests])
    every, each = (grid.ravel() for grid in np.meshgrid(tokens, decoding, indexing="ij"))
    shared = step.shared_ms(np.maximum(every, each), np.maximum(each, 1.0)).reshape(
        len(tokens), len(decoding)
    )
    prompts = np.concatenate([[0.0], sizes(isl)])
    alone = [0.0, *(step.prompts_ms(1.0, max(1, int(n)), 0) for n in prompts[1:])]
    many = np.arange(1.0, max(2, -(-most_tokens // isl) + 1))
    whole = step.prompts_ms(1.0, isl, 0)
    together = [step.prompts_ms(float(n), isl, 0) / (n * whole) if whole else 1.0 for n in many]
    return StepCosts(
        decode=Surface(requests, lengths, np.array(decode).T),
        shared=Surface(tokens, decoding, shared),
        beside=Surface(requests, lengths, np.array(beside).T),
        prompt=Surface(prompts, [0.0], np.array(alone)[:, None]),
        together=Surface(many, [0.0], np.array(together)[:, None]),
        host=Surface(decoding, [0.0], np.concatenate([[0.0], model.host_ms(layout, requests)])[:, None]),
    )
