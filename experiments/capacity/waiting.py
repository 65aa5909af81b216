"""What headroom does to a question: more must be possible, and requests wait for a place."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aicfg.experiments.ask.schema_capacity import Load
from aicfg.hardware.headroom import slot_wait
from aicfg.solver.points import Points, Role

FloatArray = NDArray[np.float64]
NS_PER_S = 1e9
MICRO = 1_000_000


def needed_rate(load: Load, requests_per_s: float) -> int:
    """Micro-requests/s that workers must be able to serve: the peak, over the busy share of their time."""
    return round(requests_per_s * load.peak / (load.utilisation or 1.0) * MICRO)


def waits_ns(points: Points, utilisation: float, arrival_cv2: float, service_cv2: float) -> FloatArray:
    """Mean wait for a place of the worker at each point: batch · dp · pp places, each for places / rate."""
    places = (points.batch * points.degrees["dp"] * points.degrees["pp"]).astype(np.float64)
    service_ns = places / np.maximum(points.request_rate, 1) * MICRO * NS_PER_S
    return slot_wait(places, service_ns, utilisation, arrival_cv2, service_cv2)


def waited(points: Points, wait_ns: FloatArray, later_tokens: int) -> Points:
    """Points whose latencies hold the wait: before the first token; of decode workers, before the second."""
    whole, decodes = np.rint(wait_ns).astype(np.int64), points.role == Role.DECODE
    return replace(
        points,
        ttft_ns=points.ttft_ns + np.where(decodes, 0, whole),
        tpot_ns=points.tpot_ns + np.where(decodes, -(-whole // max(later_tokens, 1)), 0),
    )


def variation(weights: FloatArray, values: FloatArray) -> float:
    """Squared coefficient of variation of weighted values."""
    mean = float((weights * values).sum() / weights.sum())
    return float((weights * (values - mean) ** 2).sum() / weights.sum()) / mean**2
