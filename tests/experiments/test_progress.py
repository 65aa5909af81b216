"""The bar: only where a terminal watches, and only of work that takes a while."""

import io
import sys
import time

import pytest

from aicfg.experiments.progress import progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error on a terminal, from here to the end of the test."""
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_a_bar_says_what_and_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names what is worked at, and counts."""
    terminal = watched(monkeypatch)
    with progress("points") as advance:
        advance(3, 8, "points")
        time.sleep(0.25)
    assert "points" in terminal.getvalue()
    assert "3/8" in terminal.getvalue()


def test_quick_work_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done before the time is over leaves the terminal as it was, also later."""
    terminal = watched(monkeypatch)
    with progress("quick", after_s=0.2) as advance:
        advance(1, 2, "quick")
    time.sleep(0.3)
    assert terminal.getvalue() == ""


def test_slow_work_shows_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that comes later starts with what it was told before."""
    terminal = watched(monkeypatch)
    with progress("slow", after_s=0.05) as advance:
        advance(5, 9, "slower")
        time.sleep(0.6)
    assert "slower" in terminal.getvalue()
    assert "5/9" in terminal.getvalue()


def test_a_pipe_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal nothing is written."""
    with progress("points") as advance:
        advance(1, 2, "points")
    assert capsys.readouterr().err == ""


def test_work_within_work_tells_the_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal shows one bar: what is inside of it is told there."""
    terminal = watched(monkeypatch)
    with progress("outer"), progress("inner") as advance:
        advance(2, 7, "inner part")
        time.sleep(0.25)
    assert "inner part" in terminal.getvalue()
    assert "2/7" in terminal.getvalue()
    with progress("hidden", shown=False) as advance:
        advance(1, 2, "hidden")
    assert "hidden" not in terminal.getvalue()
