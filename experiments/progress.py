"""Work that takes a while, told where a terminal shows standard error; nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[int, int, str], None]
"""Told how many of how many are done, and what is worked at."""


@contextmanager
def progress(what: str = "", *, after_s: float = 0.0, shown: bool = True) -> Iterator[Advance]:
    """A bar with the time that went by; it moves on its own until it is told of how many.

    Parameters
    ----------
    after_s
        Seconds until it is shown: what is done by then needs none.
    shown
        Whether there is anything to show. Within work that has a bar, that one is told instead.
    """
    global _active
    if _active is not None:
        yield _active.advance if shown else _nothing
        return
    if not shown or not sys.stderr.isatty():
        yield _nothing
        return
    _active = bar = _Bar(what)
    timer = Timer(after_s, bar.show)
    timer.daemon = True
    if after_s:
        timer.start()
    else:
        bar.show()
    try:
        yield bar.advance
    finally:
        _active = None
        timer.cancel()
        bar.end()


def _nothing(done: int, of: int, what: str) -> None:
    """Nobody watches."""


class _Bar:
    """A bar that may be shown later than it is told things."""

    def __init__(self, what: str) -> None:
        self._lock = Lock()
        self._ended = False
        self._shown: Progress | None = None
        self._done: int = 0
        self._of: int | None = None
        self._what = what

    def show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with self._lock:
            if self._ended:
                return
            self._shown = Progress(*columns, console=Console(stderr=True), transient=True)
            self._shown.add_task(self._what, total=self._of, completed=self._done)
            self._shown.start()

    def advance(self, done: int, of: int, what: str) -> None:
        with self._lock:
            self._done, self._of, self._what = done, of, what
            if self._shown is not None:
                (task,) = self._shown.task_ids
                self._shown.update(task, completed=done, total=of, description=what)

    def end(self) -> None:
        with self._lock:
            self._ended = True
            if self._shown is not None:
                self._shown.stop()


_active: _Bar | None = None
"""A terminal shows one bar at a time."""
