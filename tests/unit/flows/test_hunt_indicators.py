"""Indicators out of lists, tables, STIX and reports; what cannot be looked for is listed."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from tocsin.errors import BundleError, SweepError, UnreadableError
from tocsin.flows.hunt_indicators import Indicators, load_indicators


class Draft(NamedTuple):
    type: str
    value: str


class Reading(NamedTuple):
    indicators: tuple[Draft, ...]


def values(found: Indicators) -> list[tuple[str, str]]:
    return [(needle.kind, needle.value) for needle in found.needles]


def test_a_list_has_one_value_per_line() -> None:
    text = "# from the exercise\n\nlure-portal[.]example\r\n203.0.113.7\nwhat is this\n/tmp/.x\n"
    found = load_indicators(text.encode(), "list.txt")
    assert found.form == "list"
    assert values(found) == [
        ("domain", "lure-portal[.]example"),
        ("ipv4", "203.0.113.7"),
        ("path", "/tmp/.x"),
    ]
    assert found.needles[0].indicator == "lure-portal.example"
    [left] = found.left_out
    assert left.what == "line 5"
    assert "what is this" in left.why


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_with_a_byte_order_mark_is_read(encoding: str) -> None:
    found = load_indicators("bücher.example\n".encode(encoding), "list.txt")
    assert found.needles[0].indicator == "xn--bcher-kva.example"


def test_a_csv_names_its_columns() -> None:
    text = (
        "type;value;id;valid_until\n"
        "ip-dst;203.0.113.7;indicator--1;2026-01-01T00:00:00Z\n"
        ";lure.example;;\nip-dst;;x;\nsha256;abc;y;\n"
    )
    found = load_indicators(text.encode(), "feed.csv")
    assert found.form == "csv"
    assert values(found)[:2] == [("address", "203.0.113.7"), ("domain", "lure.example")]
    assert found.needles[0].indicator == "indicator--1"
    assert found.needles[0].valid_until == "2026-01-01T00:00:00Z"
    assert found.left_out[0].what == "line 4"


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\x0b", "\x1c"])
def test_only_line_ends_of_a_file_end_a_row(mark: str) -> None:
    text = f"value,note\r\n203.0.113.7,one{mark}two\rlure.example,\n"
    found = load_indicators(text.encode(), "feed.csv")
    assert values(found) == [("ipv4", "203.0.113.7"), ("domain", "lure.example")]
    assert not found.left_out


def test_a_quoted_cell_may_hold_a_comma() -> None:
    found = load_indicators(b'value,note\n"Gate/1.0 (x, y)","a, b"\n', "feed.csv")
    assert values(found) == [("user-agent", "Gate/1.0 (x, y)")]


def test_json_lines_are_rows_or_indicators() -> None:
    rows = [
        {"type": "ipv4-addr", "value": "203.0.113.0/24"},
        {"type": "indicator", "id": "indicator--1", "pattern": "[domain-name:value = 'a.example']"},
    ]
    text = "\n".join(map(json.dumps, rows)) + "\nnot json\n"
    found = load_indicators(text.encode(), "feed.jsonl")
    assert found.form == "jsonl"
    assert values(found) == [("address", "203.0.113.0/24"), ("domain", "a.example")]
    assert found.needles[1].indicator == "indicator--1"
    assert [left.what for left in found.left_out] == ["line 3"]


def stix(**changes: object) -> dict[str, object]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": "indicator--6a61e6a8-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z",
        "pattern": "[ipv4-addr:value = '203.0.113.7' OR url:value = 'http://lure.example/a']",
        "pattern_type": "stix",
        "valid_from": "2026-11-01T00:00:00Z",
        **changes,
    }


def bundle(*objects: dict[str, object]) -> bytes:
    return json.dumps(
        {"type": "bundle", "id": "bundle--1f0b7b2c-9d2e-4a57-8a3c-0d8e4e1c9a11", "objects": objects}
    ).encode()


def test_a_bundle_gives_the_values_of_its_indicators() -> None:
    found = load_indicators(bundle(stix()), "feed.json")
    assert found.form == "stix"
    assert values(found) == [("address", "203.0.113.7"), ("url", "http://lure.example/a")]
    assert {needle.indicator for needle in found.needles} == {stix()["id"]}
    assert found.needles[0].valid_from == "2026-11-01T00:00:00Z"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"revoked": True}, "withdrawn"),
        ({"pattern_type": "yara"}, "yara"),
        ({"pattern": "[file:size > 7]"}, "more than a list of values"),
        (
            {"pattern": "[file:hashes.SHA-256 = 'x']"},
            "cannot be read: SHA-256 has a hyphen (character 13)",
        ),
        (
            {"pattern": "[url:value = 'x' AND domain-name:value = 'x']"},
            "breaks a rule of STIX: url AND domain-name: no object is both (character 21)",
        ),
    ],
)
def test_an_indicator_that_gives_no_value_is_listed(changes: dict[str, object], why: str) -> None:
    other = stix(id="indicator--6a61e6a8-1a2b-4c3d-8e4f-5a6b7c8d9e01", **changes)
    found = load_indicators(bundle(stix(), other), "feed.json")
    [left] = found.left_out
    assert left.what == other["id"]
    assert why in left.why


def test_a_report_is_read_as_ingest_reads_it() -> None:
    asked: list[str] = []

    def read(raw: bytes, name: str) -> Reading:
        asked.append(name)
        return Reading((Draft("domain", "lure.example"), Draft("domain", "lure.example")))

    text = "The operators used a new domain.\nIt was lure[.]example, the ministry said.\n"
    found = load_indicators(text.encode(), "report.txt", read)
    assert asked == ["report.txt"]
    assert found.form == "report"
    assert values(found) == [("domain", "lure.example")]
    assert load_indicators(b"<html><p>x</p>", "a", read).form == "report"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", UnreadableError),
        (b" \n ", UnreadableError),
        (b"\x00\x01\x02", UnreadableError),
        (b"caf\xe9 and more\n", UnreadableError),
        (b"Nothing but prose here.\nAnd more of it.\n", UnreadableError),
        (b'{"type": "bundle", "objects": [', BundleError),
        (bundle(), SweepError),
        (b"value,type\n,\n", SweepError),
    ],
)
def test_what_holds_no_indicator_is_refused_with_a_remedy(
    raw: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        load_indicators(raw, "given.txt")
    assert getattr(caught.value, "remedy", "")
