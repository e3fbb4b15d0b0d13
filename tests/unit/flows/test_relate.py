"""Names and overlap as a node tells them: who published is who speaks, and nothing hidden counts.

The two stories of claims.md §4 with invented parties: two catalogues that share a name for two
groups, and one group that two sources describe as serving opposite sides.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import date
from typing import Any

import pytest
from tests.unit.console.conftest import Client

from tocsin.claims.model import EXTENSION_ID
from tocsin.cli import run, terminal
from tocsin.console.app import build
from tocsin.console.auth import Person
from tocsin.errors import InputError, NotFoundError
from tocsin.flows import drafts as drafting
from tocsin.flows import intake, relate
from tocsin.flows.held import seen
from tocsin.flows.intake import Act
from tocsin.relate.names import as_data
from tocsin.stix.bundle import open_object
from tocsin.stix.model import make

World = Any  # tests/unit/conftest.py


def thing(world: World, kind: str, party: str, n: int, **props: Any) -> Any:
    at = intake.stix_time(world.clock())
    given = {
        "id": f"{kind}--{n:08d}-1111-4111-8111-111111111111",
        "created": at,
        "modified": at,
        "created_by_ref": world.node.identity(party),
        **props,
    }
    return open_object(make(kind, **given))


def say(
    world: World, party: str, *objects: Any, tlp: Any = "CLEAR", to: tuple[str, ...] = ()
) -> Any:
    act = Act(author=party, kind="say", tlp=tlp, to=to, objects=objects)
    return intake.record(world.node, act) if party == world.NORTH else world.as_guest(act)


def asked(world: World, name: str, party: str | None = None) -> Any:
    reader = world.node.reader(party or world.NORTH)
    return as_data(relate.held(world.node, reader).names.look_up(name))


def test_one_name_for_two_groups_keeps_two_groups(world: World) -> None:
    """Two groups bear one alias; elsewhere the country of one has become that of both."""
    say(
        world,
        world.NORTH,
        thing(world, "intrusion-set", world.NORTH, 1, name="Salt Lantern", aliases=["Grey Tide"]),
        thing(
            world,
            "threat-actor",
            world.NORTH,
            2,
            name="Grey Tide",
            aliases=["Earth Heron"],
            primary_motivation="ideology",
        ),
    )
    say(
        world,
        world.SOUTH,
        thing(world, "intrusion-set", world.SOUTH, 3, name="Salt-Lantern", aliases=["SL 4"]),
    )
    found = asked(world, "GREY TIDE")
    assert found["ambiguous"]
    assert [(c["name"], c["source"]) for c in found["candidates"]] == [
        ("Salt Lantern", world.NORTH),
        ("Grey Tide", world.NORTH),
    ]
    first, second = found["candidates"]
    assert first["words"].keys() == {"modified"}
    assert second["words"].keys() == {"modified", "primary_motivation"}
    assert [a["name"] for a in first["also"]] == ["Grey Tide"]
    assert [a["name"] for a in second["also"]] == ["Earth Heron"]
    assert found["shared_in"] == [world.NORTH]
    # An alias of an alias leads nowhere by itself.
    assert len(asked(world, "Earth Heron")["candidates"]) == 1
    both = asked(world, "salt lantern")
    assert {c["source"]: [a["name"] for a in c["also"]] for c in both["candidates"]} == {
        world.SOUTH: ["SL 4"],
        world.NORTH: ["Grey Tide"],
    }
    assert both["shared_in"] == [], "each of the two gives it to one group"


def test_two_accounts_of_one_name_stand_beside_each_other(world: World) -> None:
    """A cluster that one source lists as an attacker, and another as that attacker's accuser."""
    for party, n, also in ((world.NORTH, 1, "Lamberts"), (world.SOUTH, 2, "Bureau 39")):
        say(world, party, thing(world, "intrusion-set", party, n, name="Longhorn", aliases=[also]))
    found = asked(world, "longhorn")
    assert found["ambiguous"]
    assert {c["source"]: [a["name"] for a in c["also"]] for c in found["candidates"]} == {
        world.NORTH: ["Lamberts"],
        world.SOUTH: ["Bureau 39"],
    }
    for alias in ("Lamberts", "Bureau 39"):
        assert not asked(world, alias)["ambiguous"]


def test_who_publishes_anothers_object_is_named_beside_its_maker(world: World) -> None:
    maker = open_object(
        make(
            "identity",
            id="identity--99999999-1111-4111-8111-111111111111",
            created="2026-11-01T00:00:00.000Z",
            modified="2026-11-01T00:00:00.000Z",
            name="Bell Catalogue",
            identity_class="organization",
        )
    )
    theirs = thing(world, "intrusion-set", world.NORTH, 1, name="Heron", created_by_ref=maker.id)
    say(world, world.NORTH, maker, theirs)
    say(world, world.SOUTH, theirs)
    found = asked(world, "heron")
    assert [c["source"] for c in found["candidates"]] == [
        f"Bell Catalogue, published by {world.NORTH}, {world.SOUTH}"
    ]
    assert not found["ambiguous"], "one object is one actor, whoever passes it on"


