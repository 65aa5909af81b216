"""How servers were started and loaded, where that decides when a request has its first token.

Engines can let new prompts wait on purpose: SGLang looks for requests every so many decode steps,
TensorRT-LLM gathers prompts, or waits until every attention rank has one. Each wait is counted in decode
steps.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aicfg.hardware.interpolation import FloatArray


class Launch(Struct, frozen=True, forbid_unknown_fields=True):
    """A server's start, and the load; the defaults are those of the engines."""

    receive_interval: float = 1.0
    """Decode steps between two looks for new requests (SGLang ``--scheduler-recv-interval``)."""
    batch_wait: float = 0.0
    """Decode steps at most that a prompt waits for others (TensorRT-LLM ``batch_wait_timeout_iters``)."""
    balance_wait: float = 0.0
    """Decode steps at most that a prompt waits until each attention rank has one (TensorRT-LLM
    ``attention_dp_config: {enable_balance: true, timeout_iters}``)."""
    postprocess_apart: bool = False
    """Whether answers are made text in processes of their own (``num_postprocess_workers`` above 0)."""
    kv_cache_dtype: Literal["", "bfloat16", "fp8"] = ""
    """Format of the cache; empty where it follows from the weights'."""
    memory_fraction: float | None = None
    """Of the GPU, as the engine counts it; None: the engine's default."""
    version: str = ""
    """Of the engine; empty where it is not known."""
    measured_on: str = ""
    """Day of the run, as in 2026-01-31; empty where it is not known."""
    drawn: bool = False
    """Whether lengths are drawn below the nominal ones; else all requests have the nominal lengths."""
    decode_batch_limit: float = math.inf
    """Requests that an attention rank of a decode worker takes at most (TensorRT-LLM ``max_batch_size``)."""


@dataclass(frozen=True)
class Launches:
    """What of N launches makes requests wait, as arrays (N,)."""

    receive_interval: FloatArray
    batch_wait: FloatArray
    balance_wait: FloatArray
    postprocess_apart: NDArray[np.bool_]
    drawn: NDArray[np.bool_]
    decode_batch_limit: FloatArray

    @classmethod
    def of(cls, each: Sequence[Launch]) -> "Launches":
        """One entry a run."""
        return cls(*(np.array([getattr(one, field.name) for one in each]) for field in fields(cls)))

    def steps(self, batch: FloatArray, per_step: FloatArray, ranks: FloatArray, balance: float) -> FloatArray:
        """Decode steps (N,) that a prompt waits on purpose, on average; none where nothing else decodes.

        Parameters
        ----------
        batch : requests in flight of each attention rank, (N,).
        per_step : requests that come to it in a decode step, (N,).
        ranks : attention ranks, (N,): one has nothing to balance, several gather no prompts.
        balance : share of the longest wait for balance that is really waited.
        """
        gathers = window(self.batch_wait, per_step)
        balances = balance * window(self.balance_wait, ranks * per_step)
        waits = (self.receive_interval - 1.0) / 2.0 + np.where(ranks == 1.0, gathers, balances)
        return np.asarray(waits * np.clip(batch - 1.0, 0.0, 1.0))


def before(version: str, limit: str) -> bool:
    """Whether an engine's version is older; one that is no number, such as a nightly build, is not.

    >>> before("0.9.2", "0.18"), before("v0.18", "0.18.0"), before("nightly", "0.18")
    (True, False, False)
    """
    found, most = (re.match(r"v?(\d+(?:\.\d+)*)", each) for each in (version, limit))
    if found is None or most is None:
        return False
    numbers = ([int(part) for part in each[1].split(".")] for each in (found, most))
    pairs = list(zip_longest(*numbers, fillvalue=0))
    return [old for old, _ in pairs] < [new for _, new in pairs]


def window(most: FloatArray, per_step: FloatArray) -> FloatArray:
    """Mean wait (N,), in steps, of requests that are held until ``most`` steps after the first of them.

    The first waits for all of it, those that come meanwhile for half of it on average.
    """
    others = per_step * most
    return np.asarray(most * (1.0 + others / 2.0) / (1.0 + others))
