"""The guide lists every code with its meaning and remedy, and its examples are true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tocsin.cli import run
from tocsin.stix.pattern import check
from tocsin.stix.pattern_rules import RULES

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "patterns.md"
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in GUIDE.read_text("utf-8").splitlines()
    if line.startswith("| `")
]
EXAMPLES = [(row[0].strip("`"), row[2][1:-1]) for row in ROWS if row[2].startswith("`")]


def plain(cell: str) -> str:
    """A cell as it is shown: Markdown's escapes undone."""
    return re.sub(r"\\(.)", r"\1", cell)


def test_the_guide_has_every_code_once_with_meaning_and_remedy() -> None:
    said = {row[0].strip("`"): (plain(row[1]), plain(row[-1])) for row in ROWS}
    assert said == {code: (rule.meaning, rule.remedy) for code, rule in RULES.items()}
    assert len(ROWS) == len(RULES)


@pytest.mark.parametrize(("code", "example"), EXAMPLES)
def test_an_example_of_the_guide_fails_as_it_says(
    code: str, example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if RULES[code].kind == "line":
        (tmp_path / "patterns.txt").write_text(example, "utf-8")
        assert run(["stix", "pattern", str(tmp_path / "patterns.txt")]) == 1
        assert json.loads(capsys.readouterr().out)["error"] == code
    else:
        assert [one.code for one in check(example)] == [code]


def test_every_code_but_limits_has_an_example() -> None:
    wanted = {code for code, rule in RULES.items() if rule.kind != "limit"}
    assert wanted - {code for code, _ in EXAMPLES} == {"line-not-text"}


def test_the_answer_that_the_guide_shows_is_the_one_given() -> None:
    match = re.search(r'^\{"ok":false.*\}$', GUIDE.read_text("utf-8"), re.MULTILINE)
    assert match is not None
    shown = json.loads(match[0])
    [problem] = check("[file:hashes.SHA-256 = 'x']")
    assert (shown["error"], shown["position"], shown["detail"]) == (
        problem.code,
        problem.position,
        problem.detail,
    )
