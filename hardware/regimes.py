"""Which error bars hold for a worker: those of its mode and engine, and of what its prices rest on."""

from dataclasses import replace

import numpy as np

from aicfg.hardware.curve import Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.intervals import Mode, Regime
from aicfg.hardware.modes import DataMode
from aicfg.hardware.phases import decode_ms, prefill_ms
from aicfg.hardware.tables.store import MissingDataError
from aicfg.model_specs.layout import Layout


def regime_of(model: ServingModel, role: Role, layout: Layout) -> Regime:
    """The regime of a worker's latencies, at every batch alike."""
    mode: Mode = "agg" if role == "agg" else "disagg"
    return Regime(mode, model.tables.backend, _estimated(model, role, layout))


def _estimated(model: ServingModel, role: Role, layout: Layout) -> bool:
    """Whether an operation of the worker's steps has no measured table."""
    if model.mode is not DataMode.HYBRID:
        return model.mode is not DataMode.SILICON
    step = replace(model.step(role, layout), pricing=model.pricing.measured)
    one, rule = np.ones(1), model.profile.phases
    try:
        if role != "decode":
            prefill_ms(step, model.workload, one, rule)
        if role != "prefill":
            decode_ms(step, model.workload, one, rule, model.speculative)
    except MissingDataError:
        return True
    return False
