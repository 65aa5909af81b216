"""A small plot in plain text: several series, axes with figures, a legend."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 72, 18
_TICKS_X, _EVERY_Y = 5, 3


@dataclass(frozen=True)
class Series:
    """Points that share a mark; what comes later is drawn over what came before."""

    mark: str
    label: str
    x: Sequence[float]
    y: Sequence[float]


def plot(series: Sequence[Series], title: str, x_label: str, y_label: str) -> str:
    """The plot as lines of at most 80 columns; empty when there is nothing to show."""
    points = [(x, y) for each in series for x, y in zip(each.x, each.y, strict=True)]
    if not points:
        return ""
    right, top = _round_up(max(x for x, _ in points)), _round_up(max(y for _, y in points))
    cells = [[" "] * WIDTH for _ in range(HEIGHT + 1)]
    for each in series:
        for x, y in zip(each.x, each.y, strict=True):
            column, line = round(x / right * (WIDTH - 1)), round(y / top * HEIGHT)
            cells[HEIGHT - line][column] = each.mark
    _put_legend(cells, [f"{each.mark} {each.label}" for each in series])
    lines = [title.center(WIDTH + 10).rstrip()] if title else []
    lines.append(f"{'':7}+{'-' * WIDTH}+")
    for number, row in enumerate(cells):
        value = top * (HEIGHT - number) / HEIGHT
        head = f"{value:>7.{0 if top >= 100 else 1}f}+" if number % _EVERY_Y == 0 else f"{'':7}|"
        lines.append(f"{head}{''.join(row)}|")
    lines += [_axis(), _figures(right), f"{y_label}{x_label:>{max(WIDTH + 9 - len(y_label), 1)}}"]
    return "\n".join(line.rstrip() for line in lines)


def _round_up(value: float) -> float:
    """The next figure that reads well: 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8 or 10 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 10.0**-6
    while value > 10 * power:
        power *= 10
    return next(step * power for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= value)


def _put_legend(cells: list[list[str]], words: Sequence[str]) -> None:
    """In the upper right corner, which a frontier that falls leaves free; a point under it stays visible."""
    width = max(map(len, words))
    for line, text in zip(cells[1:], words, strict=False):
        for at, letter in enumerate(text.ljust(width), WIDTH - width - 1):
            if line[at] == " ":
                line[at] = letter


def _axis() -> str:
    marks = ["-"] * WIDTH
    for tick in range(_TICKS_X):
        marks[round(tick * (WIDTH - 1) / (_TICKS_X - 1))] = "+"
    return f"{'':7}+{''.join(marks)}+"


def _figures(right: float) -> str:
    line = [" "] * (WIDTH + 16)
    for tick in range(_TICKS_X):
        text = f"{right * tick / (_TICKS_X - 1):.{0 if right >= 10 else 2}f}"
        start = 8 + round(tick * (WIDTH - 1) / (_TICKS_X - 1)) - len(text) // 2
        line[start : start + len(text)] = text
    return "".join(line)
