"""The fewest GPUs that serve a load within the agreement."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from aicfg.experiments.ask.loader import load as load_experiment
from aicfg.experiments.ask.schema import MAX_GPUS
from aicfg.experiments.peer.answers.comparison import Comparison, compared
from aicfg.experiments.peer.answers.load import Load
from aicfg.experiments.peer.answers.outcome import Failed, Solved, Wanted, solve_request
from aicfg.experiments.peer.requests.request import Request
from aicfg.experiments.peer.requests.translate import Settings, translate
from aicfg.experiments.solving.assemble import MICRO, Mode, ask, candidates
from aicfg.experiments.solving.prepare import prepare
from aicfg.model_specs.errors import AicfgError, InputError
from aicfg.solver.solve import solve

MOST_GPUS = MAX_GPUS
"""The budget in which the smallest deployment is looked for."""


def load_of(request: Request, *, request_rate: float | None, concurrency: float | None) -> Load:
    """The load as requests/s.

    Requests in flight become a rate by Little's law: each of them ends within the agreement's latency, so
    that many at a time are at least this many a second.

    Raises
    ------
    InputError
        Where requests in flight are given and the agreement has no bound on a whole request.
    """
    if request_rate is not None:
        return Load(request_rate, f"{request_rate:g} requests/s")
    assert concurrency is not None
    latency = request.bound("request_latency")
    if latency is None:
        ttft, tpot = request.bound("ttft"), request.bound("tpot")
        if ttft is None or tpot is None:
            raise InputError("--target-concurrency: needs bounds on ttft and tpot, or on request-latency")
        latency = ttft + (request.get("osl") - 1) * tpot
    rate = 1000.0 * concurrency / latency
    return Load(
        rate, f"{concurrency:g} requests in flight = {rate:.4g} requests/s of at most {latency:,.0f} ms"
    )


def fewest_gpus(request: Request, settings: Settings, load: Load) -> int | None:
    """GPUs of the smallest deployment that serves ``load``; None where no number of them does.

    The solver's own objective: the fewest GPUs for a load.
    """
    plain = translate(
        Request(request.name, {**request.values, "total_gpus": MOST_GPUS}), settings
    ).experiments[0]
    (experiment,) = load_experiment(plain)
    case = prepare(experiment)
    mode = cast(Mode, request.mode)
    found = candidates(case)
    asked = ask(case, found, mode, None)
    return solve(
        found.points, replace(asked, objective="gpus", load=round(load.requests_per_s * MICRO))
    ).gpus_used


def recommended(
    requests: Sequence[Request], names: Sequence[str], settings: Settings, wanted: Wanted, load: Load
) -> Comparison:
    """Every request on the fewest GPUs that serve ``load``."""
    found: list[Solved | Failed] = []
    for request in requests:
        try:
            gpus = fewest_gpus(request, settings, load) or 1024
            budget = Request(
                request.name,
                {**request.values, "total_gpus": max(gpus, 2 if request.mode == "disagg" else 1)},
            )
            found.append(solve_request(budget, settings, wanted))
        except AicfgError as error:
            found.append(Failed(request, str(error)))
    return replace(compared(found, names, wanted.top_n), load=load)
