"""Predictions as a table."""

import csv
from pathlib import Path

import pytest

from aicfg.experiments.predictions.prediction import BOUNDS, HEADER, Prediction, write_predictions
from aicfg.model_specs.errors import InputError


def test_every_prediction_is_a_line_of_every_column(tmp_path: Path) -> None:
    """Figures with six digits, intervals where there are any, and a reason instead of figures."""
    ends = tuple(float(number) for number in range(len(BOUNDS)))
    path = tmp_path / "out.csv"
    write_predictions(
        str(path),
        [
            Prediction("a", 123.45678, 10.0, 1e5, 11.0, ends, "estimated"),
            Prediction("b", 1.0, 2.0, 3.0, 4.0),
            Prediction("c", reason="no such model"),
        ],
    )
    with path.open(encoding="utf-8") as file:
        head, *lines = csv.reader(file)
    assert tuple(head) == HEADER
    assert lines == [
        ["a", "123.457", "10", "100000", "11", *(f"{end:g}" for end in ends), "estimated"],
        ["b", "1", "2", "3", "4", *[""] * len(BOUNDS), ""],
        ["c", *[""] * (4 + len(BOUNDS)), "no such model"],
    ]


def test_a_table_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """The file and why; nothing is left beside it."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match=r"--out .*taken: cannot be written"):
        write_predictions(str(tmp_path / "taken"), [])
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]
