"""What choosing among equal scores takes longer than among real ones."""

import numpy as np
import pytest

from aicfg.hardware.equal_scores import Choice, of_decoding, overstated_ms
from aicfg.hardware.load import Decoding
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.profile import load_profile
from aicfg.hardware.sparse_latent import EQUAL_SCORES
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import open_tables
from aicfg.model_specs.quantization import Quant

V4 = Choice("dsv4_csa_topk_calib", ("v1_flat",), ("v1_top_last",), 64)
CHOICES = pytest.mark.parametrize("choice", [V4, EQUAL_SCORES], ids=["v4", "dsa"])
ONE = np.ones(1)


def over(
    choice: Choice, length: float, prefix: float = 0.0, batch: float = 1.0, backend: str = "sglang"
) -> float:
    """One load on an H200."""
    tables = open_tables("h200_sxm", backend)
    pricing = Pricing(load_system("h200_sxm"), tables, Quant(), load_profile("aicfg"), DataMode.SILICON)
    return float(overstated_ms(pricing, choice, prefix * ONE, length * ONE, ONE)[0])


@CHOICES
def test_nothing_is_chosen_among_few(choice: Choice) -> None:
    """2,048 tokens have as many entries, or tokens, as are taken; from there on it grows with them."""
    assert 0.0 == over(choice, 2048) < over(choice, 4096) < over(choice, 8192)
    assert over(choice, 1024, 8192) > 0.0


@CHOICES
def test_what_lies_between_measured_loads_is_linear_and_held_beyond(choice: Choice) -> None:
    """Along the cached tokens, at measured new tokens and batch."""
    low, middle, high = (over(choice, 1024, prefix) for prefix in (16384, 24576, 32768))
    assert middle == pytest.approx((low + high) / 2)
    assert over(choice, 1024, 10.0**7) == over(choice, 1024, 2.0 * 10**6)


def test_nothing_where_the_kernel_was_not_timed() -> None:
    """vLLM has a kernel of its own; nor do other numbers of heads have rows."""
    assert over(EQUAL_SCORES, 8192, backend="vllm") == 0.0
    assert over(Choice(V4.family, V4.flat, V4.real, 3), 8192) == 0.0


def test_decoding_averages_over_lengths() -> None:
    """One new token of each request over one less than its length."""
    decoding = Decoding(np.array([2.0, 5.0]), np.array([11.0, 21.0]), np.array([0.25, 0.75]))
    found = of_decoding(lambda prefix, length, batch: prefix * length * batch, decoding)
    np.testing.assert_allclose(found, [2 * (0.25 * 10 + 0.75 * 20), 5 * (0.25 * 10 + 0.75 * 20)])
