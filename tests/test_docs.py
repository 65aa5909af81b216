"""The documentation says what the code says."""

import re
from pathlib import Path

import pytest

import aicfg.solver.program
import aicfg.solver.within  # noqa: F401  (registers the filters)
from aicfg.solver.rows import FAMILIES, POINT_FILTERS, Family

DOCS = Path(__file__).parents[1] / "docs"
ROOT = DOCS.parent


@pytest.mark.parametrize(
    "family", [*FAMILIES.values(), *POINT_FILTERS.values()], ids=lambda family: family.name
)
def test_every_family_is_documented(family: Family) -> None:
    """Name, formula and sentence of each constraint family stand in the table of formulas."""
    (line,) = [
        line
        for line in (DOCS / "program.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{family.name}` |")
    ]
    assert family.formula in line
    assert family.sentence in line


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that exists."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
