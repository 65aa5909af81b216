"""Fixtures of the tests of AIConfigurator's commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aicfg.experiments.cli import main

ROOT = Path(__file__).parents[3]
MISSION = ROOT / "examples" / "mission"

BASE = (
    *("default", "--model-path", "Qwen/Qwen3-32B-FP8", "--system", "h100_sxm", "--total-gpus", "8"),
    *("--backend", "vllm", "--isl", "2000", "--osl", "200"),
)
"""A call that is answered in a fraction of a second."""

Plans = list[dict[str, Any]]

_ANSWERS: dict[tuple[object, ...], Plans] = {}
"""Plans of calls that were made before: the same call has the same answer."""


@pytest.fixture
def plans(capsys: pytest.CaptureFixture[str]) -> Callable[..., Plans]:
    """The plans of a call, which must find some."""

    def of(*words: object) -> Plans:
        if words not in _ANSWERS:
            ended = main([*map(str, words), "--json"])
            printed = capsys.readouterr()
            assert ended == 0, printed.err
            _ANSWERS[words] = list(json.loads(printed.out))
        return _ANSWERS[words]

    return of


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The report of a call, which must end with ``code``."""

    def of(*words: object, code: int = 0) -> str:
        ended = main([*map(str, words)])
        printed = capsys.readouterr()
        assert ended == code, printed.err
        return printed.out

    return of


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The message of a call that ends with 2: it is all that is printed, and no traceback."""

    def of(*words: object) -> str:
        ended = main([*map(str, words)])
        printed = capsys.readouterr()
        assert (ended, printed.out) == (2, ""), printed
        assert "Traceback" not in printed.err
        return printed.err

    return of