def test_what_is_hidden_or_taken_back_has_no_name(world: World) -> None:
    group = thing(world, "intrusion-set", world.NORTH, 1, name="Heron")
    other = thing(world, "intrusion-set", world.NORTH, 2, name="Heron")
    say(world, world.NORTH, group)
    said = say(world, world.NORTH, other, tlp="AMBER", to=(world.GRID,))
    assert asked(world, "heron")["ambiguous"]
    assert asked(world, "heron", world.GRID)["ambiguous"]
    assert [c["id"] for c in asked(world, "heron", world.SOUTH)["candidates"]] == [group.id]
    south = world.node.reader(world.SOUTH)
    assert relate.held(world.node, south).names.several() == ()
    with pytest.raises(NotFoundError):
        relate.compared(world.node, south, other.id)
    intake.withdraw(world.node, world.NORTH, said.id)
    assert not asked(world, "heron")["ambiguous"]


def uses(world: World) -> tuple[Any, ...]:
    """Two groups that use the same four tools, one other that uses one; and a campaign."""
    tools = [thing(world, "tool", world.NORTH, n, name=f"Tool {n}") for n in range(1, 6)]
    groups = [thing(world, "intrusion-set", world.NORTH, n, name=f"Group {n}") for n in (1, 2, 3)]
    mine = thing(world, "campaign", world.NORTH, 1, name="Grid wiper")
    pairs = [(g, t) for g in groups[:2] for t in tools[:4]] + [(groups[2], tools[4])]
    pairs += [(mine, t) for t in tools[:3]]
    links = [
        thing(
            world,
            "relationship",
            world.NORTH,
            n,
            relationship_type="uses",
            source_ref=one.id,
            target_ref=tool.id,
        )
        for n, (one, tool) in enumerate(pairs)
    ]
    return mine, *tools, *groups, *links


def test_a_campaign_is_compatible_with_groups_and_none_is_named_alone(world: World) -> None:
    mine, *rest = uses(world)
    say(world, world.NORTH, mine, *rest)
    found = world.json("GET", f"/overlap/{mine.id}")
    assert found["says"].startswith("compatible with 2 groups of 3")
    assert [g["name"] for g in found["groups"]] == ["Group 1", "Group 2"]
    for group in found["groups"]:
        assert [(s["name"], s["other_groups"]) for s in group["shared"]] == [
            ("Tool 1", 1),
            ("Tool 2", 1),
            ("Tool 3", 1),
        ]


def test_a_tool_that_is_hidden_is_not_counted(world: World) -> None:
    """With one of the three shared tools out of sight there is too little to compare."""
    mine, first, *rest = uses(world)
    say(world, world.NORTH, mine, *rest)
    say(world, world.NORTH, first, tlp="AMBER", to=(world.GRID,))
    there = world.json("GET", f"/overlap/{mine.id}", party=world.GRID)
    assert there["says"].startswith("compatible with 2")
    here = world.json("GET", f"/overlap/{mine.id}", party=world.SOUTH)
    assert here["says"].startswith("too little to compare")
    assert here["groups"] == []
    assert here["items"] == 2


def test_more_than_can_be_compared_is_refused_with_what_helps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(world, world.NORTH, *uses(world))
    monkeypatch.setattr(relate, "MOST", 5)
    with pytest.raises(InputError, match="compare at most 5"):
        relate.held(world.node, world.node.reader(world.NORTH))


def test_pages_show_every_candidate(world: World) -> None:
    mine, *rest = uses(world)
    double = thing(world, "threat-actor", world.NORTH, 7, name="Group-1", aliases=["<b>Odd</b>"])
    say(world, world.NORTH, mine, *rest, double)
    console = build(world.node)
    client = Client(console.asgi)
    person = Person(name="anna", party=world.NORTH, role="reader")
    client.cookies.set("tocsin", console.doors.open_session(person))
    page = client.get("/names?name=group1").text
    assert "ambiguous" in page
    assert "none is chosen" in page
    assert "&lt;b&gt;Odd" in page
    rows = client.get("/names.json?name=group1").json()["found"]["candidates"]
    assert [row["name"] for row in rows] == ["Group 1", "Group-1"]
    listed = client.get("/names.json").json()
    assert [(s["name"], s["actors"]) for s in listed["several"]] == [("Group 1", 2)]
    shown = client.get(f"/overlap/{mine.id}").text
    assert "compatible with 2 groups of 4" in shown
    assert "order of merit" in shown
    assert client.get(f"/objects/{mine.sha256}").text.count(f"/overlap/{mine.id}") == 1
    assert client.get("/overlap/campaign--00000000-1111-4111-8111-111111111111").status_code == 404
    assert client.get("/names?name=" + "x" * 301).status_code == 400


