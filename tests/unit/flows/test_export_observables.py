"""Observables beside indicators: made as a file is written, from the pattern, and held once."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from tests.unit.flows.test_export import export, indicator, say

from tocsin.errors import UsageError
from tocsin.flows import drafts as drafting
from tocsin.flows import imports
from tocsin.stix.bundle import open_object
from tocsin.stix.check import check_bundle
from tocsin.stix.ids import sco_id
from tocsin.stix.markings import MARKING_ID
from tocsin.stix.model import make

World = Any  # tests/unit/conftest.py
NAME = sco_id("domain-name", {"value": "relay.example"})


def objects(world: World, **more: Any) -> dict[str, dict[str, Any]]:
    made = export(world, "stix", observables=True, **more)
    assert made.written.count == len(json.loads(made.written.raw)["objects"])
    return {one["id"]: one for one in json.loads(made.written.raw)["objects"]}


def ties(held: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in held.values() if one["type"] == "relationship"]


def test_each_indicator_is_based_on_what_its_pattern_names_and_others_can_read_it(
    world: World,
) -> None:
    one = indicator(world, 1, "relay.example")
    say(world, one)
    held = objects(world)
    assert held[NAME]["value"] == "relay.example"
    [tie] = ties(held)
    assert (tie["source_ref"], tie["relationship_type"], tie["target_ref"]) == (
        one.id,
        "based-on",
        NAME,
    )
    assert tie["created_by_ref"] == world.node.identity(world.NORTH)
    raw = export(world, "stix", observables=True).written.raw
    stix2: Any = importlib.import_module("stix2")
    assert len(stix2.parse(raw, version="2.1").objects) == len(held)
    assert not [f for f in check_bundle(raw).findings if f.severity == "error"]
    # Without being asked for, the file holds what was said and no more.
    plain = json.loads(export(world, "stix").written.raw)["objects"]
    assert NAME not in [o["id"] for o in plain]


def test_one_value_of_two_indicators_is_one_object_under_the_wider_marking(world: World) -> None:
    say(world, indicator(world, 1, "relay.example", tlp="AMBER"))
    say(world, indicator(world, 2, "relay.example"))
    held = objects(world)
    assert held[NAME]["object_marking_refs"] == [MARKING_ID["GREEN"]]
    assert {tie["object_marking_refs"][0] for tie in ties(held)} == {
        MARKING_ID["GREEN"],
        MARKING_ID["AMBER+STRICT"],  # nobody else is named
    }
    assert {MARKING_ID["AMBER+STRICT"], MARKING_ID["GREEN"]} <= held.keys()


def test_a_file_read_again_and_written_again_holds_each_once(world: World) -> None:
    say(world, indicator(world, 1, "relay.example"))
    raw = export(world, "stix", observables=True).written.raw
    kept, drafts = drafting.ingest(world.node, raw, "again.json")
    assert drafts == []
    how = drafting.Accepting(by=world.NORTH, tlp="GREEN")
    done = imports.accept(world.node, kept.id, how)
    assert (done.said, done.left_out) == (2, ())  # the name and the tie; the indicator was said
    again = export(world, "stix", observables=True).written.raw

    def rows(file: bytes) -> list[str]:
        return sorted(json.dumps(o, sort_keys=True) for o in json.loads(file)["objects"])

    assert rows(again) == rows(raw)
    # Tools that get attributes get one for it, as before.
    event = json.loads(export(world, "misp").written.raw)["Event"]
    assert [a["value"] for a in event["Attribute"]] == ["relay.example"]


def test_a_tie_that_somebody_said_is_not_said_again(world: World) -> None:
    one = indicator(world, 1, "relay.example")
    theirs = make(
        "relationship",
        id="relationship--5f0c2a1e-0000-4000-8000-000000000042",
        created="2026-11-18T08:00:00Z",
        relationship_type="based-on",
        source_ref=one.id,
        target_ref=NAME,
    )
    name = make("domain-name", id=NAME, value="relay.example")
    say(world, one, open_object(theirs), open_object(name))
    held = objects(world)
    assert [tie["id"] for tie in ties(held)] == [
        "relationship--5f0c2a1e-0000-4000-8000-000000000042"
    ]
    assert "object_marking_refs" not in held[NAME]  # as it came


def test_an_indicator_that_names_no_thing_leaves_as_it_is_and_it_is_told(world: World) -> None:
    like = indicator(world, 1, "relay.example").data | {
        "pattern": "[domain-name:value LIKE '%.example']"
    }
    say(world, open_object(json.dumps(like).encode()))
    made = export(world, "stix", observables=True)
    [loss] = made.losses
    assert loss.why == "no observable stands for its pattern: LIKE names no one thing"
    assert made.left_out == {}
    assert like["id"] in made.written.raw.decode()


def test_only_stix_has_objects(world: World) -> None:
    say(world, indicator(world, 1, "relay.example"))
    with pytest.raises(UsageError, match="--observables"):
        export(world, "misp", observables=True)
    answer = world.client(world.NORTH).get("/exports/lists", **{"as": "stix", "observables": "1"})
    assert answer["count"] >= 3
