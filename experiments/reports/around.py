"""What a report shows around the best plan: plans of another structure, and the frontier as a small plot."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.plans.tradeoffs import Corner
from aicfg.experiments.plans.words import MODES, number, plan_words
from aicfg.experiments.reports.parts import LABEL
from aicfg.experiments.reports.side_by_side import table
from aicfg.experiments.reports.textplot import Series, plot

MARKS = {"agg": "*", "disagg": "f", "mixed": "m"}
_SHOWN = 9
"""Corners of a frontier that the report lists."""


def alternatives_part(plan: Plan) -> Iterator[RenderableType]:
    """Plans of another structure, each with what it gives up."""
    if not plan.alternatives:
        return
    yield Text("\nAlternatives: the best plans of other worker types, and what each gives up", LABEL)
    rows = []
    for each in plan.alternatives:
        gives = each.gives_up
        assert gives is not None
        rows.append((number(each.objective.value), gives.text, plan_words(each)))
    yield table((f">{plan.objective.name}", "gives up", "plan"), rows, wrapped=2)


def frontier_part(plan: Plan) -> Iterator[RenderableType]:
    """The frontier as a plot, and some of its corners."""
    corners = plan.pareto
    if not corners:
        return
    yield Text("\nFrontier: the most tokens/s at each speed for a user", LABEL)
    yield Text(_plot(corners), no_wrap=True)
    shown = _some(corners)
    rows = [
        (
            "SLA" if each.chosen else "",
            number(each.tokens_per_s_per_user),
            number(each.tokens_per_s_per_gpu),
            number(each.tpot_ms),
            number(each.ttft_ms),
            f"{each.gpus_used:,}",
            " + ".join(map(str, each.pools)),
        )
        for each in shown
    ]
    yield table(("", ">per user", ">per GPU", ">TPOT ms", ">TTFT ms", ">GPUs", "plan"), rows)
    if len(shown) < len(corners):
        yield Text(f"{len(shown)} of {len(corners)} corners; --csv and --json have all", "dim")


def _plot(corners: Sequence[Corner]) -> str:
    series = []
    for mode, mark in MARKS.items():
        own = [each for each in corners if each.mode == mode]
        if own:
            series.append(_series(mark, MODES[mode], own))
    if chosen := [each for each in corners if each.chosen]:
        series.append(_series("x", "within the SLA", chosen))
    return plot(series, "", "tokens/s/user", "tokens/s/GPU")


def _series(mark: str, label: str, corners: Sequence[Corner]) -> Series:
    x = [each.tokens_per_s_per_user for each in corners]
    return Series(mark, label, x, [each.tokens_per_s_per_gpu for each in corners])


def _some(corners: Sequence[Corner]) -> list[Corner]:
    """Both ends, the one within the SLA, and corners at about equal steps of speed between them."""
    ends = corners[0].tokens_per_s_per_user, corners[-1].tokens_per_s_per_user
    steps = (ends[0] + (ends[1] - ends[0]) * n / (_SHOWN - 2) for n in range(_SHOWN - 1))
    near = {
        min(range(len(corners)), key=lambda i: abs(corners[i].tokens_per_s_per_user - step)) for step in steps
    }
    return [each for i, each in enumerate(corners) if i in near or each.chosen]
