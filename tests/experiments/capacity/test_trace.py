"""Recorded requests: the public formats read as they are, and every fault is one clear line."""

import numpy as np
import pytest

from aicfg.experiments.capacity.trace import read_trace
from aicfg.model_specs.errors import InputError

FORMATS = {
    "own.csv": "arrival,isl,osl,prefix\n5,100,20,0\n6.5,200,30,64\n9,300,40,0\n",
    "azure.csv": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.5000000,100,20\n"
        "2023-11-16 18:17:05.0000000,200,30\n2023-11-16 18:17:07.5000000,300,40\n"
    ),
    "burstgpt.csv": (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,100,20,120,API log\n"
        "6.5,GPT-4,200,30,230,API log\n9,GPT-4,300,40,340,API log\n"
    ),
    "mooncake.jsonl": (
        '{"timestamp": 5000, "input_length": 100, "output_length": 20, "hash_ids": [1]}\n'
        '{"timestamp": 6500, "input_length": 200, "output_length": 30, "hash_ids": [1, 2]}\n'
        '{"timestamp": 9000, "input_length": 300, "output_length": 40, "hash_ids": [3]}\n'
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_public_formats(tmp_path, name):
    """Lengths and times from the first arrival on, in seconds."""
    path = tmp_path / name
    path.write_text(FORMATS[name])
    trace = read_trace(path)
    assert trace.isl.tolist() == [100, 200, 300] and trace.osl.tolist() == [20, 30, 40]
    assert trace.arrival_s.tolist() == pytest.approx([0, 1.5, 4])
    assert trace.requests_per_s == pytest.approx(0.5) and trace.left_out == 0
    assert trace.prefix.tolist() == ([0, 64, 0] if name == "own.csv" else [0, 0, 0])


def test_failed_requests_are_left_out(tmp_path):
    """A row without tokens in, or with fewer than two out, is counted and left out."""
    path = tmp_path / "requests.csv"
    path.write_text("isl,osl\n100,20\n0,20\n50,0\n70,1\n300,40\n")
    trace = read_trace(path)
    assert (trace.isl.tolist(), trace.left_out) == ([100, 300], 3)
    assert trace.arrival_s is None and trace.requests_per_s is None and trace.arrival_cv2 == 1.0


def test_burstiness(tmp_path):
    """Even arrivals do not vary; Poisson arrivals have a squared coefficient of variation near 1."""
    even, poisson = np.arange(5000) / 7, np.cumsum(np.random.default_rng(1).exponential(1 / 7, 5000))
    found = []
    for name, times in (("even.csv", even), ("poisson.csv", poisson)):
        path = tmp_path / name
        path.write_text("arrival,isl,osl\n" + "".join(f"{t:.6f},10,10\n" for t in times))
        found.append(read_trace(path).arrival_cv2)
    assert found[0] < 1e-6 and found[1] == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column isl"),
        ("prompt,osl\n1,2\n", "no column isl (or input_length"),
        ("isl,osl\n", "no request"),
        ("isl,osl\nmany,2\n", "isl of request 1: got 'many'; expected a number"),
        ("isl,osl,arrival\n10,20,soon\n", "arrival of request 1: got 'soon'"),
    ],
)
def test_faults_are_one_line(tmp_path, text, words):
    """What is wrong is said with the file and what would be accepted."""
    path = tmp_path / "requests.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_trace(path)
    assert words in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_not_there(tmp_path):
    """A missing file, and lines that are not JSON."""
    with pytest.raises(InputError, match="cannot be read"):
        read_trace(tmp_path / "none.csv")
    path = tmp_path / "requests.jsonl"
    path.write_text('{"isl": 10, "osl": 20}\nno\n')
    with pytest.raises(InputError, match=r"requests.jsonl:2: not JSON"):
        read_trace(path)
