"""The small plot in plain text."""

from aicfg.experiments.reports.textplot import HEIGHT, Series, plot


def test_points_lie_where_their_figures_say() -> None:
    """The highest point is in the top line, the fastest at the right; every line fits 88 columns."""
    text = plot([Series("*", "some", [0.0, 100.0], [50.0, 0.0])], "title", "x", "y")
    lines = text.splitlines()
    assert lines[0].strip() == "title"
    assert lines[2].startswith("   50.0+*")
    assert lines[2 + HEIGHT].rstrip("|").endswith("*")
    assert "* some" in lines[3]
    assert max(map(len, lines)) <= 88


def test_without_points_there_is_no_plot() -> None:
    """Nothing to show is an empty text; without a title no line is spent on it."""
    assert plot([Series("*", "none", [], [])], "title", "x", "y") == ""
    assert plot([Series("*", "one", [1.0], [1.0])], "", "x", "y").startswith(" " * 7 + "+-")
