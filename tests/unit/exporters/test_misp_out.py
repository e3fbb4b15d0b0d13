"""MISP out, and the way round: what MISP said comes back under the same UUIDs and markings."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.exporters import misp as out
from tocsin.exporters.interface import Selection, Thing
from tocsin.importers import misp, stix
from tocsin.importers.interface import Reading
from tocsin.policy import Tlp
from tocsin.stix.markings import TLP_OF_ID, strictest_tlp

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
EVENT = "5f0c2a1e-0000-4000-8000-000000000001"
ORG = {"uuid": "5f0c2a1e-0000-4000-8000-0000000000aa", "name": "CERT Southmark"}
OTHER = {"uuid": "5f0c2a1e-0000-4000-8000-0000000000bb", "name": "GridCo"}


def marked(data: dict[str, Any]) -> Tlp:
    refs = data.get("object_marking_refs", [])
    return strictest_tlp(TLP_OF_ID[r] for r in refs if r in TLP_OF_ID) or "CLEAR"


def selection(reading: Reading, **more: Any) -> Selection:
    things = tuple(
        Thing(data=o.data, tlp=marked(o.data), raw=o.raw) for o in reading.objects
    )  # fmt: skip
    return Selection(
        title="t", key="k", party="cert.northland.example", things=things, at=AT,
        identity="identity--5f0c2a1e-0000-4000-8000-0000000000ff", **more,
    )  # fmt: skip


def event(*attributes: dict[str, Any], tags: tuple[str, ...] = ("tlp:green",), **more: Any) -> Any:
    return {
        "Event": {
            "uuid": EVENT,
            "info": "Tidebeacon at two operators",
            "date": "2026-11-18",
            "timestamp": "1795000000",
            "threat_level_id": "2",
            "analysis": "1",
            "Orgc": ORG,
            "Tag": [{"name": t} for t in tags],
            "Attribute": list(attributes),
            **more,
        }
    }


def there_and_back(document: Any, **more: Any) -> tuple[dict[str, Any], tuple[Any, ...]]:
    reading = misp.read(json.dumps(document).encode(), "e.json")
    written = out.write(selection(reading, **more))
    made: dict[str, Any] = json.loads(written.raw)["Event"]
    return made, written.losses


def tags(thing: dict[str, Any]) -> set[str]:
    return {t["name"] for t in thing["Tag"]}


VALUES = [
    ("ip-dst", "203.0.113.9"),
    ("ip-src", "2001:db8::9"),
    ("ip-dst", "203.0.113.0/24"),
    ("domain", "relay.tidebeacon.example"),
    ("hostname", "relay.tidebeacon.example"),
    ("url", "http://relay.tidebeacon.example/a?b=c"),
    ("email-src", "it@tidebeacon.example"),
    ("email-subject", "Your 'invoice' \\ today"),
    ("md5", "d41d8cd98f00b204e9800998ecf84271"),
    ("sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ("filename", "lock'step.exe"),
    ("filename|sha1", "a|b.exe|46aba99aa7158e4609aaa72b50990842fd22ae86"),
    ("domain|ip", "relay.tidebeacon.example|203.0.113.9"),
    ("ip-dst|port", "203.0.113.9|8080"),
    ("hostname|port", "relay.tidebeacon.example|443"),
    ("AS", "64500"),
    ("mac-address", "02:00:5e:10:00:01"),
    ("mutex", "Global\\Tide"),
    ("regkey", "HKLM\\Software\\Tide"),
    ("regkey|value", "HKLM\\Software\\Tide|beacon"),
    ("x509-fingerprint-sha1", "46aba99aa7158e4609aaa72b50990842fd22ae86"),
    ("ssdeep", "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C"),
]
ONLY_DETECTION = [
    ("user-agent", "Tide/1.0 (x; y)"),
    ("yara", 'rule tide { strings: $a = "x" condition: $a }'),
    ("sigma", "title: Tide"),
]
NO_DETECTION = [("vulnerability", "CVE-2026-0001"), ("comment", "first call at 08:10")]


@pytest.mark.parametrize(
    ("kind", "value", "to_ids"),
    [(k, v, True) for k, v in VALUES + ONLY_DETECTION]
    + [(k, v, False) for k, v in VALUES + NO_DETECTION],
)
@pytest.mark.parametrize("tag", ["tlp:green", "tlp:red"])
def test_an_attribute_comes_back_as_it_went(kind: str, value: str, to_ids: bool, tag: str) -> None:
    one = {
        "uuid": "5f0c2a1e-0000-4000-8000-000000000002",
        "type": kind,
        "category": "Network activity",
        "value": value,
        "to_ids": to_ids,
        "timestamp": "1795000500",
        "Tag": [{"name": tag}],
    }
    made, losses = there_and_back(event(one))
    assert losses == ()
    [back] = made["Attribute"]
    for name in ("uuid", "type", "value", "to_ids", "timestamp"):
        assert back[name] == one[name], name
    if kind not in ("vulnerability", "comment", "yara", "sigma"):
        assert back["category"] == one["category"]
    assert tags(back) | tags(made) >= {tag}
    again = misp.read(json.dumps({"Event": made}).encode(), "again.json")
    first = misp.read(json.dumps(event(one)).encode(), "e.json")
    want = {o.id: marked(o.data) for o in first.objects if o.id[-36:] == one["uuid"]}
    assert {o.id: marked(o.data) for o in again.objects if o.id in want} == want


@pytest.mark.parametrize(
    ("level", "tag"),
    [("clear", "tlp:clear"), ("white", "tlp:clear"), ("green", "tlp:green"),
     ("amber", "tlp:amber"), ("amber+strict", "tlp:amber+strict")],
)  # fmt: skip
def test_an_events_marking_comes_back_in_the_words_of_today(level: str, tag: str) -> None:
    one = {"type": "ip-dst", "value": "203.0.113.9", "to_ids": True}
    made, _ = there_and_back(event(one, tags=(f"tlp:{level}", "PAP:GREEN", "type:OSINT")))
    assert tags(made) == {tag, "PAP:GREEN", "type:OSINT"}


def test_clear_is_also_white_where_it_is_asked_for() -> None:
    one = {"type": "ip-dst", "value": "203.0.113.9", "to_ids": True}
    made, _ = there_and_back(event(one, tags=("tlp:clear",)), white=True)
    assert tags(made) == {"tlp:clear", "tlp:white"}


def test_an_event_keeps_what_it_says_of_itself() -> None:
    made, _ = there_and_back(
        event(
            {"type": "ip-dst", "value": "203.0.113.9", "to_ids": True},
            published=True,
            publish_timestamp="1795000700",
        )
    )
    wanted = event(published=True, publish_timestamp="1795000700")["Event"]
    for name in ("uuid", "info", "date", "timestamp", "threat_level_id", "analysis", "Orgc",
                 "published", "publish_timestamp"):  # fmt: skip
        assert made[name] == wanted[name], name


def test_what_hangs_on_an_attribute_comes_back_with_its_author() -> None:
    ids = [f"5f0c2a1e-0000-4000-8000-0000000000{n}" for n in ("11", "12", "13", "14")]
    one = {
        "uuid": ids[0],
        "type": "ip-dst",
        "value": "203.0.113.9",
        "to_ids": True,
        "first_seen": "2026-11-01T10:00:00.000000+00:00",
        "last_seen": "2026-11-03T10:00:00.000000+00:00",
        "Sighting": [
            {"uuid": ids[1], "type": "0", "date_sighting": "1795000300", "Organisation": OTHER}
        ],
        "Opinion": [{"uuid": ids[2], "opinion": "75", "comment": "here too", "Orgc": OTHER}],
        "Note": [{"uuid": ids[3], "note": "a router", "language": "en", "Orgc": OTHER}],
    }
    made, losses = there_and_back(event(one))
    assert losses == ()
    [back] = made["Attribute"]
    [sighting], [opinion], [note] = back["Sighting"], back["Opinion"], back["Note"]
    assert (sighting["uuid"], sighting["date_sighting"]) == (ids[1], "1795000300")
    assert sighting["Organisation"] == OTHER
    assert (opinion["uuid"], opinion["opinion"], opinion["Orgc"]) == (ids[2], "75", OTHER)
    assert (note["uuid"], note["note"], note["Orgc"]) == (ids[3], "a router", OTHER)
    assert back["first_seen"].startswith("2026-11-01T10:00:00")
    assert back["last_seen"].startswith("2026-11-03T10:00:00")


def test_an_object_comes_back_with_its_attributes_for_detection() -> None:
    thing = {
        "uuid": "5f0c2a1e-0000-4000-8000-000000000021",
        "name": "domain-ip",
        "meta-category": "network",
        "timestamp": "1795000000",
        "Attribute": [
            {
                "uuid": "5f0c2a1e-0000-4000-8000-000000000022",
                "object_relation": "domain",
                "type": "domain",
                "value": "relay.tidebeacon.example",
                "to_ids": True,
            },
            {"object_relation": "ip", "type": "ip-dst", "value": "203.0.113.9", "to_ids": False},
        ],
    }
    made, losses = there_and_back(event(Object=[thing]))
    assert losses == ()
    [back] = made["Object"]
    assert (back["uuid"], back["name"], back["meta-category"]) == (
        thing["uuid"], "domain-ip", "network",
    )  # fmt: skip
    rows = {(a["object_relation"], a["type"], a["value"], a["to_ids"]) for a in back["Attribute"]}
    assert rows == {
        ("domain", "domain", "relay.tidebeacon.example", True),
        ("ip", "ip-dst", "203.0.113.9", False),
    }
    ids = {a["uuid"] for a in back["Attribute"]}
    assert "5f0c2a1e-0000-4000-8000-000000000022" in ids
    assert made["Attribute"] == []


def test_two_stix_objects_on_one_uuid_are_two_attributes_and_a_loss() -> None:
    first = {"uuid": EVENT[:-1] + "2", "type": "ip-dst", "value": "203.0.113.9", "to_ids": True}
    reading = misp.read(json.dumps(event(first)).encode(), "e.json")
    chosen = selection(reading)
    one = next(t for t in chosen.things if t.data["type"] == "indicator")
    twin = {
        "type": "vulnerability",
        "id": "vulnerability--" + one.data["id"][11:],
        "name": "CVE-2026-0001",
        "created": one.data["created"],
        "modified": one.data["modified"],
    }
    more = Selection(
        title="t", key="k", party="p", identity=chosen.identity, at=AT,
        things=(*chosen.things, Thing(data=twin, tlp="GREEN")),
    )  # fmt: skip
    written = out.write(more)
    events = json.loads(written.raw)["response"]
    uuids = [a["uuid"] for e in events for a in e["Event"]["Attribute"]]
    assert len(uuids) == len(set(uuids)) == 2
    assert [loss.id for loss in written.losses] == [twin["id"]]


def test_what_is_stricter_than_its_event_and_cannot_be_tagged_stays_out() -> None:
    report = {
        "uuid": "5f0c2a1e-0000-4000-8000-0000000000e1",
        "name": "s",
        "content": "secret words",
        "distribution": "0",
    }
    one = {"type": "ip-dst", "value": "203.0.113.9", "to_ids": True}
    made, losses = there_and_back(event(one, EventReport=[report]))
    assert made["EventReport"] == []
    assert len(losses) == 1


def test_what_was_cut_into_parts_comes_back_as_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.importers.misp_event.MAX_REFS", 2)
    hosts = [
        {"uuid": f"5f0c2a1e-0000-4000-8000-0000000001{n:02}", "type": "ip-dst", "to_ids": True,
         "value": f"203.0.113.{n}"}
        for n in range(9)
    ]  # fmt: skip
    made, _ = there_and_back(event(*hosts))
    assert sorted(a["value"] for a in made["Attribute"]) == [h["value"] for h in hosts]


def test_a_feed_has_a_manifest_its_events_and_the_hashes_a_misp_looks_up() -> None:
    one = {"type": "domain|ip", "value": "a.example|203.0.113.9", "to_ids": True}
    reading = misp.read(json.dumps(event(one)).encode(), "e.json")
    written = out.write_feed(selection(reading))
    with zipfile.ZipFile(io.BytesIO(written.raw)) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("manifest.json"))
        rows = list(csv.reader(io.StringIO(archive.read("hashes.csv").decode())))
        held = json.loads(archive.read(f"{EVENT}.json"))
    assert names == [f"{EVENT}.json", "hashes.csv", "manifest.json"]
    assert set(manifest[EVENT]) == {
        "Orgc", "Tag", "info", "date", "analysis", "threat_level_id", "timestamp",
    }  # fmt: skip
    assert held["Event"]["uuid"] == EVENT
    values = ("a.example|203.0.113.9", "a.example", "203.0.113.9")
    assert sorted(rows) == sorted([hashlib.md5(v.encode()).hexdigest(), EVENT] for v in values)
    again = misp.read(written.raw, "feed.zip")
    assert {o.id for o in again.objects} >= {f"grouping--{EVENT}"}
    assert out.write_feed(selection(reading)).raw == written.raw


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from([k for k, _ in VALUES]), "value": st.text(max_size=20)
             | st.sampled_from([v for _, v in VALUES]), "to_ids": st.booleans()}
        ),
        max_size=6,
    ),
    st.sampled_from(["tlp:clear", "tlp:green", "tlp:amber", "tlp:purple"]),
)  # fmt: skip
def test_what_comes_back_is_what_was_taken(rows: list[dict[str, Any]], tag: str) -> None:
    reading = misp.read(json.dumps(event(*rows, tags=(tag,))).encode(), "e.json")
    written = out.write(selection(reading))
    made = json.loads(written.raw)["Event"]
    taken = {o.id[-36:] for o in reading.objects if o.type in ("indicator", "observed-data")}
    lost = {loss.id[-36:] for loss in written.losses}
    assert {a["uuid"] for a in made["Attribute"]} | lost == taken | lost


def test_stix_made_by_misp_stix_comes_back_as_the_event_it_was(
    corpus: Callable[[str], Path],
) -> None:
    raw = corpus("exchange/misp/test_event1_stix21.json").read_bytes()
    wanted = json.loads(corpus("exchange/misp/test_events_collection_1.json").read_text("utf-8"))
    written = out.write(selection(stix.read(raw, "bundle.json")))
    made = {e["Event"]["uuid"]: e["Event"] for e in json.loads(written.raw)["response"]}
    for one in wanted["response"]:
        source = one["Event"]
        back = made[source["uuid"]]
        assert (back["info"], back["date"]) == (source["info"], source["date"])
        [attribute], [theirs] = back["Attribute"], source["Attribute"]
        assert attribute["uuid"] == theirs["uuid"]
        assert attribute["type"] == theirs["type"]
        assert attribute["value"] == theirs["value"].removeprefix("AS")
        assert attribute["to_ids"] == theirs.get("to_ids", False)
        assert attribute["timestamp"] == theirs["timestamp"]
