"""Files that name groups, as drafts: the source is the speaker, and nothing is merged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import BundleError, ReportError
from tocsin.importers import groups
from tocsin.importers.interface import Reading, chosen, sniff

GALAXY: dict[str, Any] = {
    "authors": ["Northholm"],
    "category": "actor",
    "name": "Actors",
    "source": "own",
    "type": "threat-actor",
    "uuid": "11111111-1111-4111-8111-111111111111",
    "version": 7,
    "values": [
        {
            "uuid": "21111111-1111-4111-8111-111111111111",
            "value": "Grey Heron",
            "meta": {
                "synonyms": ["Dusk Otter", "Silt"],
                "name-attribution": ["Dusk Otter:Tidewater Labs"],
                "country": "XW",
                "cfr-suspected-state-sponsor": "Westmark",
                "attribution-confidence": "50",
            },
        },
        {
            "uuid": "31111111-1111-4111-8111-111111111111",
            "value": "Slate Wren",
            "meta": {"synonyms": ["silt"], "country": "Unknown", "attribution-confidence": "10"},
        },
    ],
}


def read(data: Any, **more: Any) -> Reading:
    return groups.read(json.dumps(data).encode(), "actors.json", **more)


def test_an_alias_is_the_word_of_whoever_coined_it_else_of_the_source() -> None:
    aliases = [d for d in read(GALAXY).drafts if d.claim_type == "assessment"]
    assert [(d.words, d.speaker) for d in aliases] == [
        ("“Grey Heron” is also called “Dusk Otter”", "producer Tidewater Labs"),
        ("“Grey Heron” is also called “Silt”", "MISP galaxy threat-actor, version 7"),
        ("“Slate Wren” is also called “silt”", "MISP galaxy threat-actor, version 7"),
    ]
    assert aliases[0].coded
    assert aliases[0].coded.outlet == "MISP galaxy threat-actor, version 7"
    assert aliases[1].confidence_notes == ("also a name of 1 other actors in this file",)


def test_a_field_that_names_a_state_is_an_attribution_by_the_source() -> None:
    found = [d for d in read(GALAXY).drafts if d.claim_type == "attribution"]
    assert [(d.addressee, d.coded.sponsor, d.coded.confidence) for d in found if d.coded] == [
        ("XW", None, "50"),
        ("Westmark", "Westmark", "50"),
    ]
    assert {d.speaker for d in found} == {"MISP galaxy threat-actor, version 7"}
    assert all(d.coded and d.coded.actor == "Grey Heron" for d in found)


def test_unknown_names_nobody_and_is_a_loss() -> None:
    losses = [(one.kind, one.pointer) for one in read(GALAXY).losses]
    slate = GALAXY["values"][1]["uuid"]
    assert losses == [("no-value", slate), ("no-value", slate)]


def bundle() -> dict[str, Any]:
    stamp = "2026-02-03T09:00:00.000Z"
    common = {"spec_version": "2.1", "created": stamp, "modified": stamp}
    who = "identity--41111111-1111-4111-8111-111111111111"

    def one(kind: str, n: int, **more: Any) -> dict[str, Any]:
        id = f"{kind}--5{n}111111-1111-4111-8111-111111111111"
        return {"type": kind, "id": id, "created_by_ref": who, **common, **more}

    group = one("intrusion-set", 1, name="Grey Heron", aliases=["Grey Heron", "Dusk Otter"])
    campaign = one(
        "campaign",
        2,
        name="Low Tide",
        first_seen="2026-03-01T00:00:00.000Z",
        last_seen="2026-02-01T00:00:00.000Z",
        external_references=[{"source_name": "x", "url": "https://tide.example/"}],
    )
    tie = one(
        "relationship",
        3,
        relationship_type="attributed-to",
        source_ref=campaign["id"],
        target_ref=group["id"],
    )
    author = {"type": "identity", "id": who, "name": "Tidewater Labs", **common}
    return {
        "type": "bundle",
        "id": "bundle--61111111-1111-4111-8111-111111111111",
        "objects": [author, group, campaign, tie],
    }


def test_groups_and_campaigns_in_stix() -> None:
    reading = read(bundle())
    assert [(d.claim_type, d.words, d.speaker, d.date) for d in reading.drafts] == [
        ("assessment", "“Grey Heron” is also called “Dusk Otter”", "Tidewater Labs", "2026-02-03"),
        (
            "discovery",
            "campaign “Low Tide”: first seen 2026-03-01T00:00:00.000Z, "
            "last seen 2026-02-01T00:00:00.000Z",
            "Tidewater Labs",
            "2026-02-03",
        ),
        ("attribution", "“Low Tide” is attributed to “Grey Heron”", "Tidewater Labs", "2026-02-03"),
    ]
    assert [f.name for f in reading.drafts[1].flags] == ["interval-reversed"]
    assert reading.drafts[1].coded
    assert reading.drafts[1].coded.sources == ("https://tide.example/",)
    for one in reading.drafts:
        assert reading.text[slice(*one.span)] == one.words


@pytest.mark.parametrize(
    ("first", "last", "flagged"),
    [
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000Z", []),
        ("2026-03-01T01:00:00.5Z", "2026-03-01T01:00:00.50Z", []),
        ("2026-03-01T01:00:00.001Z", "2026-03-01T01:00:00Z", ["interval-reversed"]),
        ("03.2026", "2026-03-04", []),
        ("04.2026", "2026-03-04", ["interval-reversed"]),
        ("2026-03-04T00:00:00Z", "2026", ["year-only"]),
        ("soon", "2026-03-04", ["bad-date"]),
    ],
)
def test_an_interval_is_reversed_by_its_dates_and_not_by_how_they_are_written(
    first: str, last: str, flagged: list[str]
) -> None:
    data = bundle()
    [campaign] = [o for o in data["objects"] if o["type"] == "campaign"]
    campaign |= {"first_seen": first, "last_seen": last}
    [seen] = [d for d in read(data).drafts if d.claim_type == "discovery"]
    assert [f.name for f in seen.flags] == flagged


def test_what_a_group_in_stix_is_not_called_is_listed() -> None:
    data = bundle()
    [group] = [o for o in data["objects"] if o["type"] == "intrusion-set"]
    [campaign] = [o for o in data["objects"] if o["type"] == "campaign"]
    group["aliases"] = ["Dusk Otter", "more than " + "x" * 300]
    campaign["name"] = "y" * 301
    found = [(loss.kind, loss.pointer) for loss in read(data).losses]
    assert found == [
        ("bad-value", group["id"]),
        ("bad-object", campaign["id"]),
        ("no-value", data["objects"][-1]["id"]),
    ]


def test_a_galaxy_is_known_by_its_form_and_stix_is_read_as_claims_where_it_is_asked() -> None:
    galaxy, stix = json.dumps(GALAXY).encode(), json.dumps(bundle()).encode()
    assert sniff(galaxy, "x.json") == "groups"
    assert sniff(stix, "x.json") == "stix"
    assert chosen(stix, "x.json", None, as_claims=True) == "groups"
    assert chosen(galaxy, "x.json", None, as_claims=False) == "groups"


def test_what_is_neither_is_refused() -> None:
    for raw in (b"{}", b"[1]", b"nothing", b'{"values": 3}'):
        with pytest.raises((BundleError, ReportError)):
            groups.read(raw, "x.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"value": JSON},
            optional={
                "uuid": JSON,
                "meta": st.dictionaries(
                    st.sampled_from(
                        ("synonyms", "country", "name-attribution", "attribution-confidence")
                    ),
                    JSON,
                ),
            },
        ),
        max_size=3,
    )
)
def test_any_cluster_is_read_or_left_out(values: list[Any]) -> None:
    reading = read({**GALAXY, "values": values})
    for one in reading.drafts:
        assert reading.text[slice(*one.span)] == one.words


def test_the_public_galaxy_gives_every_alias_and_field(corpus: Callable[[str], Path]) -> None:
    raw = corpus("claims/naming/threat-actor.json").read_bytes()
    values = json.loads(raw)["values"]
    drafts = groups.read(raw, "threat-actor.json").drafts
    found = Counter(d.claim_type for d in drafts)
    aliases = sum(
        len({s for s in v.get("meta", {}).get("synonyms", []) if s != v["value"]}) for v in values
    )
    assert found["assessment"] == aliases
    fields = [v.get("meta", {}).get("country") for v in values]
    countries = sum(1 for d in drafts if "its field country" in d.words)
    assert countries == sum(1 for f in fields if f and f != "Unknown")
