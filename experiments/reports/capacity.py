"""What a report says of capacity: classes and their workers, the day, purchases, changes, the reduction."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from aicfg.experiments.plans.capacity_figures import CapacityFigures, Changes, ClassPlan, Reduction
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.plans.words import number, pool_words, share, type_words, value_words
from aicfg.experiments.reports.parts import LABEL
from aicfg.experiments.reports.textplot import Series, plot

MOST_STEPS = 48
"""Steps up to which each has its line."""


def capacity_report(plan: Plan) -> Iterator[RenderableType]:
    """The parts of the report that are about capacity."""
    figures = plan.capacity
    if figures is None:
        return
    if len(figures.classes) > 1:
        yield Text("\nclasses", LABEL)
        yield _class_table(figures.classes)
    yield Text("\nwork", LABEL)
    yield _work_table(plan, figures)
    yield from _lines(plan, figures)
    if len(figures.steps) > 1:
        yield Text("\nsteps", LABEL)
        yield _step_table(plan, figures)
        yield Text(_day_plot(figures))
    if figures.bought:
        yield Text("\nbought", LABEL)
        yield _offer_table(figures)
    if figures.changes is not None:
        yield Text("\nfrom today's plan", LABEL)
        yield _change_table(figures.changes)
        yield Text(_change_words(plan, figures.changes))
    if figures.reduction is not None:
        yield Text(f"\n{_reduction_words(plan, figures.reduction, len(figures.classes))}")


def _table(*heads: tuple[str, str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for head, justify in heads:
        table.add_column(head, justify="left" if justify == "left" else "right", no_wrap=True)
    return table


def _class_table(classes: tuple[ClassPlan, ...]) -> Table:
    figures = ("in", "out", "share", "requests/s", "TTFT ms", "TPOT ms", "request ms")
    table = _table(("class", "left"), *((head, "right") for head in figures))
    for each in classes:
        rate = each.served_per_s if each.requests_per_s is None else each.requests_per_s
        latencies = (each.ttft_ms, each.tpot_ms, each.request_latency_ms)
        lengths = (f"{each.isl:,}", f"{each.osl:,}", share(each.share), number(rate))
        table.add_row(each.name, *lengths, *(f"{value:,.2f}" for value in latencies))
    return table


def _work_table(plan: Plan, figures: CapacityFigures) -> Table:
    """Who serves which class at what batch, and how much of the workers' time that takes."""
    waits = any(work.waiting_ms >= 0.005 for each in figures.classes for work in each.work)
    heads = [("workers", "left"), ("class", "left"), ("batch", "right")]
    heads += [("one serves/s", "right"), ("time of workers", "right")]
    table = _table(*heads, *([("wait ms", "right")] if waits else []))
    for number_of_pool, pool in enumerate(plan.pools):
        for each in figures.classes:
            for work in (work for work in each.work if work.pool == number_of_pool):
                busy = f"{work.workers:.2f} of {pool.workers:,}"
                row = (type_words(pool), each.name, f"{work.batch:,}", number(work.requests_per_s), busy)
                table.add_row(*row, *([f"{work.waiting_ms:,.2f}"] if waits else []))
    return table


def _lines(plan: Plan, figures: CapacityFigures) -> Iterator[RenderableType]:
    """Headroom and spares, a line each."""
    words = []
    if figures.peak > 1:
        words.append(f"peaks of {number(figures.peak)} times the load")
    if figures.utilisation is not None:
        words.append(f"workers busy {share(figures.utilisation)} at most, the waiting counted")
    if words:
        yield Text(f"headroom: {', '.join(words)}")
    if any(figures.spare_workers):
        spares = [
            f"{n} of {pool_words(pool)}" for n, pool in zip(figures.spare_workers, plan.pools, strict=True)
        ]
        yield Text(f"spare: the load holds with {' and '.join(spares)} lost")


def _step_table(plan: Plan, figures: CapacityFigures) -> Table:
    heads = [type_words(pool) for pool in plan.pools]
    figures_of_step = ("load/s", "possible/s", *heads, "GPUs", "started")
    table = _table(("from", "left"), *((head, "right") for head in figures_of_step))
    for step in figures.steps[:MOST_STEPS]:
        workers = [f"{n:,}" for n in step.workers]
        starts = sum(step.started)
        table.add_row(step.name, number(step.requests_per_s), number(step.capacity_per_s), *workers,
                      f"{step.gpus:,}", f"{starts:,}" if starts else "")  # fmt: skip
    return table


def _day_plot(figures: CapacityFigures) -> str:
    """Load and capacity over the hours."""
    hours, at = [], 0.0
    for step in figures.steps:
        hours.append(at)
        at += step.hours
    capacity = Series("#", "possible/s", hours, [step.capacity_per_s for step in figures.steps])
    load = Series("*", "load/s", hours, [step.requests_per_s for step in figures.steps])
    return plot([capacity, load], "", "hours", "requests/s")


def _offer_table(figures: CapacityFigures) -> Table:
    over_time = len(figures.steps) > 1
    table = _table(
        ("pool", "left"), ("offer", "left"), ("price", "right"), ("GPUs", "right"), ("of", "right")
    )
    for each in figures.bought:
        low, high = min(each.gpus), max(each.gpus)
        taken = f"{low:,}-{high:,}" if over_time and low != high else f"{high:,}"
        price = number(each.price_per_gpu_hour)
        table.add_row(each.pool, each.kind.replace("_", " "), price, taken, f"{each.available:,}")
    return table


def _change_table(changes: Changes) -> Table:
    table = _table(("workers", "left"), ("today", "right"), ("plan", "right"), ("change", "right"))
    for each in changes.types:
        change = each.workers - each.today
        table.add_row(
            each.words, f"{each.today:,}", f"{each.workers:,}", f"{change:+,}" if change else "kept"
        )
    return table


def _change_words(plan: Plan, changes: Changes) -> str:
    price = "avoided" if changes.change_cost is None else f"{number(changes.change_cost)} each"
    words = f"{changes.kept:,} workers kept, {changes.added:,} added, {changes.removed:,} removed ({price})."
    if changes.change_cost and plan.objective.value is not None:
        fee = changes.change_cost * (changes.added + changes.removed)
        alone = plan.objective.value + (fee if plan.objective.sense == "max" else -fee)
        words += f" Without what they cost: {value_words(plan.objective, alone)}."
    if changes.today is None:
        words += " Today's workers cannot serve this as they are."
    else:
        words += f" Today's workers as they are: {value_words(plan.objective, changes.today)}."
    if changes.free is not None and changes.free_changes is not None:
        free = value_words(plan.objective, changes.free)
        words += f" A free reshuffle: {free}, {changes.free_changes:,} changes."
    return words


def _reduction_words(plan: Plan, reduction: Reduction, classes: int) -> str:
    """What many requests became, and how much the number of classes matters to the plan."""
    what = f"{reduction.requests:,} requests" if reduction.requests else "the distribution"
    left_out = f" ({reduction.left_out:,} left out)" if reduction.left_out else ""
    values = [
        f"as {count} {'class' if count == '1' else 'classes'} "
        + ("no plan" if value is None else value_words(plan.objective, value))
        for count, value in reduction.values.items()
    ]
    error = share(reduction.work_error)
    return (
        f"reduction: {what}{left_out} as {classes} classes; tokens are kept, work that grows with the "
        f"square of lengths is within {error}. {'; '.join(values)}."
    )
