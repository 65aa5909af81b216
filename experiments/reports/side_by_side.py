"""Tables that set plans side by side: boxless, aligned, plain ASCII where nobody watches."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import RenderableType
    from rich.table import Table

PLAIN_WIDTH = 1000
"""Of a line that is not for a terminal: a row is one line, for ``grep`` and ``cut``."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], wrapped: int = 1) -> "Table":
    """A table with these heads; a head that begins with ``>`` is of a column of figures, aligned right.

    The last ``wrapped`` columns go on in further lines where a line is too short.
    """
    from rich.table import Table

    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for number, head in enumerate(heads):
        figures = head.startswith(">")
        whole = number < len(heads) - wrapped
        made.add_column(head.removeprefix(">"), justify="right" if figures else "left", no_wrap=whole)
    for row in rows:
        made.add_row(*row)
    return made


def print_plain(what: "RenderableType", file: "TextIO", *, color: bool = True) -> None:
    """Print on a terminal over its whole width; on anything else in ASCII."""
    import io

    from rich.console import Console

    from aicfg.experiments.reports.parts import AS_WRITTEN

    if file.isatty():
        Console(file=file, no_color=not color, **AS_WRITTEN).print(what)
        return
    plain = Console(file=io.StringIO(), width=PLAIN_WIDTH, color_system=None, **AS_WRITTEN)
    with plain.capture() as captured:
        plain.print(what)
    for line in captured.get().replace("×", "x").splitlines():
        file.write(line.rstrip() + "\n")
