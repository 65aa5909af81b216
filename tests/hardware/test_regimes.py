"""Regimes of error bars: which workers' prices are all from measured tables."""

import pytest

from aicfg.hardware.curve import Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.intervals import Regime
from aicfg.hardware.modes import DataMode
from aicfg.hardware.profile import load_profile
from aicfg.hardware.regimes import regime_of
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.hardware.workload import Workload
from aicfg.model_specs.layout import Layout
from aicfg.model_specs.quantization import Quant
from aicfg.model_specs.resolve import load_architecture

WHOLE_EXPERTS, SPLIT_EXPERTS = Layout(2, moe_ep=2), Layout(2, moe_tp=2)
"""Of gpt-oss on H100 under TensorRT-LLM: the former were measured, the latter were not."""


@pytest.mark.parametrize(
    ("mode", "estimated"),
    [
        (DataMode.SILICON, [False, False]),
        (DataMode.HYBRID, [False, True]),
        (DataMode.EMPIRICAL, [True, True]),
        (DataMode.SOL, [True, True]),
    ],
)
@pytest.mark.parametrize("role", ["agg", "prefill", "decode"])
def test_what_counts_as_estimated(mode: DataMode, estimated: list[bool], role: Role) -> None:
    """Nothing in silicon, everything where no table is asked; between them, what tables do not have."""
    model = ServingModel(
        load_architecture("openai/gpt-oss-120b"),
        Quant(moe="w4a16_mxfp4"),
        Workload(1000, 200),
        load_system("h100_sxm"),
        open_tables("h100_sxm", "trtllm"),
        load_profile("aicfg"),
        mode,
    )
    found = [regime_of(model, role, layout) for layout in (WHOLE_EXPERTS, SPLIT_EXPERTS)]
    kind = "agg" if role == "agg" else "disagg"
    assert found == [Regime(kind, "trtllm", each) for each in estimated]
