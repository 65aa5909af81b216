"""What reports are made of: where they are printed, tables of pools, latencies beside their bounds."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from aicfg.experiments.plan import PoolPlan
from aicfg.experiments.words import bar, formats_words, layout, number, share

if TYPE_CHECKING:
    from typing import TextIO

WIDTH = 96
COLOURS = {"prefill": "cyan", "decode": "magenta", "agg": "blue"}
LABEL = "bold"


def print_on(what: RenderableType, file: "TextIO", *, color: bool = True, plain_width: int = WIDTH) -> None:
    """Print on a terminal, or as plain lines of at most ``plain_width`` columns on anything else."""
    if file.isatty():
        console = Console(file=file, no_color=not color, highlight=False)
        console.width = min(console.width, WIDTH)
        console.print(what)
        return
    plain = Console(
        file=io.StringIO(), width=plain_width, color_system=None, force_terminal=False, highlight=False
    )
    with plain.capture() as captured:
        plain.print(what)
    file.writelines(line.rstrip() + "\n" for line in captured.get().splitlines())


def title(name: str, inputs: Mapping[str, Any], gpus: int) -> Text:
    """What was asked: model, GPUs, engine; lengths, number formats, drafts."""
    serving, workload = inputs["serving"], inputs["workload"]
    text = Text()
    text.append(f"{inputs['model']} on {_fleet(inputs['fleet'], gpus)}", "bold")
    engines = " or ".join(serving.get("backends") or (serving["backend"],))
    text.append(f" with {engines} {serving['version'] or ''}".rstrip(), "bold")
    prefix = f" ({workload['prefix']:,} cached)" if workload["prefix"] else ""
    lengths = f"{name}: {workload['isl']:,} tokens in{prefix}, {workload['osl']:,} out"
    formats = f"{formats_words(serving['quant'])}{_drafts(serving)}"
    between = "; " if len(lengths) + len(formats) + 2 <= WIDTH else "\n"
    text.append(f"\n{lengths}{between}{formats}", "dim")
    return text


def _fleet(fleet: Mapping[str, Any], gpus: int) -> str:
    pools = fleet.get("pools") or ({**fleet, "gpus": gpus},)
    return " + ".join(f"{pool['gpus']:,} × {pool['system']}" for pool in pools)


def _drafts(serving: Mapping[str, Any]) -> str:
    drafts = serving["speculative"]
    return f"; {drafts['nextn']} drafted a step, {drafts['accepted']:g} kept" if drafts["nextn"] else ""


def pool_table(pools: Sequence[PoolPlan]) -> Table:
    """One line a pool; a batch is that of one attention rank and stage, with how many of these there are."""
    ranked = any(pool.dp * pool.pp > 1 for pool in pools)
    batch = "batch × ranks" if ranked else "batch"
    named = any(pool.pool for pool in pools)
    left, right = (
        ("role", *(("pool",) if named else ()), "workers", "memory of a GPU"),
        ["GPUs", batch, "step ms", "requests/s"],
    )
    chunked = any(pool.chunk_tokens is not None for pool in pools)
    if chunked:
        right.insert(2, "chunk")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for head in (*left[:-1], *right, left[-1]):
        table.add_column(head, justify="left" if head in left else "right", no_wrap=True)
    for pool in pools:
        table.add_row(
            Text(pool.role, COLOURS[pool.role]),
            *((pool.pool or "",) if named else ()),
            f"{pool.workers:,} × {layout(pool)}",
            f"{pool.gpus:,}",
            f"{pool.batch:,} × {pool.dp * pool.pp}" if ranked else f"{pool.batch:,}",
            *([f"{pool.chunk_tokens:,}" if pool.chunk_tokens else "-"] if chunked else []),
            f"{pool.step_ms:.2f}",
            number(pool.workers * pool.requests_per_s),
            _memory(pool),
        )
    return table


def _memory(pool: PoolPlan) -> Text:
    used, limit = pool.memory_gib.used, pool.memory_gib.limit
    text = Text(bar(used / limit, 8), "green" if used < 0.95 * limit else "yellow")
    text.append(f" {used:.1f}/{limit:.1f} GiB", "default")
    return text


def latency(value: float | None, bound: float | None, counts: float | None = None) -> Text:
    """A latency beside its bound, with the margin; ``counts`` is what the bound is on, if not the mean."""
    if value is None:
        return Text("-")
    shown = f"{value:,.2f} ms" if counts is None else f"{value:,.2f} ms, counts as {counts:,.2f}"
    if bound is None:
        return Text(f"{shown} (no bound)" if value else shown)
    value = value if counts is None else counts
    margin = (bound - value) / bound
    text = Text(bar(value / bound, 20), "green" if margin > 0.02 else "yellow")
    text.append(f" {shown} of {number(bound)} ms, {share(margin)} to spare", "default")
    return text
