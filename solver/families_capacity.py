"""Families of rows of capacity planning: time, spares, shares of classes, starts, offers, changes."""

import numpy as np

from aicfg.solver.families_serving import served_terms
from aicfg.solver.frame import MICRO, Frame
from aicfg.solver.frame_names import class_name
from aicfg.solver.rows import Rows, Term, family, make_rows


def _by_step(f: Frame) -> list[str]:
    return [f"{w}{f.step_name(t)}" for t in range(f.steps) for w in f.type_names]


@family(r"\sum_{p \in w} n_{pt} \le N_{wt} - s_w\, u_w", "worker type w, step t (with capacity)", "workers")
def time_share(f: Frame) -> Rows:
    """The workers of a type that are left when its spares are lost share their time between its points."""
    if not f.planned:
        return make_rows([], [])
    from aicfg.solver.capacity import spares  # most programs have none

    row, types = np.arange(len(f.counted)), len(f.types)
    lost = spares(f.base, f.ask)[f.type_first]
    terms: list[Term] = [
        (f.step * types + np.tile(f.type_of, f.steps), f.n, 1.0),
        (row, f.counted, -1.0),
        (row, np.tile(f.type_used, f.steps), np.tile(lost, f.steps)),
    ]
    return make_rows(_by_step(f), terms, upper=0.0)


@family(
    r"N_{wt} \le \lfloor G_j / g_w \rfloor\, u_w",
    "worker type w of pool j, step t (with capacity)",
    "workers",
)
def type_limit(f: Frame) -> Rows:
    """Only a type in use has workers, and no more of them than its pool has GPUs for."""
    if not f.planned:
        return make_rows([], [])
    row = np.arange(len(f.counted))
    used = np.tile(f.type_used, f.steps)
    return make_rows(_by_step(f), [(row, f.counted, 1.0), (row, used, -f.most_workers)], upper=0.0)


@family(r"u_w \le \sum_t N_{wt}", "worker type w (with capacity)", "workers")
def type_works(f: Frame) -> Rows:
    """A type in use has at least one worker at some step."""
    if not f.planned:
        return make_rows([], [])
    row = np.tile(np.arange(len(f.types)), f.steps)
    own = (np.arange(len(f.types)), f.type_used, -1.0)
    return make_rows(f.type_names, [(row, f.counted, 1.0), own], lower=0.0)


@family(
    r"\sum_g \lambda_{gk} + \sum_{p \in \mathrm{agg}, k} r_p\, n_p = \sigma_k\, \mathrm{requests}",
    "class k of requests (with capacity, objective tokens_per_s)",
    "requests/s",
)
def class_share(f: Frame) -> Rows:
    """What is served of each class is its share of all requests."""
    if not len(f.requests) or f.ask.capacity is None:
        return make_rows([], [])
    classes = f.ask.capacity.classes
    wanted = [(0, k) for k in range(len(classes))]
    share = np.array([-each.share / MICRO for each in classes])
    terms = [*served_terms(f, wanted), (np.arange(len(classes)), f.requests[0], share)]
    index = [class_name(f, k).removeprefix("_") or "all" for k in range(len(classes))]
    return make_rows(index, terms, lower=0.0, upper=0.0)


@family(
    r"N_{wt} - N_{w,t-1} \le \mathrm{started}_{wt}",
    "worker type w, step t (several steps; the last comes before the first)",
    "workers",
)
def startup(f: Frame) -> Rows:
    """Workers that a step has more than the one before are started."""
    if not len(f.blocks["started"]):
        return make_rows([], [])
    row = np.arange(len(f.counted))
    before = np.roll(f.counted, len(f.types))
    terms = [(row, f.counted, 1.0), (row, before, -1.0), (row, f.blocks["started"], -1.0)]
    return make_rows(_by_step(f), terms, upper=0.0)


@family(
    r"\sum_{w \in j} g_w N_{wt} \le \sum_{o \in j} b_{ot} \quad (\mathrm{committed}: b_{ot} = b_o)",
    "pool j with offers, step t",
    "GPUs",
)
def purchase(f: Frame) -> Rows:
    """The GPUs that a pool's workers take are bought from its offers."""
    if not f.offered:
        return make_rows([], [])
    pools = len(f.ask.pools)
    sites = sorted({t * pools + j for j, *_ in f.offered for t in range(f.steps)})
    held = np.flatnonzero(np.isin(f.count_site, sites))
    own = np.searchsorted(sites, f.count_site[held])
    terms: list[Term] = [(own, f.counted[held], f.count_gpus[held])]
    assert f.ask.capacity is not None
    for column, (j, t, number) in zip(f.bought, f.offered, strict=True):
        everywhere = f.ask.capacity.offers[j][number].committed
        rows = np.searchsorted(sites, [each * pools + j for each in (range(f.steps) if everywhere else (t,))])
        terms.append((rows, column, -1.0))
    return make_rows([f.site_name(site) for site in sites], terms, upper=0.0)


@family(
    r"N_w - N^0_w = \mathrm{added}_w - \mathrm{removed}_w",
    "worker type w (where workers run today)",
    "workers",
)
def changed(f: Frame) -> Rows:
    """What a type has more or less than today is added or removed."""
    if f.ask.capacity is None or f.ask.capacity.current is None:
        return make_rows([], [])
    row = np.arange(len(f.types))
    today = np.array([f.ask.capacity.current.get(int(w), 0) for w in f.types], np.float64)
    terms = [(row, f.counted, 1.0), (row, f.added, -1.0), (row, f.removed, 1.0)]
    return make_rows(f.type_names, terms, lower=today, upper=today)
