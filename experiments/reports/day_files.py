"""A plan over time as a table of comma-separated values, and as a picture of load, capacity and GPUs."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aicfg.experiments.plans.capacity_figures import StepPlan
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.plans.words import lengths_words, type_words, value_words
from aicfg.experiments.reports.writing import write_csv, write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_day(plan: Plan, csv: str | None, png: str | None) -> None:
    """Write the steps of ``plan`` where they are wanted. Raises ``InputError`` when that fails."""
    if csv:
        write_csv(csv, rows(plan))
    if png:
        write_file(png, lambda path: draw(plan, path))


def rows(plan: Plan) -> list[dict[str, Any]]:
    """One mapping a step: its load, what is possible, GPUs, and the workers of each pool."""
    steps = plan.capacity.steps if plan.capacity is not None else ()
    return [
        {
            "time": step.name,
            "hours": step.hours,
            "requests_per_s": step.requests_per_s,
            "capacity_per_s": step.capacity_per_s,
            "gpus": step.gpus,
            **{type_words(pool): n for pool, n in zip(plan.pools, step.workers, strict=True)},
            "started": sum(step.started),
        }
        for step in steps
    ]


def draw(plan: Plan, path: Path) -> None:
    """Draw load and capacity above the GPUs of each pool into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = plan.capacity.steps if plan.capacity is not None else ()
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    what = f"{plan.inputs['model']}, {lengths_words(plan.inputs['workload'])}"
    above.set_title(f"{plan.experiment}: {what}\n{value_words(plan.objective)}" if steps else plan.experiment)
    hours = [0.0, *accumulate(step.hours for step in steps)]
    above.stairs([step.capacity_per_s for step in steps], hours, label="possible", color="tab:blue")
    above.stairs([step.requests_per_s for step in steps], hours, label="load", color="tab:red")
    above.set(ylabel="requests/s")
    _pools(below, plan, steps, hours)
    below.set(xlabel="hours", ylabel="GPUs")
    for axes in (above, below):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
    figure.savefig(path, dpi=130, format="png")


def _pools(axes: "Axes", plan: Plan, steps: Sequence[StepPlan], hours: Sequence[float]) -> None:
    """The GPUs of one pool upon those of the one before."""
    floor = [0] * len(steps)
    for number, pool in enumerate(plan.pools):
        top = [f + step.workers[number] * pool.gpus_per_worker for f, step in zip(floor, steps, strict=True)]
        axes.stairs(top, hours, baseline=floor, fill=True, alpha=0.6, label=type_words(pool))
        floor = top
