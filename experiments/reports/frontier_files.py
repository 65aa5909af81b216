"""The frontier as a table of comma-separated values, and as a picture."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.plans.tradeoffs import Corner
from aicfg.experiments.plans.words import MODES
from aicfg.experiments.reports.writing import write_csv, write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"agg": "tab:blue", "disagg": "tab:orange", "mixed": "tab:green"}


def write_frontier(plan: Plan, csv: str | None, png: str | None) -> None:
    """Write the frontier of ``plan`` where it is wanted. Raises ``InputError`` when it cannot be written."""
    if csv:
        write_csv(csv, rows(plan.pareto))
    if png:
        write_file(png, lambda path: draw(plan, path))


def rows(corners: Sequence[Corner]) -> list[dict[str, Any]]:
    """One mapping a corner; its pools in words."""
    return [asdict(each) | {"pools": " + ".join(map(str, each.pools))} for each in corners]


def draw(plan: Plan, path: Path) -> None:
    """Draw the frontier into a PNG file: a step a corner, the SLA's marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    work = plan.inputs["workload"]
    axes.set_title(
        f"{plan.experiment}: {plan.inputs['model']}, {work['isl']:,} tokens in, {work['osl']:,} out"
    )
    _steps(axes, plan.pareto)
    if (bound := plan.inputs["sla"]["tpot_ms"]) is not None:
        margin = 1.0 if plan.counted is None else plan.counted.tpot_margin
        axes.axvline(
            1000 * margin / bound,
            color="0.35",
            linestyle="--",
            linewidth=1,
            label=f"TPOT bound, {bound:g} ms",
        )
    axes.set(xlabel="tokens/s of a user", ylabel="tokens/s of a GPU of the budget")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if plan.pareto:
        axes.legend()
    figure.savefig(path, dpi=130, format="png")


def _steps(axes: "Axes", corners: Sequence[Corner]) -> None:
    """Points coloured by mode; where TTFT is no axis, the steps between them."""
    x, y = _places(corners)
    if len(set(x)) == len(x):
        axes.step(x, y, where="post", color="0.6", linewidth=1, zorder=1)
    for mode, colour in COLOURS.items():
        own = [each for each in corners if each.mode == mode]
        if own:
            axes.scatter(*_places(own), 12, colour, label=MODES[mode], zorder=2)
    for each in corners:
        if each.chosen:
            words = f"within the SLA: {' + '.join(map(str, each.pools))}"
            axes.plot(*_places([each]), "*", color="#c00000", markersize=15, label=words, zorder=3)


def _places(corners: Sequence[Corner]) -> tuple[list[float], list[float]]:
    speeds = [each.tokens_per_s_per_user for each in corners]
    return speeds, [each.tokens_per_s_per_gpu for each in corners]
