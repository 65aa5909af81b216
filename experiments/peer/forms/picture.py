"""The frontiers as a picture: throughput over speed for a user, the agreement, the chosen plan."""

from pathlib import Path

from aicfg.experiments.peer.answers.comparison import Comparison, Series
from aicfg.experiments.peer.forms.report import short_parallel, speed

_COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e", "#a6761d", "#666666")
_MARKERS = "osDv^P<>"


def save_picture(comparison: Comparison, path: Path) -> None:
    """Write the picture as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    by_request = comparison.by_request
    figure = Figure(figsize=(9, 5.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for at, series in enumerate(comparison.series):
        _draw(axes, series, _COLOURS[at % 8], _MARKERS[at % 8], by_request)
    for number, bound in enumerate(_bounds(comparison, by_request)):
        label = f"{'request latency' if by_request else 'TPOT'} bound"
        axes.axvline(bound, color="0.35", linestyle="--", linewidth=1.2, label=label if not number else None)
    _mark_chosen(axes, comparison, by_request)
    first = next(iter(comparison.solved), None)
    if first is not None:
        work = first.case.experiment
        lengths = f"{work.workload.isl} tokens in, {work.workload.osl} out"
        axes.set_title(f"{work.model} on {first.gpus} x {first.system}, {lengths}", fontsize=11)
    axes.set_xlabel("request latency (ms)" if by_request else "tokens/s per user")
    axes.set_ylabel("tokens/s per GPU of the cluster")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right" if by_request else "upper right", framealpha=0.9)
    figure.savefig(path)


def _draw(axes: object, series: Series, colour: str, marker: str, by_request: bool) -> None:
    found = series.frontier(by_request=by_request)
    x = [speed(each, by_request=by_request) for _, each in found]
    y = [solved.cluster_rate(each) for solved, each in found]
    where = "post" if by_request else "pre"
    axes.step(x, y, where=where, color=colour, linewidth=1.0, alpha=0.6)  # type: ignore[attr-defined]
    axes.plot(x, y, marker, color=colour, markersize=3.5, label=series.name)  # type: ignore[attr-defined]


def _bounds(comparison: Comparison, by_request: bool) -> list[float]:
    key = "request_latency" if by_request else "tpot"
    bounds = {each.request.bound(key) for each in comparison.solved} - {None}
    return sorted(bound if by_request else 1000.0 / bound for bound in bounds if bound is not None)


def _mark_chosen(axes: object, comparison: Comparison, by_request: bool) -> None:
    chosen = comparison.chosen
    if chosen is None or chosen.best is None:
        return
    best = chosen.best
    each = best.top[0]
    units = " + ".join(
        f"{each.replicas * pool.workers} x {short_parallel(pool.curve.layout)}" for pool in each.pools
    )
    x, y = speed(each, by_request=by_request), best.best_rate
    label = f"chosen: {chosen.name}, {y:,.0f} tokens/s/GPU ({units})"
    axes.plot([x], [y], "*", color="#c00000", markersize=16, zorder=5, label=label)  # type: ignore[attr-defined]
