"""Estimates of what was not measured: the speed of light over a utilisation that something near it reached.

How a pricer estimates (data modes HYBRID and EMPIRICAL):

1. ``Utilisation(axes, times_ms, light)`` turns a measured grid into utilisation (light over time) and lends
   it to any point: the two nearest measured points in per-axis normalised log space, weighted by inverse
   distance; a query outside the box is clamped to it.
2. A ladder of candidates, nearest relation first, each a callable that gives a ``Loan`` or None:
   the operation's own grid; other shapes (``by_nearness``); other formats of the same bytes and arithmetic
   (``same_class``); formats of another class (``other_classes``), scaled by ``level_ratio``.
   ``first_loan(candidates, what)`` takes the first that lends.
3. ``loan.ms(light_ms, *coordinates)``: light_ms is the query's own speed of light.

A loan is opened once per table: wrap step 2 in ``pricing.table(key, ...)``.

Source of the rules and coefficients (``estimates.yaml``): AIConfigurator 0.12, performance model §4.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aicfg.hardware.interpolation import FloatArray, Roofline
from aicfg.hardware.tables.store import MissingDataError
from aicfg.model_specs.quantization import element_bytes, flops_class, modes

ARITHMETIC = {"bfloat16": 1, "fp8": 2, "int8": 2, "fp4": 4}
"""Operations that a tensor core does in the time of one in bfloat16."""
LEAST = 1e-9
"""Coordinates below it count as it, so that they have a logarithm."""
FIRST_WINDOW = 4
CANDIDATES_AT_A_TIME = 1 << 20


class Utilisation:
    """Speed of light over measured time on a ragged product grid, lent to any point near it."""

    def __init__(self, axes: Sequence[NDArray[Any]], times_ms: FloatArray, light: Roofline) -> None:
        """``light`` gives ms as a function of one coordinate array per axis; NaN times are no points."""
        mesh = np.meshgrid(*(axis.astype(np.float64) for axis in axes), indexing="ij", sparse=True)
        light_ms = np.broadcast_to(light(*mesh), times_ms.shape)
        there = (times_ms > 0.0) & (light_ms > 0.0)
        self._reached = np.where(there, light_ms / np.where(there, times_ms, 1.0), np.nan)
        every = range(times_ms.ndim)
        present = [there.any(axis=tuple(a for a in every if a != axis)) for axis in every]
        logs = [_log(axis[used]) for axis, used in zip(axes, present, strict=True)]
        self._reached = self._reached[np.ix_(*present)]
        self._low = np.array([each[0] if len(each) else 0.0 for each in logs])
        span = np.array([each[-1] - each[0] if len(each) else 0.0 for each in logs])
        self._span = np.where(span > 0.0, span, 1.0)
        self._axes = [
            (each - low) / wide for each, low, wide in zip(logs, self._low, self._span, strict=True)
        ]

    def __bool__(self) -> bool:
        """Whether anything was measured."""
        return self._reached.size > 0

    def __call__(self, *coordinates: FloatArray) -> FloatArray:
        """Utilisation at each of Q points, given as one (Q,) array per axis."""
        points = np.array(np.broadcast_arrays(*(np.asarray(c, dtype=np.float64) for c in coordinates)))
        at = np.clip((_log(points) - self._low[:, None]) / self._span[:, None], 0.0, 1.0)
        lent = np.empty(at.shape[1])
        pending, width = np.arange(at.shape[1]), FIRST_WINDOW
        while len(pending):
            block = max(1, CANDIDATES_AT_A_TIME // width ** len(self._axes))
            unsure = []
            for start in range(0, len(pending), block):
                part = pending[start : start + block]
                lent[part], sure = self._within(at[:, part], width)
                unsure.append(part[~sure])
            pending, width = np.concatenate(unsure), 2 * width
        return lent

    def _within(self, at: FloatArray, width: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Utilisation from the ``width`` coordinates around each query on each axis, and if that is sure.

        It is where the second nearest point is nearer than any coordinate left out.
        """
        queries, rank = at.shape[1], len(self._axes)
        squared = np.zeros((queries,) + (1,) * rank)
        left_out = np.full(queries, np.inf)
        positions = []
        for axis, (keys, x) in enumerate(zip(self._axes, at, strict=True)):
            window, nearest_out = _window(keys, x, width)
            shape = [queries] + [1] * rank
            shape[axis + 1] = window.shape[1]
            squared = squared + ((keys[window] - x[:, None]) ** 2).reshape(shape)
            left_out = np.minimum(left_out, nearest_out)
            positions.append(window.reshape(shape))
        reached = self._reached[tuple(positions)].reshape(queries, -1)
        distance = np.where(np.isnan(reached), np.inf, np.sqrt(squared).reshape(queries, -1))
        return _two_nearest(distance, reached, left_out)


def _log(values: NDArray[Any]) -> FloatArray:
    return np.log(np.maximum(values.astype(np.float64), LEAST))


