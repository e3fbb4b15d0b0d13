"""Every vector: read or refused as it says, with the code and the character."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tocsin import errors
from tocsin.stix.pattern import check, parse, unplaced, write
from tocsin.stix.pattern_rules import RULES

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "pattern"
FILES = sorted(VECTORS.glob("*.txt"))


def read(path: Path) -> tuple[dict[str, str], str]:
    head, _, text = path.read_bytes().decode().partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.split("\n"))
    text = text.removesuffix("\n")
    return fields, json.loads(text) if fields.get("form") == "json" else text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_vector_is_judged_as_it_says(path: Path) -> None:
    fields, text = read(path)
    problems = check(text)
    failed = [one for one in problems if one.severity == "error"]
    warned = [f"{one.code}@{one.position}" for one in problems if one.severity == "warning"]
    if fields["expect"] == "ok":
        assert failed == []
        assert warned == fields.get("warnings", "").split()
        assert unplaced(parse(write(parse(text)))) == unplaced(parse(text))
        if "tree" in fields:
            assert unplaced(parse(text)) == unplaced(parse(fields["tree"]))
        return
    assert [(one.code, one.position) for one in failed] == [
        (fields["code"], int(fields["position"]))
    ]
    assert failed[0].remedy == RULES[fields["code"]].remedy
    if RULES[fields["code"]].kind == "grammar":
        with pytest.raises(getattr(errors, fields["expect"])) as caught:
            parse(text)
        assert (caught.value.code, caught.value.position) == (
            fields["code"],
            int(fields["position"]),
        )
        assert caught.value.detail in str(caught.value)
    else:
        parse(text)  # the grammar takes it


def test_every_rule_but_the_limits_has_a_vector() -> None:
    said = {read(path)[0].get("code") for path in FILES}
    warned = {
        warning.partition("@")[0]
        for path in FILES
        for warning in read(path)[0].get("warnings", "").split()
    }
    wanted = {code for code, rule in RULES.items() if rule.kind not in ("limit", "line")}
    assert wanted == (said | warned) - {None}
