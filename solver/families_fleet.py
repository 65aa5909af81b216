"""Families of rows over pools: what the GPUs and the nodes can hold."""

import numpy as np

from aicfg.solver.frame import Frame
from aicfg.solver.rows import Rows, Term, family, make_rows


@family(r"\sum_{p \in P_j} g_p\, n_p \le G_j", "pool j", "GPUs")
def gpu_budget(f: Frame) -> Rows:
    """The workers of a pool take no more GPUs than the pool has."""
    sites, row = np.unique(f.count_site, return_inverse=True)
    budget = np.array([f.ask.pools[site % len(f.ask.pools)].gpus for site in sites], np.float64)
    index = [f.site_name(site) for site in sites]
    return make_rows(index, [(row, f.counted, f.count_gpus)], upper=budget)


@family(
    r"\sum_{p \in P_j,\ s \le g_p \le C} g_p\, n_p + \sum_{p \in P_j,\ g_p > C} "
    r"\lceil g_p / C \rceil\, s \lfloor C / s \rfloor\, n_p "
    r"\le s \lfloor C / s \rfloor N_j + s \lfloor R_j / s \rfloor,"
    r"\quad \sum_{p \in P_j,\ g_p > C} \lceil g_p / C \rceil\, n_p \le N_j",
    "pool j (nodes of C GPUs, N whole ones and a remainder of R), worker size s ≤ C; pool j",
    "GPUs; nodes",
)
def node_packing(f: Frame) -> Rows:
    """Workers lie within nodes or take whole ones, where sizes are no chain with the node."""
    index: list[str] = []
    terms: list[Term] = []
    most: list[int] = []
    for site, nodes in f.packed_sites:
        at = np.flatnonzero(f.count_site == site)
        gpus = f.count_gpus[at]
        whole = np.array([nodes.taken(int(size)) for size in gpus], np.int64)
        for size in nodes.binding_slots() if nodes.by_slots else []:
            within = np.where((whole == 0) & (gpus >= size), gpus, 0)
            terms.append((len(index), f.counted[at], within + whole * nodes.in_node(size)))
            index.append(f"{f.site_name(site)}_s{size}")
            most.append(nodes.slots(size))
        if nodes.by_slots and whole.any():
            terms.append((len(index), f.counted[at], whole))
            index.append(f"{f.site_name(site)}_whole")
            most.append(nodes.whole)
    return make_rows(index, terms, upper=np.array(most, np.float64))


@family(
    r"\sum_{p \in P_j,\ g_p = s} n_p \le \sum_k a_{sk}\, z_k, \quad "
    r"\sum_{k\ \mathrm{whole}} z_k + \sum_{p \in P_j,\ g_p > C} \lceil g_p / C \rceil\, n_p \le N_j, \quad "
    r"\sum_{k\ \mathrm{rest}} z_k \le 1",
    "pool j whose sizes up to C are no chain, worker size s; its whole nodes; its remainder node",
    "workers; nodes",
)
def node_pattern(f: Frame) -> Rows:
    """Every node is filled by one pattern k of worker sizes (a workers of size s), or by a larger worker."""
    index: list[str] = []
    terms: list[Term] = []
    most: list[int] = []
    for site, nodes in f.packed_sites:
        own = [i for i, (of_site, *_) in enumerate(f.patterns) if of_site == site]
        if not own:
            continue
        at = np.flatnonzero(f.count_site == site)
        gpus = f.count_gpus[at]
        for s, size in enumerate(nodes.small):
            counts = np.array([f.patterns[i][3][s] for i in own])
            terms.append((len(index), f.counted[at], (gpus == size) * 1.0))
            terms.append((len(index), f.pattern[own], -counts))
            index.append(f"{f.site_name(site)}_s{size}")
            most.append(0)
        whole = np.array([nodes.taken(int(size)) for size in gpus], np.float64)
        for kind, limit, taken in (("node", nodes.whole, whole), ("rest", 1, 0 * whole)):
            of_kind = f.pattern[[i for i in own if f.patterns[i][1] == kind]]
            terms += [(len(index), f.counted[at], taken), (len(index), of_kind, np.ones(len(of_kind)))]
            index.append(f"{f.site_name(site)}_{kind}")
            most.append(limit)
    return make_rows(index, terms, upper=np.array(most, np.float64))
