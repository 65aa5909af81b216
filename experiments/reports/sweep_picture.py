"""A sweep as a picture: a line for one key, a map for two."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aicfg.experiments.around.sweep import Sweep
from aicfg.experiments.ask.variants import Axis
from aicfg.experiments.plans.words import MODES
from aicfg.experiments.reports.writing import check_png
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = {
    "sla.ttft_ms": "TTFT bound (ms)",
    "sla.tpot_ms": "TPOT bound (ms)",
    "sla.request_latency_ms": "request latency bound (ms)",
    "fleet.gpus": "GPUs of the fleet",
    "workload.isl": "prompt length (tokens)",
    "workload.osl": "output length (tokens)",
    "workload.prefix": "cached prefix (tokens)",
    "serving.memory_fraction": "memory fraction (share)",
}
_COLOURS = {"agg": "tab:blue", "disagg": "tab:orange", "mixed": "tab:green"}
_VALUES = {
    "tokens_per_s": "best throughput (output tokens/s)",
    "gpus": "fewest GPUs",
    "cost": "lowest price (per hour)",
    "ttft": "lowest TTFT (ms)",
    "tpot": "lowest TPOT (ms)",
    "request_latency": "lowest request latency (ms)",
}
_MOST_WRITTEN = 120
"""Cells of a map beyond which figures in them would not be legible."""


def check_picture(path: str, axes: Sequence[Axis]) -> None:
    """Raise ``InputError`` for what cannot be drawn, before anything is solved."""
    check_png(path)
    if len(axes) > 2:
        raise InputError(f"--png {path}: {len(axes)} keys are swept; a picture shows one or two")


def draw(sweep: Sweep, path: Path) -> None:
    """Draw ``sweep`` into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(sweep.experiment)
    if len(sweep.axes) == 1:
        _line(axes, sweep)
    else:
        _map(figure, axes, sweep)
    figure.savefig(path, dpi=130, format="png")


def label(key: str) -> str:
    """A key as the label of an axis, with its unit where it has one."""
    return _LABELS.get(key, key)


def _values(sweep: Sweep) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    values = [each.objective_value for each in sweep.outcomes]
    return np.array([np.nan if each is None else each for each in values])


def _value_label(sweep: Sweep) -> str:
    name = sweep.outcomes[0].objective
    return _VALUES.get(name, name)


def _line(axes: "Axes", sweep: Sweep) -> None:
    order = np.argsort([point[0] for point in sweep.points])
    x, y = np.array([point[0] for point in sweep.points])[order], _values(sweep)[order]
    modes = np.array([each.mode or "" for each in sweep.outcomes])[order]
    axes.plot(x, y, color="0.6", linewidth=1, zorder=1)
    size = 22 if len(x) <= 60 else 9
    for mode, colour in _COLOURS.items():
        if (modes == mode).any():
            axes.scatter(x[modes == mode], y[modes == mode], size, colour, label=MODES[mode], zorder=2)
    for value in x[modes == ""]:
        axes.axvline(value, color="tab:red", linewidth=1, alpha=0.25, zorder=0)
    if (modes == "").any():
        axes.plot([], [], color="tab:red", alpha=0.5, label="infeasible")
    axes.set(xlabel=label(sweep.axes[0].key), ylabel=_value_label(sweep))
    if (modes != "").any():
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.grid(alpha=0.3)
    axes.legend()


def _map(figure: "Figure", axes: "Axes", sweep: Sweep) -> None:
    """The second key across, the first upwards; cells are equally wide and carry their values as ticks."""
    rows, columns = (axis.values for axis in sweep.axes)
    values = _values(sweep).reshape(len(rows), len(columns))
    up, across = np.argsort(rows), np.argsort(columns)
    values = values[np.ix_(up, across)]
    axes.set_facecolor("0.85")
    shown = axes.imshow(np.ma.masked_invalid(values), origin="lower", aspect="auto", cmap="viridis")
    if not np.isnan(values).all():
        bar = figure.colorbar(shown, ax=axes, label=_value_label(sweep))
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    _ticks(axes, "x", np.array(columns)[across], sweep.axes[1].key)
    _ticks(axes, "y", np.array(rows)[up], sweep.axes[0].key)
    if np.isnan(values).any():
        axes.set_title(f"{sweep.experiment} (grey: infeasible)")
    if values.size <= _MOST_WRITTEN and not np.isnan(values).all():
        _write(axes, values)


def _ticks(
    axes: "Axes", which: str, values: "np.ndarray[tuple[int], np.dtype[np.float64]]", key: str
) -> None:
    every = -(-len(values) // 15)
    places = list(range(0, len(values), every))
    texts = [f"{values[place]:,g}" for place in places]
    if which == "x":
        axes.set_xticks(places, texts)
        axes.set_xlabel(label(key))
    else:
        axes.set_yticks(places, texts)
        axes.set_ylabel(label(key))


def _write(axes: "Axes", values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> None:
    bright = np.nanmin(values) + 0.6 * (np.nanmax(values) - np.nanmin(values))
    for (row, column), value in np.ndenumerate(values):
        text = "-" if np.isnan(value) else f"{value / 1000:.1f}k" if value >= 1000 else f"{value:.4g}"
        dark = np.isnan(value) or value > bright
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="black" if dark else "white")
