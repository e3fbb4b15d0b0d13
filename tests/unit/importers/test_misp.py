"""MISP in: what an event comes to in STIX, who may read it, and what is said to be lost."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import BundleError, BundleSizeError
from tocsin.importers import misp, misp_event, misp_making
from tocsin.importers.interface import Reading, sniff, to_json
from tocsin.importers.misp_observables import attribute_types
from tocsin.stix.bundle import open_bundle, write_bundle
from tocsin.stix.markings import TLP_OF_ID

VECTORS = sorted((Path(__file__).parents[2] / "vectors" / "misp").glob("*.json"))
EVENT = "5f0c2a1e-0000-4000-8000-000000000001"
ONE = "5f0c2a1e-0000-4000-8000-000000000002"
TWO = "5f0c2a1e-0000-4000-8000-000000000003"


def event(*attributes: dict[str, Any], **more: Any) -> bytes:
    return json.dumps(
        {
            "Event": {
                "uuid": EVENT,
                "info": "Tidebeacon at two operators",
                "date": "2026-11-18",
                "timestamp": "1795000000",
                "Orgc": {"uuid": "5f0c2a1e-0000-4000-8000-0000000000aa", "name": "CERT Southmark"},
                "Tag": [{"name": "tlp:green"}],
                "Attribute": list(attributes),
                **more,
            }
        }
    ).encode()


def attribute(uuid: str = ONE, **more: Any) -> dict[str, Any]:
    return {"uuid": uuid, "type": "ip-dst", "value": "203.0.113.9", "to_ids": True, **more}


def objects(reading: Reading) -> dict[str, dict[str, Any]]:
    return {one.id: one.data for one in reading.objects}


def lost(reading: Reading) -> list[tuple[str, str | None]]:
    return [(loss.kind, loss.pointer) for loss in reading.losses]


def level(data: dict[str, Any]) -> list[str]:
    return [TLP_OF_ID[r] for r in data["object_marking_refs"] if r in TLP_OF_ID]


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.stem)
def test_a_vector_reads_as_it_says(path: Path) -> None:
    vector = json.loads(path.read_text("utf-8"))
    reading = misp.read(json.dumps(vector["event"]).encode(), path.name)
    made = objects(reading)
    for id, wanted in vector["expect"]["markings"].items():
        [found] = [data for name, data in made.items() if name.startswith(id)]
        assert level(found) == [wanted]
        assert not [x for x in found.get("labels", ()) if x.lower().startswith("tlp")]
    for id, words in vector["expect"].get("statements", {}).items():
        refs = made[id]["object_marking_refs"]
        said = [made[r]["definition"]["statement"] for r in refs if r in made]
        assert said == [words]
    assert [[loss.kind, loss.pointer] for loss in reading.losses] == vector["expect"]["losses"]


def test_an_attribute_for_detection_is_an_indicator_with_its_uuid() -> None:
    made = objects(misp.read(event(attribute(comment="seen in mail")), "e.json"))
    one = made[f"indicator--{ONE}"]
    assert one["pattern"] == "[ipv4-addr:value = '203.0.113.9']"
    assert one["description"] == "seen in mail"
    assert one["created_by_ref"] == "identity--5f0c2a1e-0000-4000-8000-0000000000aa"
    assert not any(id.startswith(("observed-data", "ipv4-addr")) for id in made)


def test_another_attribute_is_observed_data_with_its_uuid() -> None:
    made = objects(misp.read(event(attribute(to_ids=False)), "e.json"))
    assert made[f"observed-data--{ONE}"]["object_refs"] == [
        next(id for id in made if id.startswith("ipv4-addr--"))
    ]
    assert f"indicator--{ONE}" not in made


def test_when_a_thing_was_last_seen_is_no_expiry() -> None:
    seen = attribute(
        first_seen="2026-11-01T10:00:00.000000+00:00", last_seen="2026-11-03T10:00:00+00:00"
    )
    made = objects(misp.read(event(seen), "e.json"))
    assert "valid_until" not in made[f"indicator--{ONE}"]
    assert made[f"observed-data--{ONE}"]["last_observed"] == "2026-11-03T10:00:00.000Z"


def test_a_sighting_of_an_expiry_ends_the_indicator() -> None:
    one = attribute(timestamp="1795000000", Sighting=[{"type": "2", "date_sighting": "1796000000"}])
    made = objects(misp.read(event(one), "e.json"))
    assert made[f"indicator--{ONE}"]["valid_until"] == "2026-11-30T00:53:20.000Z"


def test_a_sighting_and_an_opinion_are_their_organisations_own() -> None:
    by = {"uuid": "5f0c2a1e-0000-4000-8000-0000000000bb", "name": "GridCo"}
    one = attribute(
        Sighting=[
            {"type": "0", "date_sighting": "1795000300", "Organisation": by, "uuid": TWO},
            {"type": "1", "date_sighting": "1795000300", "Organisation": by},
        ],
        Opinion=[{"opinion": "75", "comment": "seen here too", "Orgc": by}],
    )
    made = objects(misp.read(event(one), "e.json"))
    theirs = f"identity--{by['uuid']}"
    sighting = made[f"sighting--{TWO}"]
    assert (sighting["created_by_ref"], sighting["where_sighted_refs"]) == (theirs, [theirs])
    opinions = [d for id, d in made.items() if id.startswith("opinion--")]
    assert sorted(d["opinion"] for d in opinions) == ["agree", "strongly-disagree"]
    assert {d["created_by_ref"] for d in opinions} == {theirs}


def test_what_was_deleted_is_to_be_withdrawn_and_not_said() -> None:
    reading = misp.read(event(attribute(deleted=True), attribute(TWO)), "e.json")
    assert f"indicator--{ONE}" in reading.withdrawn
    assert f"indicator--{ONE}" not in objects(reading)
    assert f"indicator--{TWO}" in objects(reading)


def test_two_things_under_one_uuid_are_a_loss_and_no_merge() -> None:
    reading = misp.read(event(attribute(), attribute(value="203.0.113.10")), "e.json")
    assert lost(reading) == [("duplicate-uuid", "/Event/Attribute/1")]
    assert "203.0.113.9" in objects(reading)[f"indicator--{ONE}"]["pattern"]


def test_what_has_no_place_is_named_with_its_digest_and_place() -> None:
    strange = attribute(type="iban", value="XX00 1111")
    reading = misp.read(event(strange, brand_new={"a": 1}), "e.json")
    assert sorted(lost(reading)) == [
        ("attribute-type", "/Event/Attribute/0"),
        ("field", "/Event/brand_new"),
    ]
    assert all(loss.value_sha256 and len(loss.value_sha256) == 64 for loss in reading.losses)
    json.dumps(to_json(reading))


def test_the_event_is_kept_whole() -> None:
    raw = event(attribute(), event_creator_email="a@b.example")
    [original] = misp.read(raw, "e.json").originals
    assert json.loads(original.raw) == json.loads(raw)["Event"]


def test_an_object_of_a_known_template_is_one_observation_with_indicators_beside_it() -> None:
    thing = {
        "uuid": TWO,
        "name": "file",
        "meta-category": "file",
        "Attribute": [
            {"object_relation": "filename", "type": "filename", "value": "tide.dll"},
            {
                "uuid": ONE,
                "object_relation": "sha256",
                "type": "sha256",
                "value": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "to_ids": True,
            },
            {"object_relation": "entropy", "type": "float", "value": "7.9"},
        ],
    }
    reading = misp.read(event(Object=[thing]), "e.json")
    made = objects(reading)
    [file] = [d for id, d in made.items() if id.startswith("file--")]
    assert (file["name"], list(file["hashes"])) == ("tide.dll", ["SHA-256"])
    assert made[f"observed-data--{TWO}"]["object_refs"] == [file["id"]]
    [link] = [d for id, d in made.items() if id.startswith("relationship--")]
    assert (link["source_ref"], link["target_ref"]) == (
        f"indicator--{ONE}",
        f"observed-data--{TWO}",
    )
    assert lost(reading) == [("object-relation", "/Event/Object/0/Attribute/2")]


def test_an_object_is_shown_to_no_more_than_its_strictest_attribute() -> None:
    thing = {
        "uuid": TWO,
        "name": "domain-ip",
        "Attribute": [
            {"object_relation": "domain", "type": "domain", "value": "a.example"},
            {
                "object_relation": "ip",
                "type": "ip-dst",
                "value": "203.0.113.9",
                "Tag": [{"name": "tlp:red"}],
            },
        ],
    }
    made = objects(misp.read(event(Object=[thing]), "e.json"))
    assert level(made[f"observed-data--{TWO}"]) == ["RED"]
    assert {d["type"]: level(d) for d in made.values() if d["type"].endswith(("name", "addr"))} == {
        "domain-name": ["RED"],
        "ipv4-addr": ["RED"],
    }


@pytest.mark.parametrize(
    ("distribution", "tag", "expected", "shared"),
    [
        ("0", "tlp:clear", "AMBER+STRICT", False),
        ("1", "tlp:clear", "GREEN", False),
        ("2", "tlp:clear", "GREEN", False),
        ("3", "tlp:clear", "CLEAR", False),
        ("4", "tlp:clear", "AMBER+STRICT", True),
        ("5", "tlp:clear", "CLEAR", False),
        (3, "tlp:clear", "CLEAR", False),
        (0, "tlp:red", "RED", False),
        ("", "tlp:clear", "CLEAR", False),
        ("6", "tlp:clear", "AMBER+STRICT", False),
        (-1, "tlp:clear", "AMBER+STRICT", False),
        ("all", "tlp:clear", "AMBER+STRICT", False),
        ({"a": 1}, "tlp:clear", "AMBER+STRICT", False),
        (True, "tlp:clear", "AMBER+STRICT", False),
    ],
)
def test_every_distribution_has_its_meaning_on_an_event_and_on_an_attribute(
    distribution: Any, tag: str, expected: str, shared: bool
) -> None:
    id = f"indicator--{ONE}"
    whole = event(attribute(), Tag=[{"name": tag}], distribution=distribution)
    part = event(
        attribute(distribution=distribution, Tag=[{"name": tag}]), Tag=[{"name": "tlp:clear"}]
    )
    for raw in (whole, part):
        reading = misp.read(raw, "e.json")
        assert level(objects(reading)[id]) == [expected]
        assert (id in reading.shared) == shared


GROUP = {
    "uuid": TWO,
    "name": "Harbour",
    "SharingGroupOrg": [{"Organisation": {"uuid": EVENT, "name": "GridCo"}}],
}


def test_a_named_sharing_group_holds_whatever_number_stands_beside_it() -> None:
    for distribution in ("3", "5", None):
        raw = event(attribute(distribution=distribution, SharingGroup=GROUP))
        reading = misp.read(raw, "e.json")
        assert reading.shared[f"indicator--{ONE}"] == {frozenset({0})}
        assert level(objects(reading)[f"indicator--{ONE}"]) == ["AMBER+STRICT"]


def test_a_sharing_group_of_an_object_holds_for_all_in_it() -> None:
    part = {"object_relation": "domain", "type": "domain", "value": "h1.example", "to_ids": True}
    whole = {"name": "domain-ip", "uuid": TWO, "distribution": "4", "SharingGroup": GROUP}
    reading = misp.read(event(Object=[{**whole, "Attribute": [{"uuid": ONE, **part}]}]), "e.json")
    made = objects(reading)
    report = next(id for id in made if id.startswith("grouping--"))
    assert reading.shared[f"indicator--{ONE}"] == {frozenset({0})}
    assert level(made[f"indicator--{ONE}"]) == ["AMBER+STRICT"]
    assert reading.shared[f"observed-data--{TWO}"] == {frozenset({0})}
    assert report not in reading.shared
    assert level(made[report]) == ["GREEN"]


def test_an_object_reaches_no_more_than_its_narrowest_attribute() -> None:
    parts = [
        {"object_relation": "domain", "type": "domain", "value": "h1.example", "uuid": ONE},
        {"object_relation": "ip", "type": "ip-dst", "value": "203.0.113.9",
         "distribution": "4", "SharingGroup": GROUP},
    ]  # fmt: skip
    raw = event(Object=[{"name": "domain-ip", "uuid": TWO, "Attribute": parts}])
    assert misp.read(raw, "e.json").shared[f"observed-data--{TWO}"] == {frozenset({0})}


def test_an_observable_of_two_groups_is_for_each_of_them() -> None:
    other = {**GROUP, "uuid": ONE, "name": "Gulf"}
    rows = [
        {"uuid": f"{ONE[:-1]}{n}", "type": "domain", "value": "h1.example",
         "distribution": "4", "SharingGroup": group}
        for n, group in enumerate((GROUP, other), 4)
    ]  # fmt: skip
    reading = misp.read(event(*rows), "e.json")
    (name,) = [id for id in objects(reading) if id.startswith("domain-name--")]
    assert reading.shared[name] == {frozenset({0}), frozenset({1})}
    assert [g.name for g in reading.groups] == ["Harbour", "Gulf"]


def test_a_group_that_is_met_often_is_told_of_once() -> None:
    rows = [
        attribute(f"{ONE[:-2]}{n}", distribution="4", SharingGroup=GROUP, value=f"203.0.113.{n}")
        for n in range(10, 30)
    ]
    reading = misp.read(event(*rows), "e.json")
    assert len(reading.groups) == 1
    assert [loss.kind for loss in reading.losses].count("sharing-group") == 1


def test_sharing_groups_beyond_the_limit_reach_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp_making, "MAX_GROUPS", 2)
    rows = [
        attribute(f"{ONE[:-2]}{n}", distribution="4", SharingGroup={**GROUP, "name": f"g{n}"})
        for n in range(10, 16)
    ]
    groups = misp.read(event(*rows), "e.json").groups
    assert [len(g.organisations) for g in groups] == [1, 1, 0]


def test_an_object_of_an_unknown_template_leaves_its_attributes() -> None:
    thing = {"uuid": TWO, "name": "bank-account", "Attribute": [attribute()]}
    reading = misp.read(event(Object=[thing]), "e.json")
    assert lost(reading) == [("template", "/Event/Object/0")]
    assert f"indicator--{ONE}" in objects(reading)


def test_a_cluster_keeps_its_uuid_and_its_attack_number() -> None:
    galaxy = {
        "type": "mitre-attack-pattern",
        "name": "Attack Pattern",
        "GalaxyCluster": [{"uuid": TWO, "value": "Phishing - T1566", "meta": {}}],
    }
    made = objects(misp.read(event(attribute(Galaxy=[galaxy])), "e.json"))
    one = made[f"attack-pattern--{TWO}"]
    assert one["name"] == "Phishing"
    assert one["external_references"] == [{"source_name": "mitre-attack", "external_id": "T1566"}]
    [link] = [d for d in made.values() if d["type"] == "relationship"]
    assert link["relationship_type"] == "indicates"


def test_a_name_of_many_addresses_costs_no_more_than_their_number() -> None:
    taken = misp_making.Taken()
    maker = misp_making.Maker(taken, "e.json", None)
    name, props = f"domain-name--{ONE}", {"type": "domain-name", "value": "a.example"}
    amber = misp_making.Context(pointer="", tlp="AMBER", pap=None)
    ids = [f"ipv4-addr--5f0c2a1e-0000-4000-8000-{n:012}" for n in range(20_000)]
    started = time.process_time()
    for id in ids:
        maker.observable(name, {**props, "resolves_to_refs": [id]}, amber)
    assert time.process_time() - started < 2
    # What only one of them says is shown to no more than that one, however often it is said.
    for _ in range(2):
        clear = misp_making.Context(pointer="", tlp="CLEAR", pap=None)
        maker.observable(name, {**props, "resolves_to_refs": ids[:1]}, clear)
    maker.write_observables()
    [made] = [o.data for o in taken.objects]
    assert made["resolves_to_refs"] == ids
    assert [TLP_OF_ID[ref] for ref in made["object_marking_refs"]] == ["AMBER"]


def test_a_large_event_is_told_in_several_groupings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp_event, "MAX_REFS", 2)
    many = [
        attribute(f"5f0c2a1e-0000-4000-8000-0000000001{n:02}", value=f"203.0.113.{n}")
        for n in range(5)
    ]
    made = objects(misp.read(event(*many), "e.json"))
    groups = [d for d in made.values() if d["type"] == "grouping"]
    assert len(groups) == 3
    assert {r for d in groups for r in d["object_refs"]} >= {
        f"indicator--{m['uuid']}" for m in many
    }


def test_too_many_attributes_are_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp_making, "MAX_ELEMENTS", 1)
    with pytest.raises(BundleSizeError, match="more than 1 attributes"):
        misp.read(event(attribute(), attribute(TWO)), "e.json")


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"[]",
        b'{"response": []}',
        b'{"Event": 1}',
        b'{"Event": {"info": "x"',
        b'{"Event": {"info": "\xff"}}',
        b"[" * 100_000,
        b'{"Event":' * 50_000,
    ],
)
def test_what_is_no_event_is_refused_with_a_remedy(raw: bytes) -> None:
    with pytest.raises(BundleError) as refused:
        misp.read(raw, "e.json")
    assert refused.value.remedy


def feed(**files: Any) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in files.items():
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            archive.writestr(f"feed/{name}.json", data)
    return packed.getvalue()


def test_a_feed_is_what_its_manifest_names() -> None:
    gone = "5f0c2a1e-0000-4000-8000-0000000000f1"
    raw = feed(
        manifest={EVENT: {}, gone: {}}, **{EVENT: event(attribute()), "other": event(attribute())}
    )
    assert sniff(raw, "feed.zip") == "misp"
    reading = misp.read(raw, "feed.zip")
    assert f"indicator--{ONE}" in objects(reading)
    assert lost(reading) == [("missing", f"/{gone}"), ("missing", "/other")]


def test_a_damaged_feed_is_refused_with_what_to_do() -> None:
    raw = bytearray(feed(manifest={EVENT: {"info": "Tidebeacon " * 20}}, **{EVENT: event()}))
    start = raw.index(b"manifest.json") + len("manifest.json")
    raw[start : start + 8] = b"\xff" * 8
    with pytest.raises(BundleError, match="cannot be opened") as refused:
        misp.read(bytes(raw), "feed.zip")
    assert "pack the feed's folder anew" in refused.value.remedy


def test_a_feed_that_swells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp, "MAX_BYTES", 10_000)
    raw = feed(manifest={EVENT: {}}, **{EVENT: b" " * 1_000_000})
    with pytest.raises(BundleSizeError):
        misp.read(raw, "feed.zip")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"Event": {', "misp"),
        (b' {"response":[{"Event":{', "misp"),
        (b'[{"Event":{', "misp"),
        (b'{"uuid":"x","Orgc":{}', "misp"),
        (b'{"type":"bundle","objects":[{"type":"indicator","spec_version":"2.1","Orgc":1', "stix"),
        (b'{"type":"bundle"', "stix"),
        (b"Northland calls for joint response", "report"),
    ],
)
def test_a_file_is_told_by_its_beginning(head: bytes, kind: str) -> None:
    assert sniff(head, "x.txt") == kind


def test_what_is_made_is_strict_stix_that_opens_as_it_is() -> None:
    reading = misp.read(event(attribute(), attribute(TWO, type="text", value="a note")), "e.json")
    raws = [one.raw for one in reading.objects]
    opened = open_bundle(write_bundle(raws, f"bundle--{EVENT}"))
    assert opened == list(reading.objects)


WORDS = [ONE, TWO, "203.0.113.9", "a.example|203.0.113.9", "x|y", "tlp:red", "0", "4"]
KEYS = st.text(max_size=6) | st.sampled_from(["0", "1", "name", "type"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(WORDS)
    | st.sampled_from(sorted(attribute_types())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted(misp_event._KNOWN_EVENT | misp_event._KNOWN_ATTRIBUTE | misp_event._KNOWN_OBJECT)
NAMES = st.sampled_from([*FIELDS, "meta", "GalaxyCluster", "value"])
THINGS = st.dictionaries(NAMES, VALUES, max_size=8)


@given(
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8),
    st.lists(THINGS | VALUES, max_size=3),
    st.lists(THINGS | VALUES, max_size=2),
)
def test_any_event_is_read_or_refused_never_worse(
    top: dict[str, Any], attributes: list[Any], things: list[Any]
) -> None:
    named = [{**t, "name": "file"} if isinstance(t, dict) else t for t in things]
    body = {**top, "Attribute": attributes, "Object": named}
    try:
        reading = misp.read(json.dumps({"Event": body}).encode(), "e.json")
    except BundleError:  # a number without a value, which is no JSON
        return
    assert len({one.id for one in reading.objects}) == len(reading.objects)
    json.dumps(to_json(reading))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_never_worse(data: bytes) -> None:
    for raw in (data, b'{"Event":' + data + b"}", b'{"response":[' + data + b"]}"):
        try:
            misp.read(raw, "e.json")
        except BundleError:
            continue


@pytest.mark.parametrize("number", [1, 2])
def test_the_corpus_collection_keeps_its_uuids(corpus: Callable[[str], Path], number: int) -> None:
    reading = misp.read(
        corpus("exchange/misp/test_events_collection_1.json").read_bytes(), "collection.json"
    )
    theirs = json.loads(corpus("exchange/misp/test_event1_stix21.json").read_text("utf-8"))
    ours = objects(reading)
    kinds = ("grouping", "indicator")
    wanted = {o["id"]: o for o in theirs["objects"] if o["type"] in kinds}
    assert wanted.keys() <= ours.keys()
    for id, one in wanted.items():
        for name in ("pattern", "name", "description", "valid_from")[: 1 if number == 1 else 3]:
            if name in one:
                assert ours[id][name] == one[name]
