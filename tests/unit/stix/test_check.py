"""What the checker says of one object and of several, and how it says it (exchange.md §1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.stix.bundle import open_bundle
from tocsin.stix.check import check_bundle, check_objects, refused
from tocsin.stix.findings import CODES

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "stix"


def _vectors() -> list[Path]:
    return sorted(VECTORS.glob("*.txt"))


def _read(vector: Path) -> tuple[dict[str, str], str]:
    head, _, body = vector.read_text("utf-8").partition("\n\n")
    told = dict(line.split(":", 1) for line in head.splitlines())
    return {name: value.strip() for name, value in told.items()}, body


@pytest.mark.parametrize("vector", _vectors(), ids=lambda path: path.stem)
def test_a_vector_is_judged_as_it_says(vector: Path) -> None:
    told, body = _read(vector)
    found = check_bundle(body.encode()).findings
    if told["expect"] == "ok":
        assert told["never"] not in {finding.code for finding in found}
        assert [f for f in found if f.severity == "error"] == []
        return
    places = [finding.pointer for finding in found if finding.code == told["expect"]]
    assert told["at"] in places
    errors = {finding.code for finding in found if finding.severity == "error"}
    assert errors <= {told["expect"], *told.get("also", "").split()}


def test_every_code_has_a_bad_and_a_good_vector() -> None:
    told = [_read(vector)[0] for vector in _vectors()]
    assert {one["expect"] for one in told} - {"ok"} == CODES.keys()
    assert {one["never"] for one in told if one["expect"] == "ok"} == CODES.keys()


def _objects(count: int, **more: Any) -> bytes:
    return json.dumps(
        [
            {
                "type": "identity",
                "spec_version": "2.1",
                "id": f"identity--7a3c0b52-6f0e-4c1d-9a57-{n:012x}",
                "created": "2026-03-01T10:00:00.000Z",
                "modified": "2026-03-01T10:00:00.000Z",
                "name": "GridCo",
                **more,
            }
            for n in range(count)
        ]
    ).encode()


def test_a_finding_says_where_what_why_and_what_to_do() -> None:
    [found] = check_objects(open_bundle(_objects(1, sectors=["telecomunications"])))
    assert found.pointer == "/objects/0/sectors/0"
    assert found.value == '"telecomunications"'
    assert found.clause == "STIX 2.1 §10.11"
    assert "perhaps telecommunications?" in found.detail
    assert found.remedy == CODES["vocabulary"].remedy
    assert found.object is not None
    assert found.object.id.startswith("identity--")


def test_what_many_objects_share_is_said_once_and_counted() -> None:
    [found] = check_objects(open_bundle(_objects(300, x_feeder=1)))
    assert (found.code, found.pointer) == ("custom-property", "/objects/0/x_feeder")
    assert "300 objects" in found.detail


def test_a_long_list_of_findings_is_cut_and_says_so_and_no_error_is_forgotten() -> None:
    items = open_bundle(_objects(500, labels=["a", 1, 2, 3]))
    found = check_objects(items, most=90)
    assert found[-1].code == "more"
    assert "more findings" in found[-1].detail
    assert len(found) < 90 + 500 + 2
    assert refused(found) == {item.sha256 for item in items}


def test_one_object_full_of_faults_shows_its_errors_first() -> None:
    raw = _objects(1, sectors=["nowhere"] * 500 + [7])
    found = check_objects(open_bundle(raw))
    assert len(found) <= 52
    assert "error" in {finding.severity for finding in found}
    assert found[-1].code == "more"


def test_a_version_has_to_agree_with_those_held_already() -> None:
    held = open_bundle(_objects(1, revoked=True))
    later = open_bundle(_objects(1, modified="2026-03-02T10:00:00.000Z"))
    found = check_objects(later, known={held[0].id: held})
    assert [finding.code for finding in found] == ["version-after-revoked"]
    assert check_objects(later) == []


def test_an_observable_said_twice_with_more_or_less_of_it_is_no_fault() -> None:
    one = {"type": "mutex", "id": "mutex--7a3c0b52-6f0e-4c1d-9a57-1f6f6f6c2b10", "name": "m"}
    found = check_objects(open_bundle(json.dumps([one, {**one, "defanged": True}]).encode()))
    assert {finding.code for finding in found} == {"id-not-derived"}


def test_a_reference_to_what_is_held_is_resolved() -> None:
    raw = _objects(1, created_by_ref="identity--7a3c0b52-6f0e-4c1d-9a57-00000000beef")
    items = open_bundle(raw)
    [found] = check_objects(items)
    assert found.code == "reference-unresolved"
    assert found.pointer == "/objects/0/created_by_ref"
    assert check_objects(items, known={items[0].refs[0]: ()}) == []


def test_nothing_in_an_object_is_changed() -> None:
    items = open_bundle(_objects(3, labels=[None]))
    before = [item.raw for item in items]
    check_objects(items)
    assert [item.raw for item in items] == before


def test_attack_is_checked_without_an_error(corpus: Callable[[str], Path]) -> None:
    import lzma

    for name in ("enterprise-18.1", "ics-18.1"):
        data = lzma.decompress(corpus(f"exchange/{name}.json.xz").read_bytes())
        found = check_bundle(data).findings
        assert [finding for finding in found if finding.severity == "error"] == []
        assert len(found) < 100


def test_playbooks_of_stix_2_0_are_read_as_such(corpus: Callable[[str], Path]) -> None:
    import lzma

    files = sorted(corpus("exchange/unit42").glob("*.json.xz"))
    assert len(files) == 20
    for file in files:
        checked = check_bundle(lzma.decompress(file.read_bytes()))
        codes = {finding.code for finding in checked.findings}
        assert "stix-2.0" in codes
        assert "spec-version" not in codes
        errors = [f for f in checked.findings if f.severity == "error"]
        assert all((f.code, f.value) in PUBLISHED_FAULTS for f in errors), errors


PUBLISHED_FAULTS = {("property-type", '["unknown"]')}
"""What is wrong in those files as published: an identity_class that is a list."""
