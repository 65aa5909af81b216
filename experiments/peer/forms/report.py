"""The report on the terminal, in the blocks that AIConfigurator's users know."""

from collections.abc import Iterator

from aicfg.experiments.peer.answers.comparison import Comparison, Series
from aicfg.experiments.peer.answers.deployments import Deployment, Pool
from aicfg.experiments.peer.answers.outcome import Solved
from aicfg.experiments.peer.forms.tables import ruled
from aicfg.experiments.plans.words import exact, number
from aicfg.experiments.reports.textplot import Series as Plotted
from aicfg.experiments.reports.textplot import plot
from aicfg.model_specs.layout import Layout

WIDTH = 80
_RULE = "  " + "-" * (WIDTH - 4)
MARKS = {"agg": "*", "disagg": "f"}
_OTHER_MARKS = "*fo+#%@=~^"
MOST_SERIES = 10

_LEGEND = """\
  Deployment Details:
    (p) prefill, (d) decode, bs batch size of an attention-DP rank; a replica is
    the smallest unit xPyD of the plan that can be repeated
    total gpus used = replicas * gpus/replica
    gpus/replica    = (p)gpus/worker * (p)workers + (d)gpus/worker * (d)workers
                      (agg: gpus/worker)
    gpus/worker     = tp * pp * dp = etp * ep * pp (dense: tp * pp)"""


def report(comparison: Comparison, *, inclusive_tpot: bool = False) -> str:
    """The whole report as text."""
    return "\n".join(_blocks(comparison, inclusive_tpot)) + "\n"


def _blocks(comparison: Comparison, inclusive: bool) -> Iterator[str]:
    yield from ("*" * WIDTH, f"*{'aicfg results':^{WIDTH - 2}}*", "*" * WIDTH)
    yield from ("  Input Configuration & SLA Target:", *_inputs(comparison), _RULE)
    chosen = comparison.chosen
    if chosen is not None and chosen.best is not None:
        yield from ("  Overall Best Configuration:", *_best(chosen.best, inclusive), _RULE)
    if drawing := frontier_text(comparison):
        yield from ("  Pareto Frontier:", drawing, _RULE)
    if chosen is not None:
        yield _LEGEND
    for series in comparison.series:
        yield from ("", *_table(comparison, series, inclusive))
    yield from _remarks(comparison)
    yield "*" * WIDTH


def _inputs(comparison: Comparison) -> Iterator[str]:
    first = next(iter(comparison.solved), None)
    if first is None:
        return
    moe = first.case.model.architecture.moe is not None
    models = dict.fromkeys(each.case.experiment.model for each in comparison.solved)
    yield f"    Model: {', '.join(models)} (is_moe: {moe})"
    gpus = dict.fromkeys(f"{each.gpus} x {each.system}" for each in comparison.solved)
    yield f"    Total GPUs: {', '.join(gpus)}"
    for words in dict.fromkeys(_target(each) for each in comparison.solved):
        yield f"    SLA: {words}"
    if comparison.load is not None:
        yield f"    Load: {comparison.load.words}"
        for series in comparison.series:
            best = series.best
            needed = "no number serves it" if best is None else f"{best.gpus} (used {best.plan.gpus_used})"
            yield f"    {series.name} GPUs needed: {needed}"
    for each in comparison.solved:
        if each.violated:
            yield f"    NOT WITHIN THE AGREEMENT: {each.request.name} shows the nearest plan, {each.violated}"
    yield f"    {_verdict(comparison)}"


def _target(solved: Solved) -> str:
    request, parts = solved.request, []
    for key in ("ttft", "tpot", "request_latency"):
        bound = request.bound(key)
        if key == "tpot" and request.bound("request_latency") is not None:
            continue
        if bound is not None:
            parts.append(f"{key} <= {exact(bound)} ms" + ("" if key in request.values else " (default)"))
        elif key != "request_latency":
            parts.append(f"{key} without bound")
    met = "met" if solved.top and not solved.violated else "NOT met"
    return f"{', '.join(parts)}; isl {request.get('isl')}, osl {request.get('osl')}: {met}"


def _verdict(comparison: Comparison) -> str:
    chosen = comparison.chosen
    if chosen is None or chosen.best is None:
        return "Best Experiment Chosen: none, no plan exists within these constraints"
    rate = chosen.best.best_rate
    return f"Best Experiment Chosen: {chosen.name} at {rate:,.2f} tokens/s/gpu{_beside(comparison, rate)}"


def _beside(comparison: Comparison, rate: float) -> str:
    others = [each for each in comparison.series if each is not comparison.chosen]
    if len(others) != 1:
        return ""
    (other,) = others
    if other.best is None:
        return f" ({other.name}: no plan)"
    gain = 100.0 * (rate / other.best.best_rate - 1.0)
    return f" ({gain:.1f} % over {other.name})"


def tpot_of(each: Deployment, inclusive: bool) -> float:
    """Time per output token; ``inclusive`` spreads the first token's over all of them."""
    return each.request_latency_ms / each.osl if inclusive else each.tpot_ms


def _best(solved: Solved, inclusive: bool) -> Iterator[str]:
    each = solved.top[0]
    total = each.tokens_per_s * each.replicas
    tpot = tpot_of(each, inclusive)
    yield f"    - Best Throughput: {total:,.2f} tokens/s"
    yield f"    - Per-GPU Throughput: {solved.best_rate:,.2f} tokens/s/gpu"
    yield f"    - Per-User Throughput: {1000.0 / tpot:,.2f} tokens/s/user"
    yield f"    - Request Rate: {each.requests_per_s * each.replicas:,.2f} req/s"
    yield f"    - TTFT: {each.ttft_ms:.2f}ms"
    yield f"    - TPOT: {tpot:.2f}ms{' (with the first token spread over all)' if inclusive else ''}"
    yield f"    - Request Latency: {each.request_latency_ms:.2f}ms"
    yield f"    - Proof: {_proof(solved)}"


