"""Tests of aicfg.model_specs.facts."""

from pathlib import Path

import pytest

from aicfg.model_specs.facts import entry_names, read_entry

_FILE = """# a comment: not an entry
org/Base-7B:
  size: 7
  layers: [1, 2]
org/Base-7B-Chat:
  same_as: org/Base-7B
  size: 8
org/Lost: {same_as: org/Nowhere}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small file of facts."""
    path = tmp_path / "org.yaml"
    path.write_text(_FILE)
    return path


def test_entry_names_are_the_top_level_keys(file: Path) -> None:
    """Comments and nested keys are no entries; the file's order is kept."""
    assert entry_names(file) == ["org/Base-7B", "org/Base-7B-Chat", "org/Lost"]


def test_entry_is_found_whatever_the_case(file: Path) -> None:
    """The name comes back as written, and a longer name does not answer for its prefix."""
    assert read_entry(file, "ORG/base-7b") == ("org/Base-7B", {"size": 7, "layers": [1, 2]})


def test_same_as_takes_over_the_other_entry(file: Path) -> None:
    """Own keys come on top of the inherited ones."""
    assert read_entry(file, "org/Base-7B-Chat") == ("org/Base-7B-Chat", {"size": 8, "layers": [1, 2]})


def test_same_as_must_name_an_entry(file: Path) -> None:
    """A mistake in the facts is not passed over."""
    with pytest.raises(ValueError, match="org/Nowhere"):
        read_entry(file, "org/Lost")


@pytest.mark.parametrize("name", ["org/Base", "org/Base-7", "a comment", "org/.*", ""])
def test_absent_entry_is_none(file: Path, name: str) -> None:
    """Neither a prefix nor a pattern finds an entry."""
    assert read_entry(file, name) is None
