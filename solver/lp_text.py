"""The program as LP text, by our own writer: an engine's release cannot change a golden file."""

import numpy as np

from aicfg.solver.program import Program


def lp_text(program: Program) -> str:
    """``program`` in the LP format, numbers to 12 significant digits, a two-sided row as two."""
    columns = program.columns
    lower, upper = program.row_bounds
    sense = "max" if program.objective.maximize else "min"
    lines = [sense, " obj: " + _sum(columns.cost, np.arange(len(columns.names)), columns.names), "st"]
    starts, index, value = program.matrix
    for i, name in enumerate(program.row_names):
        entries = slice(starts[i], starts[i + 1])
        left = _sum(value[entries], index[entries], columns.names)
        for sign, bound in ((">=", lower[i]), ("<=", upper[i])):
            if np.isfinite(bound):
                lines.append(f" {name}: {left} {sign} {bound:.12g}")
    lines.append("bounds")
    for name, low, high in zip(columns.names, columns.lower, columns.upper, strict=True):
        lines.append(_bounds(name, low, high))
    integers = [name for name, each in zip(columns.names, columns.integer, strict=True) if each]
    return "\n".join([*lines, "gen", " " + " ".join(integers), "end", ""])


def _bounds(name: str, low: float, high: float) -> str:
    if np.isneginf(low):
        return f" {name} free"
    return f" {low:.12g} <= {name}" + (f" <= {high:.12g}" if np.isfinite(high) else "")


def _sum(coefficients: np.ndarray, index: np.ndarray, names: tuple[str, ...]) -> str:
    terms = [f"{c:+.12g} {names[j]}" for c, j in zip(coefficients, index, strict=True) if c]
    return " ".join(terms) or "0"
