"""Loads over time: how profiles are read, and what is said of faults."""

import pytest

from aicfg.experiments.capacity.day import read_profile
from aicfg.model_specs.errors import InputError


def test_steps_end_where_the_next_begin(tmp_path):
    """Times as HH:MM, hours or dates; the last step is as long as the one before it."""
    bodies = ("00:00,5\n06:30,9\n12:00,7\n", "0,5\n6.5,9\n12,7\n",
              "2024-01-01T00:00,5\n2024-01-01T06:30,9\n2024-01-01 12:00:00,7\n")  # fmt: skip
    for body in bodies:
        path = tmp_path / "day.csv"
        path.write_text(f"time,requests_per_s\n{body}")
        steps = read_profile(path, ["all"])
        assert [step.hours for step in steps] == pytest.approx([6.5, 5.5, 5.5])
        assert [step.requests_per_s for step in steps] == [(5.0,), (9.0,), (7.0,)]


def test_rates_of_classes_are_found_by_name(tmp_path):
    """One column a class, in any order."""
    path = tmp_path / "day.csv"
    path.write_text("time,batch,chat\n0,1,10\n12,2,20\n")
    assert [s.requests_per_s for s in read_profile(path, ["chat", "batch"])] == [(10.0, 1.0), (20.0, 2.0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hour,requests_per_s\n0,1\n1,2\n", "day.csv:1: expected the columns time"),
        ("time,chta\n0,1\n1,2\n", "expected requests_per_s, or chat, batch"),
        ("time,requests_per_s\n0,1\n", "got 1 steps"),
        ("time,requests_per_s\n0,1\nnoon,2\n", "day.csv:3: got 'noon'"),
        ("time,requests_per_s\n5,1\n4,2\n", "day.csv:3: '4' is not after"),
        ("time,requests_per_s\n0,1\n1,many\n", "day.csv:3: got 'many'"),
        ("time,requests_per_s\n0,0\n1,0\n", "no step has any requests"),
    ],
)
def test_faults_are_one_line(tmp_path, text, words):
    """The file, the line, what was given and what would be accepted."""
    path = tmp_path / "day.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_profile(path, ["chat", "batch"])
    assert words in str(error.value) and "\n" not in str(error.value)
