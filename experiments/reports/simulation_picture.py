"""The distribution of a simulation's latencies as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aicfg.experiments.predictions.simulate import Distribution, Simulation
from aicfg.hardware.interpolation import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(path: Path, simulation: Simulation, ttft_ms: FloatArray, tpot_ms: FloatArray) -> None:
    """Share of requests below each latency, with the percentiles and what the plan says, into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, label, values, found, said in (
        (panels[0], "TTFT (ms)", ttft_ms, simulation.ttft_ms, simulation.plan_ttft_ms),
        (panels[1], "TPOT (ms)", tpot_ms, simulation.tpot_ms, simulation.plan_tpot_ms),
    ):
        axes.plot(np.sort(values), np.linspace(0.0, 1.0, len(values)), color="tab:blue")
        _mark(axes, found, said)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("share of requests")
    figure.suptitle(f"{simulation.experiment}: {simulation.arrivals}, {simulation.requests:,} requests")
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, dpi=130, format="png")
    temporary.replace(path)


def _mark(axes: "Axes", found: Distribution, said: float) -> None:
    for level, value in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99)):
        axes.plot([value], [level], "o", color="tab:blue")
        axes.annotate(
            f"P{100 * level:.0f} {value:,.1f}", (value, level), (6, -10), textcoords="offset points"
        )
    axes.axvline(said, color="tab:orange", linestyle="--", label=f"plan {said:,.1f}")
    axes.legend(loc="lower right")
