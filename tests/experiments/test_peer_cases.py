"""On the dense cases that the peer answered, aicfg serves at least as much under the same profile."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from peer_cases import Comparison, cases, compare

DENSE_MODELS = ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B-FP8", "meta-llama/Meta-Llama-3.1-70B")
DENSE = [row for row in cases() if row["model"] in DENSE_MODELS]


@pytest.mark.parametrize("mode", ["agg", "disagg"])
@pytest.mark.parametrize("row", DENSE, ids=lambda row: row["case"])
def test_at_least_the_peers_answer(row: dict[str, str], mode: str) -> None:
    """No less tokens/s over the GPU budget; strictly more where the peer skips our batch."""
    found: Comparison = compare(row, mode)
    assert found.ours.status == "optimal"
    assert found.at_least
    if found.skipped_batch:
        assert found.gain > 0.0


def test_there_are_dense_cases() -> None:
    """The selection is not empty."""
    assert len(DENSE) == 4
