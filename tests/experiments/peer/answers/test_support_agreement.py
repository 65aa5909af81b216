"""Where the peer's matrix says yes, so do we: a sample; ``tests/bench/support_agreement.py`` has all."""

import csv
from pathlib import Path

import pytest

from aicfg.experiments.peer.answers.supporting import support
from aicfg.experiments.peer.requests.translate import Settings

CELLS = Path(__file__).parents[3] / "data" / "support_cells.csv"
"""Every n-th cell whose rows passed in AIConfigurator 0.12.0's matrix, aggregated and disaggregated."""


def _cells() -> list[dict[str, str]]:
    with CELLS.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("cell", _cells(), ids=lambda cell: "-".join(cell.values()).replace("/", "--"))
def test_yes_is_yes(cell: dict[str, str]) -> None:
    """Both ways of serving can be priced, on workers that hold the model."""
    found = support(
        cell["model"], cell["system"], cell["backend"], Settings("aiconfigurator-0.12"), near=False
    )
    assert tuple(found) == (True, True), found.reason
    assert len(found.layouts) == 3
