"""Pictures of sweeps: axes named with units, infeasible points visible."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from aicfg.experiments.around.sweep import swept
from aicfg.experiments.ask.variants import axis, the_experiment
from aicfg.experiments.reports import sweep_picture
from aicfg.experiments.reports.sweep_picture import check_picture, draw
from aicfg.model_specs.errors import InputError


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved."""
    figures: list[Figure] = []
    true = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (figures.append(self), true(self, *a, **k))[1]
    )
    return figures


def test_a_line(small: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    """One key: a curve through every feasible point, the modes in the legend, infeasible values marked."""
    draw(swept(the_experiment(small), [axis("tpot=2,10,20,40")]), tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == "TPOT bound (ms)"
    assert axes.get_ylabel() == "best throughput (output tokens/s)"
    legend = axes.get_legend()
    assert legend is not None
    assert "infeasible" in [text.get_text() for text in legend.get_texts()]


def test_a_map(small: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    """Two keys: a cell a point with its figure, ticks with the values, a colour bar with its unit."""
    draw(swept(the_experiment(small), [axis("tpot=2,20,40"), axis("gpus=8,4")]), tmp_path / "a.png")
    axes, bar = drawn[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("GPUs of the fleet", "TPOT bound (ms)")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["4", "8"]
    assert bar.get_ylabel() == "best throughput (output tokens/s)"
    assert [text.get_text() for text in axes.texts].count("-") == 2
    assert len(axes.texts) == 6


@pytest.mark.parametrize("texts", [("tpot=1,2",), ("tpot=1,2", "gpus=4,8")])
@pytest.mark.filterwarnings("error")
def test_nothing_feasible_is_drawn_too(small: Path, tmp_path: Path, texts: tuple[str, ...]) -> None:
    """Without any plan there is still a picture, and no warning."""
    draw(swept(the_experiment(small), [axis(text) for text in texts]), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_what_cannot_be_drawn() -> None:
    """Three keys have no picture."""
    with pytest.raises(InputError, match="3 keys are swept"):
        check_picture("x.png", [axis("tpot=1"), axis("ttft=1"), axis("gpus=1")])
    assert sweep_picture.label("serving.search.decode.max_batch") == "serving.search.decode.max_batch"
