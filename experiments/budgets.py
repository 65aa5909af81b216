"""GPUs of a fleet, pool by pool: read, and replaced."""

from collections.abc import Sequence
from typing import Any

import msgspec

from aicfg.experiments.schema import Fleet


def gpus_of(fleet: Fleet) -> tuple[int, ...]:
    """GPUs of each pool; of a fleet without pools its own."""
    pools: tuple[Any, ...] = getattr(fleet, "pools", ())
    return tuple(pool.gpus for pool in pools) or (fleet.gpus,)


def with_gpus(fleet: Fleet, gpus: Sequence[int]) -> Fleet:
    """``fleet`` with as many GPUs in each pool."""
    pools: tuple[Any, ...] = getattr(fleet, "pools", ())
    if not pools:
        return msgspec.structs.replace(fleet, gpus=gpus[0])
    changed = (msgspec.structs.replace(pool, gpus=each) for pool, each in zip(pools, gpus, strict=True))
    return msgspec.structs.replace(fleet, pools=tuple(changed))