def _window(keys: FloatArray, x: FloatArray, width: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Positions (Q, ≤ width) of coordinates around each x, and the distance to the nearest one left out."""
    width = min(width, len(keys))
    start = np.clip(np.searchsorted(keys, x) - width // 2, 0, len(keys) - width)
    window = start[:, None] + np.arange(width)
    before = np.where(start > 0, x - keys[np.maximum(start - 1, 0)], np.inf)
    end = start + width
    after = np.where(end < len(keys), keys[np.minimum(end, len(keys) - 1)] - x, np.inf)
    return window, np.minimum(before, after)


def _two_nearest(
    distance: FloatArray, reached: FloatArray, left_out: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Mean of the two nearest values of each row by inverse distance (the first of equals)."""
    every = np.arange(len(distance))
    first = distance.argmin(axis=1)
    nearest, value = distance[every, first], reached[every, first]
    distance[every, first] = np.inf
    second = distance.argmin(axis=1)
    next_nearest, next_value = distance[every, second], reached[every, second]
    alone = ~np.isfinite(next_nearest) | (nearest == 0.0)
    weight = np.where(alone, 0.0, nearest / np.where(alone, 1.0, nearest + next_nearest))
    lent = value + weight * np.where(alone, 0.0, next_value - value)
    sure = ((nearest == 0.0) | (next_nearest < left_out)) | ~np.isfinite(left_out)
    return lent, sure


class Loan(Struct, frozen=True):
    """A utilisation that stands in for an operation's own, and how much of it the operation reaches."""

    utilisation: Utilisation
    scale: float = 1.0

    def ms(self, light_ms: FloatArray, *coordinates: FloatArray) -> FloatArray:
        """The speed of light of Q queries over the utilisation at their coordinates."""
        return light_ms / (self.scale * self.utilisation(*coordinates))


def first_loan(candidates: Iterable[Callable[[], Loan | None]], what: str) -> Loan:
    """The first candidate that lends; a candidate that misses data or lends from nothing is passed over.

    Raises
    ------
    MissingDataError
        If none lends: ``what`` says for which operation.
    """
    for candidate in candidates:
        try:
            loan = candidate()
        except MissingDataError:
            continue
        if loan is not None and loan.utilisation:
            return loan
    raise MissingDataError(f"nothing was measured that {what} could be estimated from")


def by_nearness(wanted: Sequence[float], shapes: Sequence[Sequence[float]] | FloatArray) -> list[int]:
    """Positions of ``shapes``, nearest to ``wanted`` first, in per-axis normalised log space, unclamped."""
    if not len(shapes):
        return []
    logs = _log(np.array(shapes, dtype=np.float64))
    span = np.ptp(logs, axis=0)
    offsets = (logs - _log(np.array(wanted, dtype=np.float64))) / np.where(span > 0.0, span, 1.0)
    return [int(i) for i in np.argsort((offsets**2).sum(axis=1), kind="stable")]


def same_class(component: str, dtype: str, dtypes: Iterable[str]) -> list[str]:
    """Of ``dtypes``, the others with the same bytes a weight and the same arithmetic as ``dtype``."""
    return [d for d in dtypes if d != dtype and _class(component, d) == _class(component, dtype)]


def other_classes(
    component: str, dtype: str, dtypes: Iterable[str], arithmetic_first: bool = False
) -> list[str]:
    """Of ``dtypes``, those of another class, nearest first.

    By the sum of the differences in bytes and in arithmetic; ``arithmetic_first``: by arithmetic, then bytes
    (dense kernels are built around their arithmetic).
    """

    def distance(other: str) -> tuple[float, float]:
        mine, theirs = _class(component, dtype), _class(component, other)
        in_bytes, in_arithmetic = abs(mine[0] - theirs[0]), abs(mine[1] - theirs[1])
        return (in_arithmetic, in_bytes) if arithmetic_first else (in_bytes + in_arithmetic, 0.0)

    return sorted((d for d in dtypes if _class(component, d) != _class(component, dtype)), key=distance)


def level_ratio(component: str, dtype: str, lender: str) -> float:
    """Utilisation that ``dtype`` reaches over that of ``lender``, for ``gemm`` or ``moe``."""
    levels = _coefficients()["levels"][component]
    known = {(entry["bytes"], entry["arithmetic"]): entry["level"] for entry in levels["known"]}
    mine, theirs = (known.get(_class(component, d), levels["unlisted"]) for d in (dtype, lender))
    return float(mine / theirs)


def head_size_ratio(backend: str, head_size: int, lender: int) -> float:
    """Utilisation of prefill attention at ``head_size`` over that at ``lender``; 1 for an unknown engine."""
    ratios = _coefficients()["head_size_ratios"].get(backend)
    if ratios is None:
        return 1.0
    sizes, levels = np.log2(list(ratios)), list(ratios.values())
    mine, theirs = np.interp(np.log2([head_size, lender]), sizes, levels)
    return float(mine / theirs)


def _class(component: str, dtype: str) -> tuple[float, int]:
    if dtype not in modes(component):  # an expert's format on a dense product
        component = "moe"
    return element_bytes(component, dtype), ARITHMETIC[flops_class(component, dtype)]


@cache
def _coefficients() -> dict[str, Any]:
    import yaml

    path = Path(__file__).with_name("estimates.yaml")
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded
