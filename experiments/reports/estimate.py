"""The report of an estimate: its figures, and a bar for every operation that takes time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aicfg.experiments.plans.shares import Part, Step
from aicfg.experiments.plans.words import MODES, bar, layout, number, share, sources_words
from aicfg.experiments.predictions.estimate import Estimate, PoolEstimate
from aicfg.experiments.reports.parts import COLOURS, LABEL, latency, pool_table, print_on, title

if TYPE_CHECKING:
    from typing import TextIO

CELLS = 24
"""Of the bar of the longest operation."""
LEAST_SHARE = 0.005
"""Operations that take less are added up in one line."""


def print_estimate(estimate: Estimate, file: "TextIO", *, color: bool = True) -> None:
    """Print the report of ``estimate``: narrow, and plain text where nobody watches."""
    print_on(Group(*_report(estimate)), file, color=color)


def _report(estimate: Estimate) -> Iterator[RenderableType]:
    yield title(estimate.experiment, estimate.inputs, estimate.gpus_used)
    yield Text()
    yield _headline(estimate)
    yield pool_table([each.pool for each in estimate.pools])
    yield _facts(estimate)
    for pool in estimate.pools:
        yield Text()
        yield from _breakdown(pool)


def _headline(estimate: Estimate) -> Text:
    text = Text()
    text.append(MODES.get(estimate.mode, f"{estimate.mode} only").capitalize(), "bold")
    if estimate.tokens_per_s is None:
        text.append(f"  {number(estimate.requests_per_s)} requests/s")
    else:
        text.append(f"  {number(estimate.tokens_per_s)} tokens/s", "bold")
        text.append(f"  {number(estimate.tokens_per_s_per_gpu)} per GPU")
        text.append(f"  {number(estimate.tokens_per_s_per_user)} per user")
    for each in estimate.pools:
        if not each.fits:
            used, limit = each.pool.memory_gib.used, each.pool.memory_gib.limit
            over = f"\n{each.pool.role} does not fit: {used:.1f} GiB of {limit:.1f} GiB on a GPU"
            text.append(over, "bold red")
    return text


def _facts(estimate: Estimate) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(style=LABEL, no_wrap=True)
    table.add_column()
    table.add_row()
    sla = estimate.inputs["sla"]
    for name, value, bound in (
        ("TTFT", estimate.ttft_ms, sla["ttft_ms"]),
        ("TPOT", estimate.tpot_ms, sla["tpot_ms"]),
        ("request", estimate.request_latency_ms, sla["request_latency_ms"]),
    ):
        if value is not None:
            table.add_row(name, latency(value, bound))
    table.add_row("in flight", f"{estimate.concurrency:,} requests")
    return table


def _breakdown(pool: PoolEstimate) -> Iterator[RenderableType]:
    colour = COLOURS[pool.pool.role]
    for step in pool.steps:
        heading = Text()
        heading.append(f"{step.name} step", f"bold {colour}")
        heading.append(f" of {layout(pool.pool)}: {step.ms:.2f} ms")
        if len(pool.steps) > 1:
            heading.append(f", {number(step.steps)} times for a batch of requests")
        yield heading
        yield _bars(step, colour)
        yield Text()
    assert pool.pool.sources is not None
    yield Text.assemble((f"{pool.pool.role} time rests on ", LABEL), sources_words(pool.pool.sources))


def _bars(step: Step, colour: str) -> Table:
    """The operations of a step, the longest first, what they are made of below; the short ones added up."""
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    for justify in ("left", "left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    ordered = sorted(step.parts, key=_longest)
    longest = ordered[0].ms
    shown = [part for part in ordered if part.ms >= LEAST_SHARE * step.ms]
    for part in shown:
        table.add_row(*_bar(part, part.name, longest, step.ms, colour))
        for inner in sorted(part.parts, key=_longest):
            if inner.ms >= LEAST_SHARE * step.ms:
                table.add_row(*_bar(inner, f"  {inner.name}", longest, step.ms, "dim"))
    if rest := ordered[len(shown) :]:
        ms = sum(part.ms for part in rest)
        table.add_row(f"{len(rest)} more", "", share(ms / step.ms), f"{ms:.3f} ms")
    return table


def _longest(part: Part) -> float:
    return -part.ms


def _bar(part: Part, name: str, longest: float, total: float, style: str) -> tuple[Text | str, ...]:
    cells = Text(bar(part.ms / longest, CELLS).replace("░", " "), style)
    rests = sources_words(part.sources, most=1).removeprefix("100 % ")
    return name, cells, share(part.ms / total), f"{part.ms:.3f} ms", rests
