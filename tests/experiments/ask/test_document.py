"""YAML text into plain values."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicfg.experiments.ask.document import MAX_DEPTH, parse_document, read_document
from aicfg.model_specs.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4000", 4000),
        ("-3", -3),
        ("0", 0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("4_000", "4_000"),
        ("'4000'", "4000"),
        ('"no"', "no"),
        ("2024-01-01", "2024-01-01"),
        (".inf", math.inf),
    ],
)
def test_plain_scalars_mean_the_same_in_every_yaml(text: str, value: object) -> None:
    """A scalar is a number or a truth only where every version of YAML says so; else it stays text."""
    read = parse_document(f"key: {text}\n", "f").value["key"]
    assert read == value
    assert type(read) is type(value)


def test_lines_of_keys_and_entries() -> None:
    """The line of every key and list entry is known."""
    document = parse_document("a: 1\nb:\n  c: 2\n  d:\n  - 3\n  - 4\n", "f")
    assert document.lines[("b",)] == 2
    assert document.lines[("b", "c")] == 3
    assert document.lines[("b", "d", "1")] == 6
    assert document.place(("zzz",), ("b", "c")) == "f:3"
    assert document.place(("zzz",)) == "f"


def test_an_alias_repeats_its_anchor() -> None:
    """Anchors and aliases of reasonable size are accepted, for scalars, lists and mappings."""
    document = parse_document("a: &a [1, 2]\nb: *a\nc: &c 3\nd: *c\ne: &e {x: *c}\nf: *e\n", "f")
    assert document.value == {"a": [1, 2], "b": [1, 2], "c": 3, "d": 3, "e": {"x": 3}, "f": {"x": 3}}


def test_depth_just_within_the_limit() -> None:
    """The deepest nesting that is accepted is built; one level more is refused."""
    value = parse_document("[" * MAX_DEPTH + "]" * MAX_DEPTH, "f").value
    for _ in range(MAX_DEPTH - 1):
        (value,) = value
    assert value == []
    with pytest.raises(InputError, match="nested more than"):
        parse_document("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "f")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    """A file that an editor on Windows wrote is read like any other."""
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfmodel: x\r\n")
    assert read_document(path).value == {"model": "x"}


@given(
    st.binary(max_size=300) | st.text(max_size=300, alphabet="ab:-[]{}&*!|>'\"# \n\t0.,?~%@`").map(str.encode)
)
def test_whatever_a_file_holds(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Any bytes give plain values or an InputError of one line, never another exception."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    try:
        read_document(path)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
