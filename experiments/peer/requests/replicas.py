"""What AIConfigurator's users may ask of a replica: its GPUs, and how many workers of each role it has.

A plan of the whole budget repeats a replica as often as its worker counts divide, so the whole budget is
solved at once wherever that is allowed. Smaller sizes are tried where it is not, or where a replica of it
would have too many workers: each is solved by itself and repeated.
"""

from collections.abc import Sequence

from aicfg.experiments.peer.requests.request import Request
from aicfg.model_specs.errors import InputError


def sizes_of(request: Request) -> tuple[int, ...]:
    """GPUs of the replicas to solve, the most first.

    Raises
    ------
    InputError
        When no size that is allowed fits into the budget.
    """
    gpus = int(request.get("total_gpus"))
    if request.mode == "agg":
        return (gpus,)
    allowed = allowed_sizes(request)
    if not allowed:
        listed, most = request.get("num_gpu_per_replica") or (), request.get("max_gpu_per_replica") or gpus
        raise InputError(
            f"{request.name}: no replica fits: the smallest allowed has {min((*listed, most))} GPUs,"
            f" of {gpus} in total and {most} at most"
        )
    return (gpus,) if gpus in allowed else allowed


def allowed_sizes(request: Request) -> tuple[int, ...]:
    """Every size that a replica may have, the most first.

    Without a list: of each number of replicas that fits, the largest.
    """
    gpus = int(request.get("total_gpus"))
    most = min(gpus, request.get("max_gpu_per_replica") or gpus)
    listed: Sequence[int] = request.get("num_gpu_per_replica") or (
        most,
        *(gpus // count for count in range(1, gpus // 2 + 1)),
    )
    return tuple(sorted({size for size in listed if 1 < size <= most}, reverse=True))


def limits(request: Request) -> dict[str, int]:
    """Most workers of a replica, by role."""
    found = {role: request.values.get(f"max_{role}_workers") for role in request.roles if role != "agg"}
    return {role: most for role, most in found.items() if most is not None}


def limit_constraints(request: Request) -> tuple[str, ...]:
    """The same in the solver's grammar."""
    return tuple(f"{role}.workers <= {most}" for role, most in limits(request).items())
