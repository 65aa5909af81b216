"""What reports are made of: where they are printed, tables of pools, latencies beside their bounds."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from aicfg.experiments.plans.plan import PoolPlan
from aicfg.experiments.plans.words import bar, formats_words, layout, lengths_words, number, share

if TYPE_CHECKING:
    from typing import TextIO

WIDTH = 96
COLOURS = {"prefill": "cyan", "decode": "magenta", "agg": "blue"}
LABEL = "bold"
AS_WRITTEN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
"""Texts are shown as they are: a constraint's ``[fp8]`` is a list, not a style."""


def print_on(what: RenderableType, file: "TextIO", *, color: bool = True, plain_width: int = WIDTH) -> None:
    """Print on a terminal, or as plain lines of at most ``plain_width`` columns on anything else."""
    if file.isatty():
        console = Console(file=file, no_color=not color, **AS_WRITTEN)
        console.width = min(console.width, WIDTH)
        console.print(what)
        return
    plain = Console(
        file=io.StringIO(), width=plain_width, color_system=None, force_terminal=False, **AS_WRITTEN
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
    lengths = f"{name}: {lengths_words(workload)}"
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
    """One line a pool; a batch is that of one attention rank and stage, with how many of these there are.

    Where that is too wide, memory is shown in figures alone, and closer to the rest.
    """
    heads, rows = _pool_lines(pools)
    longest = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    roomy = sum(longest) + 2 * (len(heads) - 1) <= WIDTH
    table = Table(box=None, padding=(0, 2 if roomy else 1, 0, 0), pad_edge=False, header_style="dim")
    for head in heads:
        left = head in ("role", "pool", "workers", heads[-1])
        table.add_column(head, justify="left" if left else "right", no_wrap=True)
    for pool, (role, *cells, memory) in zip(pools, rows, strict=True):
        table.add_row(Text(role, COLOURS[pool.role]), *cells, _memory(pool, memory, roomy))
    return table


def _pool_lines(pools: Sequence[PoolPlan]) -> tuple[list[str], list[list[str]]]:
    """Heads, and the cells of each pool; what no pool has is left out."""
    named, ranked, chunked = (
        any(pool.pool for pool in pools),
        any(pool.dp * pool.pp > 1 for pool in pools),
        any(pool.chunk_tokens is not None for pool in pools),
    )
    columns: dict[str, tuple[bool, Callable[[PoolPlan], str]]] = {
        "role": (True, lambda pool: pool.role),
        "pool": (named, lambda pool: pool.pool or ""),
        "workers": (True, lambda pool: f"{pool.workers:,} × {layout(pool)}"),
        "GPUs": (True, lambda pool: f"{pool.gpus:,}"),
        "batch": (not ranked, lambda pool: f"{pool.batch:,}"),
        "batch × ranks": (ranked, lambda pool: f"{pool.batch:,} × {pool.dp * pool.pp}"),
        "chunk": (chunked, lambda pool: f"{pool.chunk_tokens:,}" if pool.chunk_tokens else "-"),
        "step ms": (True, lambda pool: f"{pool.step_ms:.2f}"),
        "requests/s": (True, lambda pool: number(pool.workers * pool.requests_per_s)),
        "memory of a GPU": (True, _memory_words),
    }
    shown = {head: cell for head, (there, cell) in columns.items() if there}
    return list(shown), [[cell(pool) for cell in shown.values()] for pool in pools]


BAR = 8


def _memory_words(pool: PoolPlan) -> str:
    used, limit = pool.memory_gib.used, pool.memory_gib.limit
    return f"{bar(used / limit, BAR)} {used:.1f}/{limit:.1f} GiB"


def _memory(pool: PoolPlan, words: str, barred: bool) -> Text:
    full = pool.memory_gib.used >= 0.95 * pool.memory_gib.limit
    text = Text(words[:BAR] if barred else "", "yellow" if full else "green")
    text.append(words[BAR:] if barred else words[BAR + 1 :], "default")
    return text


def latency(value: float | None, bound: float | None, counts: float | None = None) -> Text:
    """A latency beside its bound, with the margin; ``counts`` is what the bound is on, if not the mean."""
    if value is None:
        return Text("-")
    shown = f"{value:,.2f} ms" if counts in (None, value) else f"{value:,.2f} ms, counts as {counts:,.2f}"
    if bound is None:
        return Text(f"{shown} (no bound)" if value else shown)
    value = value if counts is None else counts
    margin = (bound - value) / bound
    text = Text(bar(value / bound, 20), "green" if margin > 0.02 else "yellow")
    text.append(f" {shown} of {number(bound)} ms, {share(margin)} to spare", "default")
    return text
