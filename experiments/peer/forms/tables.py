"""Plain-text tables with rules, their heads broken over lines so that wide ones stay readable."""

from collections.abc import Sequence


def ruled(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; a line break in a head starts its next line."""
    broken = [head.split("\n") for head in heads]
    height = max(map(len, broken))
    tops = [[""] * (height - len(head)) + head for head in broken]
    widths = [max(len(text) for text in (*top, *(row[at] for row in rows))) for at, top in enumerate(tops)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = [rule]
    lines += [_line([top[line] for top in tops], widths) for line in range(height)]
    lines.append(rule)
    lines += [_line(row, widths) for row in rows]
    lines.append(rule)
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "|" + "|".join(f" {cell:^{width}} " for cell, width in zip(cells, widths, strict=True)) + "|"
