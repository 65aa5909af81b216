"""The grammar of constraints: what it reads, and what it says of what it cannot read."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.model_specs.errors import InputError
from aicfg.solver.constraints import numbered, parse

GIVEN = {
    "decode.tp >= prefill.tp": ({("decode.tp",): 1}, ">=", {("prefill.tp",): 1}),
    "prefill.workers <= 2 * decode.workers": ({("prefill.workers",): 1}, "<=", {("decode.workers",): 2}),
    "gpus<=48": ({("gpus",): 1}, "<=", {(): 48}),
    "2 * (gpus - 3) / 4 == -gpus": ({("gpus",): Fraction(1, 2), (): Fraction(-3, 2)}, "==", {("gpus",): -1}),
    "decode.tp * decode.dp < 0.5e1": ({("decode.dp", "decode.tp"): 1}, "<", {(): 5}),
    "decode.quant.kvcache != 'fp8-e4m3'": ({("decode.quant.kvcache",): 1}, "!=", {("fp8-e4m3",): 1}),
    "gpus - gpus <= 1": ({}, "<=", {(): 1}),
}


@pytest.mark.parametrize("text", GIVEN)
def test_sides_are_exact_polynomials(text):
    """Brackets, precedence, unary minus, division by numbers, quotes; terms that cancel are gone."""
    left, operator, right = GIVEN[text]
    constraint = parse(text)
    assert (constraint.left, constraint.operator, constraint.right) == (left, operator, (right,))


def test_lists():
    """Behind ``in`` stands a list of values."""
    constraint = parse("decode.tp in [2, 4, h100_sxm]")
    assert constraint.right == ({(): 2}, {(): 4}, {("h100_sxm",): 1})


@pytest.mark.parametrize(
    ("text", "what"),
    (
        ("", "expected a number or a name, got 'its end'"),
        ("gpus", "expected one of <= >= == != < > in, got 'its end'"),
        ("gpus = 4", "expected one of .* got '='"),
        ("gpus <= ", "expected a number or a name"),
        ("2 <= decode.tp <= 8", "state a range as two constraints"),
        ("gpus <= 4 5", "expected its end, got '5'"),
        ("(gpus <= 4", r"expected \) but got '<='"),
        ("gpus / decode.tp <= 4", "only a number other than 0 can divide"),
        ("gpus / 0 <= 4", "only a number other than 0 can divide"),
        ("gpus <= 4; import os", "cannot read '; import os'"),
        ("__import__('os') <= 1", r"expected one of .* got '\('"),
        ("decode.tp in 4", r"expected a list such as \[2, 4, 8\]"),
        ("decode.tp in [4", r"expected , or \] in the list"),
        ("gpus <= 4" + " " * 1000, "longer than 1000 characters"),
    ),
)
def test_faults_name_the_constraint_and_the_place(text, what):
    """One line each, with what would be accepted."""
    with pytest.raises(InputError, match=what) as raised:
        parse(text)
    assert "\n" not in str(raised.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    """Nothing but a constraint or an error of the user comes back."""
    try:
        parse(text)
    except InputError as error:
        assert str(error).startswith("constraint ")


def test_numbered():
    """The sides of what can be moved, as they were written."""
    assert numbered("gpus + 1 <= 2 * (workers)") == ("gpus + 1", "<=", "2 * (workers)")
    assert numbered("decode.tp == 4") is None
