"""On every case that the peer answered, aicfg serves at least as much under the same profile."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from peer_cases import Comparison, cases, compare, free


@pytest.mark.parametrize("mode", ["agg", "disagg"])
@pytest.mark.parametrize("row", cases(), ids=lambda row: row["case"])
def test_at_least_the_peers_answer(row: dict[str, str], mode: str) -> None:
    """No less tokens/s over the GPU budget; strictly more where the peer skips our batch."""
    found: Comparison = compare(row, mode)
    assert found.ours.status == "optimal"
    assert found.at_least
    if found.skipped_batch:
        assert found.gain > 0.0


@pytest.mark.parametrize("row", cases()[::2], ids=lambda row: row["case"])
def test_freedom_never_hurts(row: dict[str, str]) -> None:
    """Mixed serving, any types and any chunk budget serve at least the plain optimum."""
    found = free(row)
    assert found.free.status == "optimal"
    assert found.free.certificate.gap == 0.0
    assert found.free.certificate.recomputed == pytest.approx(found.free.tokens_per_s, rel=1e-6)
    assert found.gain >= -1e-9


def test_the_cases_cover_dense_and_mixture_models() -> None:
    """Eight cases, four of them of models with experts."""
    assert len(cases()) == 8
    assert sum("Qwen3-32B" not in row["model"] and "Llama" not in row["model"] for row in cases()) == 4
