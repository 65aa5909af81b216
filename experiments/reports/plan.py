"""The report of a plan on a terminal or in a pipe: short, complete, readable without colour."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aicfg.experiments.around.explanation_words import bound_words, bounds_words
from aicfg.experiments.ask.fields import AUTO
from aicfg.experiments.plans.plan import Plan, PoolPlan
from aicfg.experiments.plans.words import (
    ENGINES,
    MODES,
    counted_words,
    formats_words,
    lost_words,
    number,
    plan_words,
    pool_words,
    share,
    sources_together,
    sources_words,
    value_words,
)
from aicfg.experiments.reports.parts import COLOURS, LABEL, latency, pool_table, print_on, title
from aicfg.experiments.reports.side_by_side import table

if TYPE_CHECKING:
    from typing import TextIO


_LATENCIES = (("TTFT", "ttft_ms"), ("TPOT", "tpot_ms"), ("request", "request_latency_ms"))


def print_report(plan: Plan, file: "TextIO", *, color: bool = True) -> None:
    """Print the report of ``plan``: narrow, and plain text where nobody watches."""
    print_on(report(plan), file, color=color)


def report_text(plan: Plan) -> str:
    """The report as plain text."""
    file = io.StringIO()
    print_report(plan, file)
    return file.getvalue()


def report(plan: Plan) -> RenderableType:
    """The report as something rich prints."""
    return Group(
        title(plan.experiment, plan.inputs, plan.gpus_budget),
        *(_chosen(plan) if plan.pools else _nothing(plan)),
        *_of_capacity(plan),
        *_around(plan),
    )


def _of_capacity(plan: Plan) -> Iterable[RenderableType]:
    if plan.capacity is None:
        return ()
    from aicfg.experiments.reports.capacity import capacity_report  # most plans say nothing of it

    return capacity_report(plan)


def _chosen(plan: Plan) -> Iterator[RenderableType]:
    yield Text()
    yield _headline(plan)
    yield pool_table(plan.pools)
    yield _facts(plan)


def _headline(plan: Plan) -> Text:
    text = Text()
    text.append(f"{MODES[plan.mode or 'agg'].capitalize()}", "bold green")
    text.append(f"  {value_words(plan.objective)}", "bold")
    if plan.objective.name != "tokens_per_s":
        text.append(f"  {number(plan.tokens_per_s)} tokens/s")
    text.append(f"  {number(plan.tokens_per_s_per_gpu)} per GPU")
    if plan.tokens_per_s_per_user is not None and plan.objective.name == "tokens_per_s":
        text.append(f"  {number(plan.tokens_per_s_per_user)} per user")
    if plan.status == "optimal":
        text.append("  ✓ proven optimal", "green")
    else:
        gap = plan.certificate.gap
        rest = "the engine has no bound yet" if gap is None else f"a plan up to {share(gap)} better may exist"
        text.append(f"\nnot proven: {rest}", "yellow")
    return text


def _facts(plan: Plan) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(style=LABEL, no_wrap=True)
    table.add_column()
    table.add_row()
    table.add_row("GPUs", _gpu_bar(plan))
    if "backends" in plan.inputs["serving"]:
        table.add_row("engine", _by_pool(plan.pools, [each.backend for each in plan.pools]))
    if formats := _chosen_formats(plan):
        table.add_row("formats", _by_pool(plan.pools, formats))
    if plan.cost_per_hour is not None:
        table.add_row("cost", f"{number(plan.cost_per_hour)} per hour")
    if (load := plan.inputs.get("load")) and plan.capacity is None:
        table.add_row("load", f"{number(load['requests_per_s'])} of {number(plan.requests_per_s)} requests/s")
    sla = plan.inputs["sla"]
    alike = plan.capacity is None or len(plan.capacity.classes) == 1
    for label, name in _LATENCIES if alike else ():
        counts = None if plan.counted is None else getattr(plan.counted, name)
        table.add_row(label, latency(getattr(plan, name), sla[name], counts))
    if plan.counted is not None:
        table.add_row("", f"bounds are on {counted_words(plan.counted)}")
    table.add_row("in flight", f"{plan.concurrency:,} requests")
    table.add_row()
    if _is_runner_up(plan):
        table.add_row("runner-up", _runner_up(plan.alternatives[0], plan))
    table.add_row("proof", _certificate(plan))
    table.add_row("rests on", _provenance(plan))
    if (sources := sources_together(plan.pools)) is not None:
        table.add_row("", f"time {sources_words(sources)}")
    for pool, why in plan.left_out.items():
        table.add_row("left out", f"{pool}: {why}")
    for constraint in plan.inputs.get("constraints", ()):
        table.add_row("holds", constraint)
    if remark := plan.provenance.model.partition("; ")[2]:
        table.add_row("model", remark)
    return table


def _chosen_formats(plan: Plan) -> list[str]:
    """Number formats of each pool, where there was a choice."""
    given = plan.inputs["serving"]["quant"]
    if not any(isinstance(each, list) or each == AUTO for each in given.values()):
        return []
    experts = {} if given["moe"] else {"moe": None}
    return [formats_words(asdict(pool.quant) | experts) for pool in plan.pools]


def _by_pool(pools: Sequence[PoolPlan], words: list[str]) -> str:
    """What was chosen for each pool, on a line of its own; once where it is the same for all."""
    if len(set(words)) == 1:
        return words[0]
    return "\n".join(f"{pool_words(pool)}: {each}" for pool, each in zip(pools, words, strict=True))


def _gpu_bar(plan: Plan) -> Text:
    """One cell a GPU, or a share of GPUs when there are many."""
    budget, cells = plan.gpus_budget, min(plan.gpus_budget, 32)
    text, filled, spent = Text(), 0, 0
    for pool in plan.pools:
        spent += pool.gpus
        upto = round(spent * cells / budget)
        text.append("■" * (upto - filled), COLOURS[pool.role])
        filled = upto
    text.append("·" * (cells - filled), "dim")
    parts = [f"{pool.gpus:,} {pool.role}" for pool in plan.pools]
    idle = budget - (plan.gpus_used or 0)
    text.append(" " + ", ".join([*parts, *([f"{idle:,} idle"] if idle else [])]))
    return text


def _around(plan: Plan) -> Iterator[RenderableType]:
    """What was asked for around the plan."""
    if plan.pareto or (plan.alternatives and not _is_runner_up(plan)):
        from aicfg.experiments.reports.around import alternatives_part, frontier_part

        yield from alternatives_part(plan) if not _is_runner_up(plan) else ()
        yield from frontier_part(plan)


def _is_runner_up(plan: Plan) -> bool:
    """Whether all that is shown beside the plan is the best one of another mode."""
    return len(plan.alternatives) == 1 and plan.alternatives[0].mode != plan.mode


def _runner_up(other: Plan, plan: Plan) -> str:
    assert other.gives_up is not None
    lost = lost_words(other.gives_up.share, plan.objective.sense)
    return f"{MODES[other.mode or 'agg']}, {lost}: {value_words(other.objective)} ({plan_words(other)})"


def _certificate(plan: Plan) -> str:
    proof = plan.certificate
    bound = "no bound" if proof.bound is None else f"bound {number(proof.bound)}"
    gap = "" if proof.gap is None else f", gap {share(proof.gap) if proof.gap else '0'}"
    also = "".join(f", checked by {ENGINES.get(name, name)}" for name in proof.checked_by)
    size = f"{proof.points:,} points, {proof.total_ms:.0f} ms"
    engine = ENGINES.get(proof.engine, proof.engine)
    return f"{engine} {bound}{gap}, recomputed {number(proof.recomputed)}{also}; {size}"


def _provenance(plan: Plan) -> str:
    used = plan.provenance.tables
    tables = ", ".join(f"{each.system} {each.backend} {each.version}" for each in used if each.version)
    mode = plan.inputs["serving"]["data_mode"]
    estimated = "" if mode == "silicon" else f"; data mode {mode}"
    return f"{f'tables {tables}' if tables else 'no tables'}; profile {plan.profile}{estimated}"


def _nothing(plan: Plan) -> Iterator[RenderableType]:
    yield Text()
    if plan.status == "unknown":
        yield Text("Stopped before a plan or a proof was found.", "bold yellow")
        return
    yield Text("No plan exists within these constraints (proven).", "bold red")
    explanation = plan.explanation
    if explanation is None:
        return
    yield Text(explanation.text)
    if any(each.plan for each in explanation.relaxations):
        yield Text("\nOne change that is enough by itself", LABEL)
        yield _relaxations(plan)
    if explanation.combined and len(explanation.combined) > 1:
        yield Text.assemble(("\nNearest change of several  ", LABEL), bounds_words(explanation.combined))
        if (plan_there := explanation.combined_plan) is not None and plan_there.pools:
            yield Text(f"{value_words(plan_there.objective)}, {plan_words(plan_there)}")
    for conflict in explanation.conflicts:
        if len(conflict) > 1:
            yield Text.assemble(("\nCannot hold together  ", LABEL), ", ".join(conflict))


def _relaxations(plan: Plan) -> Table:
    assert plan.explanation is not None
    rows = []
    for each in plan.explanation.relaxations:
        gives = "no change of it alone is enough"
        if each.plan is not None:
            gives = f"{value_words(each.plan.objective)}, {plan_words(each.plan)}"
        needed = "-" if each.needed is None else bound_words(each.needed)
        rows.append((each.constraint, bound_words(each.asked), needed, gives))
    return table(("constraint", ">asked", ">needed", "gives"), rows, wrapped=3)
