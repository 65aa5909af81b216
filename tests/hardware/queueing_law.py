"""The closed forms of queueing beside the simulated scheduler: the table of docs/queueing.md.

    PYTHONPATH=.pkg python tests/hardware/queueing_law.py

Both take the same step times; what is compared is the law: of means (``aicfg.hardware.flow``, with every
prompt's delay met, ``interference: 1``) and of percentiles (``aicfg.hardware.queueing``).
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from aicfg.experiments.ask.schema import Experiment, Fleet, Serving, Workload
from aicfg.experiments.predictions.simulate import engine_at
from aicfg.experiments.solving.prepare import prepare
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.laws import FlowLaw
from aicfg.hardware.percentiles import flow_of
from aicfg.hardware.profile import Profile, load_profile
from aicfg.hardware.queueing import Flow
from aicfg.hardware.simulation import drawn_requests, simulate
from aicfg.model_specs.layout import Layout

SPREAD = 0.1
LEVELS = (0.5, 0.9, 0.99)
SETTINGS = (
    ("Qwen/Qwen3-32B", "h100_sxm", "vllm", 4000, 500, 4),
    ("Qwen/Qwen3-32B", "h100_sxm", "trtllm", 1024, 1024, 2),
    ("Qwen/Qwen3-32B", "h100_sxm", "sglang", 1024, 1024, 4),
    ("meta-llama/Llama-3.1-70B", "h200_sxm", "vllm", 8192, 1024, 8),
    ("meta-llama/Llama-3.1-8B-Instruct", "h200_sxm", "vllm", 2000, 200, 1),
    ("Qwen/Qwen3-32B", "h200_sxm", "sglang", 4000, 500, 4),
)
IN_FLIGHT = (4, 16, 48, 96)


class Case(NamedTuple):
    """One rank with so many requests in flight."""

    model: str
    system: str
    backend: Literal["vllm", "sglang", "trtllm"]
    isl: int
    osl: int
    tp: int
    in_flight: int
    loop: Literal["closed", "open"]

    def __str__(self) -> str:
        model = self.model.rpartition("/")[2]
        return f"{self.backend} {model} tp{self.tp} {self.isl}/{self.osl}, {self.in_flight} {self.loop}"


CASES = tuple(
    Case(*setting, n, loop)  # type: ignore[arg-type]
    for loop in ("closed", "open")
    for setting in SETTINGS
    for n in IN_FLIGHT
)


@dataclass(frozen=True)
class Comparison:
    """Means and percentiles, (4,) each: mean, P50, P90, P99; in ms."""

    busy: float
    elasticity: float
    ttft_law: np.ndarray
    ttft_simulated: np.ndarray
    tpot_law: np.ndarray
    tpot_simulated: np.ndarray


@cache
def physics() -> Profile:
    """The default coefficients, with every prompt's delay met and waits as in a queue."""
    profile = load_profile("physical")
    laws = {
        name: msgspec.structs.replace(law, interference=1.0) if isinstance(law, FlowLaw) else law
        for name, law in profile.aggregated.items()
    }
    return msgspec.structs.replace(profile, aggregated=laws)


@cache
def serving(
    model: str, system: str, backend: Literal["vllm", "sglang", "trtllm"], isl: int, osl: int
) -> ServingModel:
    """The model as an experiment would serve it."""
    asked = Experiment(
        model=model,
        workload=Workload(isl=isl, osl=osl),
        fleet=Fleet(system=system, gpus=8),
        serving=Serving(backend=backend, data_mode="hybrid"),
    )
    found = prepare(asked).model
    return ServingModel(
        found.architecture, found.quant, found.workload, found.system, found.tables, physics(), found.mode
    )


def compare(case: Case) -> Comparison:
    """One case by the law and simulated."""
    model, layout = serving(*case[:5]), Layout(case.tp)
    n = case.in_flight
    curve = model.curve("agg", layout, np.array([n]), np.array([case.isl]))
    law = flow_of(model, curve)
    rate = None if case.loop == "closed" else float(curve.requests_per_s[0])
    requests = drawn_requests(max(60 * n, 3000), case.isl, case.osl, SPREAD, 0, rate)
    engine = engine_at(model, layout, 4 * n, round((1 + SPREAD) * case.isl))  # each prompt fits in one step
    trace = simulate(engine, requests, n if rate is None else None).steady()
    return Comparison(
        float(law.busy[0]),
        float(law.slope_ms[0] * law.others[0] / law.tpot_ms[0]),
        np.array([float(curve.ttft_ms[0]), *(float(law.ttft_quantile(p, case.loop)[0]) for p in LEVELS)]),
        _figures(trace.ttft_ms),
        np.array([_mean_tpot(law, case), *(float(law.tpot_quantile(p, case.loop)[0]) for p in LEVELS)]),
        _figures(trace.tpot_ms),
    )


def _mean_tpot(law: Flow, case: Case) -> float:
    """With Poisson arrivals more are in flight than in a closed loop of as many on average."""
    return float(law.tpot_ms[0] if case.loop == "closed" else law.open_mean_ms[0])


def _figures(values: np.ndarray) -> np.ndarray:
    return np.array([values.mean(), *np.quantile(values, LEVELS)])


def main() -> None:
    """Prints the table."""
    print("| case | busy | TTFT mean, P50, P90, P99: law | simulated | TPOT: law | simulated |")
    print("|---|---|---|---|---|---|")
    errors: dict[str, list[np.ndarray]] = {"closed": [], "open": []}
    for case in CASES:
        found = compare(case)
        if case.loop == "open" and (found.busy > 0.7 or found.elasticity > 0.8):
            continue
        cells = [
            " ".join(f"{value:,.{digits}f}" for value in each)
            for each, digits in (
                (found.ttft_law, 0), (found.ttft_simulated, 0), (found.tpot_law, 1), (found.tpot_simulated, 1)
            )
        ]  # fmt: skip
        print(f"| {case} | {found.busy:.2f} | " + " | ".join(cells) + " |")
        errors[case.loop].append(
            np.array([found.ttft_law / found.ttft_simulated, found.tpot_law / found.tpot_simulated]) - 1.0
        )
    for loop, each in errors.items():
        print(loop, len(each), "cases; mean |error| of TTFT and TPOT in %:")
        print((100 * np.abs(np.array(each)).mean(axis=0)).round(1).tolist())
        print("worst:", (100 * np.abs(np.array(each)).max(axis=0)).round(0).tolist())


if __name__ == "__main__":
    main()