def test_the_verbs_ask_the_node_where_no_file_is_given(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, *rest = uses(world)
    say(world, world.NORTH, mine, *rest)
    client = world.client(world.NORTH)
    monkeypatch.setattr(terminal, "node", lambda: nullcontext(client))
    assert run(["names", "group-1", "Nobody"]) == 0
    said = capsys.readouterr().out
    assert "group-1: 1 actor" in said
    assert "Nobody: nobody is called so" in said
    assert run(["overlap", mine.id]) == 0
    said = capsys.readouterr().out
    assert "Grid wiper: compatible with 2 groups of 3" in said
    assert "Group 1" in said
    assert "Group 2" in said
    assert run(["overlap", "campaign--00000000-1111-4111-8111-111111111111"]) == 1
    assert "Traceback" not in capsys.readouterr().err


GALAXY = {
    "type": "acme-actor",
    "version": 3,
    "values": [
        {
            "value": "Grey Heron",
            "uuid": "11111111-1111-4111-8111-111111111111",
            "meta": {
                "synonyms": ["TEAL ANVIL", "UNC-70"],
                "country": "XX",
                "name-attribution": ["TEAL ANVIL:22222222-2222-4222-8222-222222222222"],
            },
        },
        {
            "value": "Slow Tide",
            "uuid": "33333333-3333-4333-8333-333333333333",
            "meta": {"synonyms": ["UNC 70"]},
        },
    ],
}


def accepted(world: World, galaxy: dict[str, Any], name: str) -> None:
    raw = json.dumps(galaxy).encode()
    _, drafts = drafting.ingest(world.node, raw, name, published=date(2026, 11, 18))
    how = drafting.Accepting(by=world.NORTH, tlp="AMBER", to=(world.GRID,), date="2026-11-18")
    drafting.accept(world.node, [(d.id, d.revision) for d in drafts], how)


def test_a_data_set_of_names_accepted_as_claims_is_looked_up(world: World) -> None:
    accepted(world, GALAXY, "acme.json")
    found = asked(world, "unc70")
    assert found["ambiguous"]
    assert {c["name"] for c in found["candidates"]} == {"Grey Heron", "Slow Tide"}
    [source] = {c["source"] for c in found["candidates"]}
    assert source == "MISP galaxy acme-actor, version 3, coded by cert.northland.example"
    assert found["shared_in"] == [source], "the source itself gives the name to two"
    [teal] = asked(world, "Teal Anvil")["candidates"]
    assert teal["coined_by"] == "producer 22222222-2222-4222-8222-222222222222"
    assert teal["source"] == source
    [main] = asked(world, "grey heron")["candidates"]
    assert sorted(a["name"] for a in main["also"]) == ["TEAL ANVIL", "UNC-70"]
    assert main["words"] == {}, "what the source says of a country is a claim of its own"
    assert asked(world, "unc70", world.GRID)["ambiguous"]
    assert asked(world, "unc70", world.SOUTH)["candidates"] == []


def test_two_data_sets_that_list_one_name_stay_two(world: World) -> None:
    accepted(world, GALAXY, "acme.json")
    other = {**GALAXY, "type": "bell-actor", "values": [
        {"value": "Grey Heron", "uuid": "5", "meta": {"synonyms": ["Bell 4"]}}
    ]}  # fmt: skip
    accepted(world, other, "bell.json")
    found = asked(world, "Grey Heron")
    assert found["ambiguous"]
    assert {c["source"].partition(",")[0]: len(c["also"]) for c in found["candidates"]} == {
        "MISP galaxy acme-actor": 2,
        "MISP galaxy bell-actor": 1,
    }


def test_a_name_that_its_coder_withdrew_in_the_claim_itself_is_none(world: World) -> None:
    accepted(world, GALAXY, "acme.json")
    own = world.node.identity(world.NORTH)
    view = seen(world.node, world.node.reader(world.NORTH)).view
    world.clock.later(days=1)
    newer = []
    for claim in view.claims.values():
        data = view.objects[claim.id].data
        at = {"value": "2026-11-23", "precision": "day"}
        event = {"status": "withdrawn", "at": at, "by_ref": own}
        x = {**data["extensions"][EXTENSION_ID], "status_events": [event]}
        more = {"modified": intake.stix_time(world.clock()), "extensions": {EXTENSION_ID: x}}
        newer.append(open_object(json.dumps({**data, **more}).encode()))
    assert asked(world, "Teal Anvil")["candidates"]
    say(world, world.NORTH, *newer)
    assert asked(world, "Teal Anvil")["candidates"] == []
