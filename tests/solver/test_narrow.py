"""The lemma of slower points: no stage keeps what is left out."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import fleet, realistic

from aicfg.solver.narrow import worth_keeping
from aicfg.solver.points import Ask, Pool, Role
from aicfg.solver.prune import prune
from aicfg.solver.within import within


@pytest.mark.parametrize("seed", range(90))
def test_pruning_never_keeps_a_slower_point(seed):
    """Under every pair of latency bounds what is left out is not among the points that pruning keeps."""
    points, ask = fleet(seed)
    ask = replace(ask, objective="any")
    left_out = set(np.flatnonzero(~worth_keeping(points, ask)).tolist())
    for ttft in (None, *np.unique(points.ttft_ns).tolist()):
        for tpot in (None, *np.unique(points.tpot_ns).tolist()):
            asked = replace(ask, ttft_ns=ttft, tpot_ns=tpot)
            allowed = within(points, asked)
            assert not left_out & set(allowed[prune(points.take(allowed), asked)].tolist())


def test_most_of_a_curve_is_left_out_only_where_it_falls():
    """A rising curve stays whole, a wiggling one loses what a smaller batch beats; a comparison keeps all."""
    points = realistic(Role.DECODE, 4, 256)
    ask = Ask((Pool("a", 32, 8),), "disagg", 500, 499)
    assert 0.05 < worth_keeping(points, ask).mean() < 0.9
    assert worth_keeping(points, replace(ask, constraints=("decode.batch >= prefill.batch",))).all()
