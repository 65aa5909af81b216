"""The objective evaluated again from a plan's pools alone: no program, no points, no curve of the search."""

from collections import defaultdict

import numpy as np

from aicfg.experiments.plan import PoolPlan
from aicfg.experiments.prepare import prepare
from aicfg.experiments.schema import Experiment
from aicfg.model_specs.layout import Layout


def recomputed_tokens_per_s(experiment: Experiment, pools: tuple[PoolPlan, ...]) -> float:
    """Output tokens/s of the pools, each worker priced afresh at its one operating point.

    Aggregated workers add up; prefill and decode workers serve the lower of their two rates of requests, each
    with ``osl`` tokens.
    """
    model = prepare(experiment).model
    tokens_per_s, requests_per_s = 0.0, defaultdict[str, float](float)
    for pool in pools:
        layout = Layout(pool.tp, pool.pp, pool.dp, pool.cp, pool.moe_tp, pool.moe_ep)
        chunks = None if pool.chunk_tokens is None else np.array([pool.chunk_tokens])
        curve = model.curve(pool.role, layout, np.array([pool.batch]), chunks)
        if pool.role == "agg":
            tokens_per_s += pool.workers * float(curve.tokens_per_s[0])
        else:
            requests_per_s[pool.role] += pool.workers * curve.efficiency * float(curve.requests_per_s[0])
    if requests_per_s:
        tokens_per_s += experiment.workload.osl * min(requests_per_s["prefill"], requests_per_s["decode"])
    return tokens_per_s