def _proof(solved: Solved) -> str:
    proof = solved.plan.certificate
    if proof.bound is None or proof.gap is None:
        return "stopped before there was a bound"
    optimal = solved.plan.status == "optimal"
    words = "proven optimal" if optimal else f"up to {proof.gap:.2%} better may exist"
    bound = f"bound {number(proof.bound)} tokens/s"
    return f"{words}; {bound}, {proof.points:,} points in {proof.total_ms:.0f} ms"


def frontier_text(comparison: Comparison) -> str:
    """The frontiers of all series as a text plot; empty above ``MOST_SERIES``."""
    if not 1 <= len(comparison.series) <= MOST_SERIES:
        return ""
    by_request, drawn = comparison.by_request, []
    for at, series in enumerate(comparison.series):
        found = series.frontier(by_request=by_request)
        drawn.append(
            Plotted(
                MARKS.get(series.name, _OTHER_MARKS[at]),
                series.name,
                [speed(each, by_request=by_request) for _, each in found],
                [solved.cluster_rate(each) for solved, each in found],
            )
        )
    chosen = comparison.chosen
    if chosen is not None and chosen.best is not None:
        best = chosen.best
        at_x = speed(best.top[0], by_request=by_request)
        drawn.append(Plotted("x", f"{chosen.name} selected", [at_x], [best.best_rate]))
    x = "request_latency (ms)" if by_request else "tokens/s/user"
    return plot(drawn, f"tokens/s/gpu_cluster over {x}", x, "tokens/s/gpu_cluster")


def speed(each: Deployment, *, by_request: bool) -> float:
    """The x of a plot: tokens/s of one user, or ms of a whole request."""
    return each.request_latency_ms if by_request else 1000.0 / each.tpot_ms


def _table(comparison: Comparison, series: Series, inclusive: bool) -> Iterator[str]:
    ranked = series.ranked(comparison.top_n)
    if not ranked:
        yield f"{series.name}: no plan exists (proven)."
        for each in series.members:
            if each.plan.explanation is not None:
                prefix = f"{each.plan.inputs['serving']['backend']}: " if len(series.members) > 1 else ""
                yield f"  {prefix}{each.plan.explanation.text}"
        return
    yield f"{series.name} Top Configurations: (Ranked by tokens/s/gpu)"
    cells = [_cells(rank, solved, each, inclusive) for rank, (solved, each) in enumerate(ranked, 1)]
    yield ruled(list(cells[0]), [list(row.values()) for row in cells])


def _cells(rank: int, solved: Solved, each: Deployment, inclusive: bool) -> dict[str, str]:
    used = each.gpus * each.replicas
    row = {
        "Rank": str(rank),
        "backend": each.pools[-1].model.tables.backend,
        "tokens/s\n/gpu": f"{solved.cluster_rate(each):.2f}",
        "tokens/s\n/user": f"{1000.0 / tpot_of(each, inclusive):.2f}",
        "req/s": f"{each.requests_per_s * each.replicas:.2f}",
        "TTFT": f"{each.ttft_ms:.2f}",
        "request\n_latency": f"{each.request_latency_ms:.2f}",
        "concurrency": f"{each.concurrency * each.replicas} (={each.concurrency}x{each.replicas})",
        "total_gpus\n(used)": f"{solved.gpus} ({used}={each.replicas}x{each.gpus})",
        "replicas": str(each.replicas),
        "gpus\n/replica": _unit(each),
    }
    if len(each.pools) == 1:
        return row | _worker(each.pools[0], "")
    for role, pool in zip(("(p)", "(d)"), each.pools, strict=True):
        row |= {f"{role}\nworkers": str(pool.workers)} | _worker(pool, f"{role}\n")
    return row


def _unit(each: Deployment) -> str:
    if len(each.pools) == 1:
        return str(each.gpus)
    return f"{each.gpus} (={'+'.join(f'{pool.workers}x{pool.curve.layout.gpus}' for pool in each.pools)})"


def _worker(pool: Pool, prefix: str) -> dict[str, str]:
    layout = pool.curve.layout
    return {
        f"{prefix}gpus/worker": f"{layout.gpus} (={_product(layout)})",
        f"{prefix}parallel": short_parallel(layout),
        f"{prefix}bs": str(pool.batch),
    }


def _product(layout: Layout) -> str:
    spread = layout.dp * layout.cp * layout.moe_tp * layout.moe_ep > 1
    return f"{layout.tp}x{layout.pp}" + (f"x{layout.dp * layout.cp}" if spread else "")


def short_parallel(layout: Layout) -> str:
    """``tp4pp1``; with experts or attention data parallelism ``tp4pp1dp1etp1ep4``."""
    text = f"tp{layout.tp}pp{layout.pp}"
    if layout.dp * layout.cp * layout.moe_tp * layout.moe_ep > 1:
        text += f"dp{layout.dp}etp{layout.moe_tp}ep{layout.moe_ep}"
    return text + (f"cp{layout.cp}" if layout.cp > 1 else "")


def _remarks(comparison: Comparison) -> Iterator[str]:
    notes = dict.fromkeys(note for each in comparison.solved for note in each.translation.notes)
    if notes:
        yield ""
    for note in notes:
        yield f"Note: {note}"
    if comparison.failed:
        yield "\nNot solved:"
    for failure in comparison.failed:
        yield f"  {failure.request.name}: {failure.reason}"
