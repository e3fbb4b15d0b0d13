"""The table of observables in the guide to indicators is what the code does, for every type."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tocsin.errors import IndicatorError
from tocsin.stix.named import observables
from tocsin.stix.needles import WITHOUT_PATTERN, pattern_for
from tocsin.stix.observables import OBSERVABLES
from tocsin.stix.pattern import parse
from tocsin.stix.pattern_tree import ComparisonAnd, Observation, PropertyTest
from tocsin.stix.values import KINDS

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "guides" / "indicators.md"


def rows() -> list[tuple[str, str, str, str]]:
    """Type, kind, pattern and what is made, as the guide has them; a type nobody reads has "–"."""
    section = GUIDE.read_text("utf-8").partition("## As observables")[2].partition("\n## ")[0]
    found = []
    for line in section.splitlines():
        if line.startswith("| `"):
            type, kind, pattern, made = (cell.strip() for cell in line.strip("|").split(" | "))
            found.append((type.strip("`"), kind.strip("`"), pattern.strip("`"), made))
    return found


READ = [row for row in rows() if row[1] != "–"]


def parts_of(pattern: str) -> list[PropertyTest]:
    tree = parse(pattern)
    assert isinstance(tree, Observation)
    inner = tree.test.operands if isinstance(tree.test, ComparisonAnd) else (tree.test,)
    return [test for test in inner if isinstance(test, PropertyTest)]


def test_the_table_has_every_type_of_observable() -> None:
    assert list(dict.fromkeys(type for type, *_ in rows())) == sorted(OBSERVABLES)


def test_the_table_has_every_kind_that_a_pattern_is_written_for() -> None:
    assert {kind for _, kind, *_ in READ} == set(KINDS) - WITHOUT_PATTERN


def value_of(kind: str, pattern: str) -> str:
    """The value as it was read, of which the pattern was made."""
    if kind == "asn":
        return "AS" + str(re.findall(r"= (\d+)", pattern)[0])
    texts: list[str] = re.findall(r"(?:=|ISSUBSET) '([^']*)'", pattern)
    return "/".join(reversed(texts)) if len(texts) == 2 else texts[0]


@pytest.mark.parametrize(("type", "kind", "pattern", "made"), READ)
def test_a_row_is_what_the_code_writes(type: str, kind: str, pattern: str, made: str) -> None:
    assert pattern_for(kind, value_of(kind, pattern)) == pattern
    assert {test.path.type for test in parts_of(pattern)} == {type}
    if made == "none":
        with pytest.raises(IndicatorError):
            observables(pattern)
    else:
        [group] = observables(pattern)
        assert [one.type for one in group] == re.findall(r"`([^`]+)`", made)
