"""What the solver takes for granted is checked."""

from dataclasses import replace

import numpy as np
import pytest
from instances import DISAGG, PAIR

from aicfg.solver.check import check_input
from aicfg.solver.points import Pool


@pytest.mark.parametrize(
    ("change", "message"),
    (
        ({"batch": np.ones(3, np.int64)}, r"points\.batch: int64 of length 4"),
        ({"ttft_ns": np.ones(4)}, r"points\.ttft_ns: int64"),
        ({"gpus": np.zeros(4, np.int64)}, r"points\.gpus must be at least 1"),
        ({"pool": np.ones(4, np.int64)}, "index into the pools"),
        ({"request_rate": np.full(4, 2**58)}, r"points\.request_rate: .* too large"),
        ({"tpot_ns": np.full(4, 2**60)}, r"points\.tpot_ns: .* too large"),
    ),
)
def test_points(change, message):
    """Each defect names the field."""
    with pytest.raises(ValueError, match=message):
        check_input(replace(PAIR, **change), DISAGG)


def test_ask():
    """Factors of a request are positive; a huge budget is caught before a product overflows."""
    with pytest.raises(ValueError, match="tokens_per_request"):
        check_input(PAIR, replace(DISAGG, tokens_per_request=0))
    with pytest.raises(ValueError, match="too large"):
        check_input(PAIR, replace(DISAGG, pools=(Pool("a", 10**30, 8),)))
