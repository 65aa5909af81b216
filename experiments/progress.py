"""Work that takes a while, told where a terminal shows standard error; nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int, int, str], None]
"""Told how many of how many are done, and what is worked at."""


@contextmanager
def progress(what: str = "", *, shown: bool = True) -> Iterator[Advance]:
    """A bar with the time that went by; it moves on its own until it is told of how many."""
    if not shown or not sys.stderr.isatty():
        yield lambda done, of, what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of, what: bar.update(task, completed=done, total=of, description=what)
