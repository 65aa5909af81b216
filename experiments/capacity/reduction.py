"""Many requests into few weighted classes, with an error that is stated.

A class stands for its requests by their mean lengths, so all tokens are kept: Σ isl and Σ osl of the classes
are those of the requests (to the rounding of a mean to a token). The work of a transformer on a request is a
polynomial of second degree in its lengths with no negative coefficient: a prefill's attention grows with
isl², a decode's with isl·osl + osl²/2. Of such a sum the classes miss only how the products of lengths vary
within a class. So the work of the classes differs from that of the requests by at most the largest relative
error of the three second moments: that is the error stated.

The classes are found by k-means in lengths over their root mean squares, which makes that error small: the
variance within the classes is what it lowers. Requests are first gathered in cells of a grid of ``CELLS``
steps an axis, even in the logarithm, so a million takes a fraction of a second.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CELLS = 256
MOST_ROUNDS = 200


@dataclass(frozen=True)
class Reduced:
    """K classes of requests, those of short prompts first."""

    isl: IntArray
    osl: IntArray
    prefix: IntArray
    share: FloatArray
    """Of all requests; they add up to 1."""
    work_error: float
    """No work of second degree in the lengths is off by a larger share."""


def reduce_requests(isl: IntArray, osl: IntArray, prefix: IntArray, classes: int) -> Reduced:
    """(N,) requests as at most ``classes`` classes."""
    lengths = np.stack((isl, osl, prefix)).astype(np.float64)
    cells, weight, cell = _cells(lengths)
    scale = np.sqrt(np.average(cells[:2] ** 2, axis=1, weights=weight))
    label = _labels(cells[:2] / scale[:, None], weight, classes)
    return _reduced(lengths, label[cell])


def reduce_distribution(
    isl: dict[float, float], osl: dict[float, float], together: bool, classes: int
) -> Reduced:
    """Lengths by quantile as at most ``classes`` classes: requests at even quantiles, then as any others."""
    count = 1000 if together else 100
    at = (np.arange(count) + 0.5) / count
    lengths = [_at_quantiles(values, at) for values in (isl, osl)]
    if not together:
        lengths = [each.ravel() for each in np.meshgrid(*lengths, indexing="ij")]
    prompt, answer = (np.rint(each).astype(np.int64) for each in lengths)
    return reduce_requests(np.maximum(prompt, 1), np.maximum(answer, 2), np.zeros_like(prompt), classes)


def _at_quantiles(values: dict[float, float], at: FloatArray) -> FloatArray:
    """Linear in the logarithm between the given quantiles, level beyond them."""
    ordered = sorted(values.items())
    return np.exp(np.interp(at, [q for q, _ in ordered], np.log([v for _, v in ordered])))


def _cells(lengths: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """(3, M) mean lengths of the requests of each cell, how many they are, and the cell of each request."""
    key = np.zeros(lengths.shape[1], np.int64)
    for each in lengths[:2]:
        logs = np.log(each)
        span = max(float(np.ptp(logs)), 1e-9)
        key = key * CELLS + np.minimum(((logs - logs.min()) / span * CELLS).astype(np.int64), CELLS - 1)
    number = np.unique(key, return_inverse=True)[1]
    weight = np.bincount(number).astype(np.float64)
    means = np.stack([np.bincount(number, weights=each) / weight for each in lengths])
    return means, weight, number.astype(np.int64)


def _labels(points: FloatArray, weight: FloatArray, classes: int) -> IntArray:
    """The class of each of (2, M) weighted points: Lloyd's rounds from a split by greatest variance."""
    label = _split(points, weight, classes)
    for _ in range(MOST_ROUNDS):
        sums = np.stack([np.bincount(label, weights=each * weight) for each in points])
        centres = sums / np.bincount(label, weights=weight)
        distance = ((points[:, :, None] - centres[:, None, :]) ** 2).sum(axis=0)
        moved = np.unique(distance.argmin(axis=1), return_inverse=True)[1]
        if (moved == label).all():
            break
        label = moved.astype(np.int64)
    return label


def _split(points: FloatArray, weight: FloatArray, classes: int) -> IntArray:
    """Cut the class with the greatest variance at its mean, along its longer axis, until there are enough."""
    label = np.zeros(points.shape[1], np.int64)
    for new in range(1, classes):
        total = np.bincount(label, weights=weight)
        means = np.stack([np.bincount(label, weights=each * weight) / total for each in points])
        apart = np.stack([np.bincount(label, weights=(each - mean[label]) ** 2 * weight)
                          for each, mean in zip(points, means, strict=True)])  # fmt: skip
        axis, widest = np.unravel_index(apart.argmax(), apart.shape)
        if apart[axis, widest] <= 1e-12:
            break
        label[(label == widest) & (points[axis] > means[axis, widest])] = new
    return label


def _reduced(lengths: FloatArray, label: IntArray) -> Reduced:
    """The classes with their mean lengths, and what the squares vary within them."""
    count = np.bincount(label)
    means = np.stack([np.bincount(label, weights=each) / count for each in lengths])
    share = count / count.sum()
    pairs = ((0, 0), (0, 1), (1, 1))
    moments = [float((lengths[a] * lengths[b]).mean()) for a, b in pairs]
    kept = [float((means[a] * means[b] * share).sum()) for a, b in pairs]
    error = max((abs(one - other) / one for one, other in zip(moments, kept, strict=True)), default=0.0)
    order = np.lexsort((means[1], means[0]))
    whole = np.rint(means[:, order]).astype(np.int64)
    prefix = np.minimum(whole[2], whole[0] - 1)
    return Reduced(np.maximum(whole[0], 1), np.maximum(whole[1], 2), prefix, share[order], error)
