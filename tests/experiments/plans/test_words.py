"""Figures in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.experiments.plans.plan import Sources
from aicfg.experiments.plans.words import bar, exact, formats_words, number, share, sources_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (9246.9, "9,246.9"),
        (32, "32"),
        (9.7814, "9.781"),
        (26.131, "26.13"),
        (288.96, "289.0"),
        (0, "0"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    """A figure has about four digits, and a whole one no fraction."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(136.1, "136.1"), (5.823, "5.823"), (3041.4, "3,041.4"), (16, "16")]
)
def test_exact(value: float, text: str) -> None:
    """A bound keeps the digits that make it hold."""
    assert exact(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "25 %"), (0.022, "2.2 %"), (0.0004, "<0.1 %"), (0.0, "0 %"), (-0.5, "-50.0 %")]
)
def test_share(value: float, text: str) -> None:
    """A share is a percentage with the digits that it deserves."""
    assert share(value) == text


@given(st.floats(-1, 2), st.integers(1, 40))
def test_bar_has_its_width(filled: float, cells: int) -> None:
    """A bar has as many characters as cells, whatever fills it, and is full only when it rounds to full."""
    drawn = bar(filled, cells)
    assert len(drawn) == cells
    assert (drawn == "█" * cells) == (round(min(max(filled, 0), 1) * cells * 8) == cells * 8)


def test_sources_in_words() -> None:
    """What time rests on: the largest share first, nothing of what there is none of."""
    sources = Sources(0.25, 0.6, 0.0, 0.0, 0.1, 0.05, 0.0)
    words = "60 % interpolated, 25 % measured, 10 % estimated, 5.0 % plain memory passes"
    assert sources_words(sources) == words
    assert sources_words(sources, most=1) == "60 % interpolated"


@pytest.mark.parametrize(
    ("moe", "words"),
    [
        (None, "weights fp8, KV bfloat16"),
        ("fp8", "weights fp8, KV bfloat16"),
        ("w4a16_mxfp4", "weights fp8, experts w4a16_mxfp4, KV bfloat16"),
    ],
)
def test_formats_in_words(moe: str | None, words: str) -> None:
    """The experts' format is said where it is another one than that of the rest."""
    assert formats_words({"gemm": "fp8", "moe": moe, "kvcache": "bfloat16"}) == words
