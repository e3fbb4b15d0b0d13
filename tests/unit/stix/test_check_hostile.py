"""The checker on what somebody made to stop it: time grows with the bytes, nothing else."""

from __future__ import annotations

from typing import Any

import orjson

from tocsin.stix.bundle import open_bundle
from tocsin.stix.check import check_objects, refused
from tocsin.stix.findings import Finding

TIME = "2026-03-01T10:00:00.000Z"


def identity(n: int, **more: Any) -> dict[str, Any]:
    """One party, and what is odd about it."""
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": ref("identity", n),
        "created": TIME,
        "modified": TIME,
        "name": "GridCo",
        **more,
    }


def ref(kind: str, n: int) -> str:
    """An id."""
    return f"{kind}--7a3c0b52-6f0e-4c1d-9a57-{n:012x}"


def checked(*objects: dict[str, Any]) -> list[Finding]:
    """What is found in these. Each of the inputs here took minutes where a loop was nested."""
    return check_objects(open_bundle(orjson.dumps(objects)))


def test_twenty_thousand_versions_of_a_large_object() -> None:
    large = identity(1, description="a" * 1_000_000)
    others = [identity(1, description=str(n)) for n in range(20_000)]
    found = checked(large, *others)
    assert {finding.code for finding in found} == {"version-twice"}
    assert len(found) == 20_000


def test_a_hundred_thousand_references_to_nothing_in_one_object() -> None:
    refs = [ref("malware", n) for n in range(100_000)]
    note = {**identity(1), "type": "note", "id": ref("note", 1), "content": "c"}
    found = checked({**note, "object_refs": refs})
    assert found[-1].code == "more"
    assert len(found) <= 20_002


def test_a_new_property_in_every_object() -> None:
    found = checked(*(identity(n, **{f"feeder_{n}": n}) for n in range(20_000)))
    assert len(found) <= 20_001
    assert {finding.severity for finding in found} <= {"warning", "note"}


def test_a_new_word_in_every_place() -> None:
    words = [[f"energi{n}-{m}" for m in range(100)] for n in range(3_000)]
    found = checked(*(identity(n, sectors=words[n]) for n in range(3_000)))
    assert found[-1].code == "more"
    assert len(found) <= 20_051


def test_two_hundred_thousand_selectors() -> None:
    markings = [{"lang": "en", "selectors": ["labels.[0]"] * 200_000}]
    assert checked(identity(1, labels=["a"], granular_markings=markings)) == []


def test_an_error_behind_a_wall_of_warnings_is_still_told() -> None:
    wall = [identity(n, sectors=["nowhere"] * 60) for n in range(600)]
    bad = identity(9_999, confidence=101)
    items = open_bundle(orjson.dumps([*wall, bad]))
    assert refused(check_objects(items)) == {items[-1].sha256}


def test_deep_values_of_custom_properties() -> None:
    value: Any = None
    for _ in range(28):
        value = [value]
    assert {finding.code for finding in checked(identity(1, x_deep=value))} == {
        "custom-property",
        "custom-hole",
    }
