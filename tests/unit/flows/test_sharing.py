"""A MISP sharing group accepted: to the parties its organisations are, and to nobody by a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.exporters import misp as misp_out
from tocsin.exporters.interface import Selection, Thing
from tocsin.flows import drafts as drafting
from tocsin.flows import export as exporting
from tocsin.flows import imports, sharing
from tocsin.flows.drafts import Accepting
from tocsin.flows.export import Wanted
from tocsin.flows.sharing import Tied
from tocsin.importers.misp import read
from tocsin.policy import may_leave

World = Any  # tests/unit/conftest.py
EVENT = "5f0c2a1e-0000-4000-8000-000000000001"
FREE, SHARED = "5f0c2a1e-0000-4000-8000-000000000002", "5f0c2a1e-0000-4000-8000-000000000003"
GROUP = "5f0c2a1e-0000-4000-8000-00000000009a"
STRANGER = "5f0c2a1e-0000-4000-8000-0000000000cc"


def uuid_of(world: World, party: str) -> str:
    return str(world.node.identity(party).removeprefix("identity--"))


def group(*organisations: tuple[str, str], name: str = "Harbour", uuid: str = GROUP) -> Any:
    rows = [{"Organisation": {"uuid": u, "name": n}} for u, n in organisations]
    return {"uuid": uuid, "name": name, "SharingGroupOrg": rows}


def event(
    sharing: Any = None, *, whole: Any = None, tags: tuple[str, ...] = (), **shared: Any
) -> bytes:
    """An event of two indicators; `sharing` holds for the second, `whole` for all of it."""
    under: dict[str, Any] = (
        {} if sharing is None else {"distribution": "4", "SharingGroup": sharing}
    )
    body = {
        "uuid": EVENT,
        "info": "Tidebeacon",
        "date": "2026-11-18",
        "timestamp": "1795000000",
        "Orgc": {"uuid": "5f0c2a1e-0000-4000-8000-0000000000aa", "name": "Somebody"},
        "Tag": [{"name": tag} for tag in tags or ("tlp:green",)],
        "Attribute": [
            {"uuid": FREE, "type": "domain", "value": "free.example", "to_ids": True},
            {
                "uuid": SHARED,
                "type": "domain",
                "value": "shared.example",
                "to_ids": True,
                "timestamp": "1795000001",
                **under,
                **shared,
            },
        ],
    }
    if whole is not None:
        body |= {"distribution": "4", "SharingGroup": whole}
    return json.dumps({"Event": body}).encode()


def accept(world: World, raw: bytes, **more: Any) -> imports.Imported:
    kept, _ = drafting.ingest(world.node, raw, "event.json")
    how = Accepting(**{"by": world.NORTH, "tlp": "GREEN", **more})
    return imports.accept(world.node, kept.id, how)


def readable(world: World, party: str) -> set[str]:
    held = world.node.store.select(world.node.allowed(world.node.reader(party)))
    return {o.id for o in held if not o.withdrawn}


ONE, TWO = f"indicator--{FREE}", f"indicator--{SHARED}"


def told(world: World, **organisations: str) -> Any:
    """The same world, whose operator has tied organisations to parties."""
    world.node = replace(world.node, organisations=organisations)
    return world


def test_an_organisation_whose_uuid_a_party_declares_is_reached_and_nobody_else(
    world: World,
) -> None:
    accept(world, event(group((uuid_of(world, world.GRID), "any name"))))
    assert {ONE, TWO} <= readable(world, world.GRID)
    assert ONE in readable(world, world.SOUTH)
    assert TWO not in readable(world, world.SOUTH)


def test_a_name_that_looks_alike_is_nobodys(world: World) -> None:
    called = world.node.directory.party(world.GRID).name
    accept(world, event(group((STRANGER, called), ("", world.GRID))), to=(world.GRID, world.SOUTH))
    assert TWO in readable(world, world.NORTH)
    assert TWO not in readable(world, world.GRID) | readable(world, world.SOUTH)


@pytest.mark.parametrize("key", [STRANGER, STRANGER.upper(), "Grid & Co"])
def test_the_operator_ties_an_organisation_by_uuid_or_by_its_very_name(
    world: World, key: str
) -> None:
    told(world, **{key: world.GRID})
    accept(world, event(group((STRANGER, "Grid & Co"))))
    assert TWO in readable(world, world.GRID)
    assert TWO not in readable(world, world.SOUTH)


def test_what_the_operator_ties_to_no_party_reaches_nobody(world: World) -> None:
    told(world, **{STRANGER: "nobody.example"})
    kept, _ = drafting.ingest(world.node, event(group((STRANGER, "Grid & Co"))), "e.json")
    assert any("nobody.example" in loss.note for loss in kept.losses)
    (circle,) = imports.reached(world.node, kept.id, world.NORTH)
    assert (circle.parties, circle.unknown) == ((), True)


def test_who_is_no_party_is_a_loss_and_the_others_are_reached(world: World) -> None:
    raw = event(group((uuid_of(world, world.GRID), "Grid"), (STRANGER, "Elsewhere")))
    kept, _ = drafting.ingest(world.node, raw, "e.json")
    lost = [x.note for x in kept.losses if x.kind == "sharing-group"]
    assert any("'Elsewhere'" in note and "gets nothing" in note for note in lost)
    assert not any("'Grid'" in note for note in lost)
    (circle,) = imports.reached(world.node, kept.id, world.NORTH)
    assert (circle.parties, circle.unknown) == ((world.GRID,), False)
    assert circle.groups == ("Harbour",)
    assert {m.name: m.party for m in circle.members} == {"Grid": world.GRID, "Elsewhere": None}


def test_a_group_none_of_whose_organisations_is_a_party_opens_to_nobody_and_to_no_file(
    world: World,
) -> None:
    accept(world, event(group((STRANGER, "Elsewhere"))), tlp="CLEAR", to=(world.GRID,))
    assert TWO not in readable(world, world.GRID)
    node = world.node
    leaving = {n for n, a in node.store.audiences().items() if may_leave(a)}
    own = node.allowed(node.reader(world.NORTH))
    (held,) = node.store.versions(TWO, own)
    assert not node.store.versions(TWO, frozenset(own & leaving))
    words = [
        o.data["definition"]["statement"]
        for o in node.store.select(own, types=["marking-definition"])
        if o.id in held.data["object_marking_refs"] and "definition" in o.data
    ]
    assert words == [f"Only for the organisations of the MISP sharing group Harbour ({GROUP}); "
                     "do not share further."]  # fmt: skip


def test_a_group_without_its_organisations_opens_to_nobody(world: World) -> None:
    accept(world, event(distribution="4", sharing_group_id="7"), to=(world.GRID,))
    assert TWO not in readable(world, world.GRID)


def test_the_acceptance_only_narrows(world: World) -> None:
    both = group((uuid_of(world, world.GRID), "a"), (uuid_of(world, world.SOUTH), "b"))
    accept(world, event(both), to=(world.SOUTH,))
    assert TWO not in readable(world, world.GRID)
    assert TWO in readable(world, world.SOUTH)


def test_a_group_inside_a_group_reaches_those_in_both(world: World) -> None:
    whole = group((uuid_of(world, world.GRID), "a"), (uuid_of(world, world.SOUTH), "b"))
    inner = group((uuid_of(world, world.SOUTH), "b"), name="Inner", uuid=STRANGER)
    accept(world, event(inner, whole=whole))
    assert ONE in readable(world, world.GRID) & readable(world, world.SOUTH)
    assert TWO not in readable(world, world.GRID)
    assert TWO in readable(world, world.SOUTH)


def test_a_marking_of_its_own_stays_as_strict(world: World) -> None:
    accept(world, event(whole=group((uuid_of(world, world.GRID), "a")), tags=("tlp:clear",)))
    (audience,) = [
        world.node.store.audiences()[n]
        for n in world.node.allowed(world.node.reader(world.GRID))
        if world.node.store.versions(TWO, frozenset((n,)))
    ]
    assert (audience.tlp, audience.to) == ("AMBER+STRICT", frozenset((world.GRID,)))


def test_a_group_that_lost_an_organisation_is_taken_back_from_it(world: World) -> None:
    grid, south = (uuid_of(world, world.GRID), "a"), (uuid_of(world, world.SOUTH), "b")
    accept(world, event(group(grid, south)))
    assert TWO in readable(world, world.GRID)
    # Neither the attribute nor its time has changed, only who is in the group.
    done = accept(world, event(group(south)))
    assert done.said > 0
    assert TWO not in readable(world, world.GRID)
    assert TWO in readable(world, world.SOUTH)
    again = accept(world, event(group(south)))
    assert (again.said, again.statements) == (0, ())


def test_who_becomes_a_party_later_gets_it_when_it_is_said_again(world: World) -> None:
    raw = event(group((uuid_of(world, world.GRID), "a"), (STRANGER, "South")))
    accept(world, raw)
    assert TWO not in readable(world, world.SOUTH)
    told(world, **{STRANGER: world.SOUTH})
    assert accept(world, raw).said > 0
    assert TWO in readable(world, world.GRID) & readable(world, world.SOUTH)
    assert accept(world, raw).said == 0


def test_the_first_organisation_tied_opens_what_nobody_could_read(world: World) -> None:
    raw = event(group((STRANGER, "South")))
    accept(world, raw)
    told(world, **{STRANGER: world.SOUTH})
    world.clock.later(hours=1)
    accept(world, raw)
    assert TWO in readable(world, world.SOUTH)
    assert TWO not in readable(world, world.GRID)
    assert accept(world, raw).said == 0


def test_an_organisation_that_two_parties_declare_is_neither(world: World) -> None:
    parties = tuple(
        replace_facets(p, {"misp_organisations": [STRANGER]}) if p.id != world.NORTH else p
        for p in world.node.directory.parties
    )
    found = tied(world, parties)
    assert found.party is None
    assert "declared by several" in found.why


def test_a_party_may_declare_its_organisations_uuid_in_the_directory(world: World) -> None:
    parties = tuple(
        replace_facets(p, {"misp_organisations": STRANGER.upper()}) if p.id == world.GRID else p
        for p in world.node.directory.parties
    )
    assert tied(world, parties).party == world.GRID


def replace_facets(party: Any, facets: Mapping[str, Any]) -> Any:
    from msgspec.structs import replace as changed

    return changed(party, facets=dict(facets))


def tied(world: World, parties: Any) -> Any:
    from types import SimpleNamespace

    from tocsin.flows.sharing import Tied
    from tocsin.importers.interface import Organisation

    node: Any = SimpleNamespace(organisations={}, directory=SimpleNamespace(parties=parties))
    return Tied(node, ()).member(Organisation(STRANGER, "South"))


# --- and back -------------------------------------------------------------------------------------


def exported(world: World) -> tuple[dict[str, Any], exporting.Exported]:
    own = world.node.reader(world.NORTH)
    made = exporting.export(world.node, Wanted(form="misp"), own, own=own)
    document = json.loads(made.written.raw)
    events = document.get("response", [document])
    return {a["uuid"]: {"event": e["Event"], **a} for e in events
            for a in e["Event"]["Attribute"]}, made  # fmt: skip


def test_named_parties_leave_as_a_sharing_group_and_come_back_as_the_same_parties(
    world: World,
) -> None:
    accept(world, event(group((uuid_of(world, world.GRID), "Grid"))))
    rows, made = exported(world)
    assert rows[FREE]["event"]["distribution"] == "1"
    assert rows[FREE]["distribution"] == "5"
    assert rows[SHARED]["distribution"] == "4"
    listed = [o["Organisation"] for o in rows[SHARED]["SharingGroup"]["SharingGroupOrg"]]
    assert {o["uuid"] for o in listed} == {
        uuid_of(world, world.GRID),
        uuid_of(world, world.NORTH),
    }
    kept, _ = drafting.ingest(world.node, made.written.raw, "back.json")
    assert not [x for x in kept.losses if "gets nothing" in x.note]
    (circle,) = [c for c in imports.reached(world.node, kept.id, world.NORTH) if c.members]
    assert circle.parties == (world.GRID,)


def test_what_the_operator_tied_leaves_under_the_organisations_own_uuid(world: World) -> None:
    told(world, **{STRANGER: world.GRID})
    accept(world, event(whole=group((STRANGER, "Grid & Co"))))
    rows, _ = exported(world)
    whole = rows[SHARED]["event"]
    assert whole["distribution"] == "4"
    assert {o["Organisation"]["uuid"] for o in whole["SharingGroup"]["SharingGroupOrg"]} == {
        STRANGER,
        uuid_of(world, world.NORTH),
    }
    assert {row["distribution"] for row in rows.values()} == {"5"}
    assert "SharingGroup" not in rows[SHARED]


def test_an_attribute_for_fewer_than_its_event_has_a_group_of_its_own(world: World) -> None:
    grid, south = (uuid_of(world, world.GRID), "a"), (uuid_of(world, world.SOUTH), "b")
    accept(world, event(group(south, uuid=STRANGER), whole=group(grid, south)))
    rows, _ = exported(world)
    assert rows[FREE]["distribution"] == "5"
    assert rows[SHARED]["distribution"] == "4"
    groups = [rows[FREE]["event"]["SharingGroup"], rows[SHARED]["SharingGroup"]]
    assert [len(g["SharingGroupOrg"]) for g in groups] == [3, 2]
    assert groups[0]["uuid"] != groups[1]["uuid"]


def test_what_is_stricter_than_its_event_goes_less_far_than_it(world: World) -> None:
    accept(world, event(distribution="0"))
    rows, _ = exported(world)
    assert rows[SHARED]["event"]["distribution"] == "1"
    assert (rows[FREE]["distribution"], rows[SHARED]["distribution"]) == ("5", "0")


def test_amber_for_named_parties_loses_their_clients_and_says_so(world: World) -> None:
    accept(world, event(tags=("tlp:amber",)), tlp="AMBER", to=(world.GRID,))
    rows, made = exported(world)
    assert rows[FREE]["event"]["distribution"] == "4"
    assert any("clients" in loss.why for loss in made.losses)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.sampled_from("ab"), min_size=1), min_size=1, max_size=3))
def test_there_and_back_nobody_is_reached_who_was_not(
    world: World, members: list[set[str]]
) -> None:
    """Whatever groups stand inside each other, and whoever was tied."""
    called = {"a": uuid_of(world, world.GRID), "b": uuid_of(world, world.SOUTH)}
    rows = [
        {"uuid": FREE[:-2] + f"{n:02}", "type": "domain", "value": f"h{n}.example",
         "to_ids": True, "distribution": "4",
         "SharingGroup": group(*((called[m], m) for m in sorted(those)), name=f"g{n}")}
        for n, those in enumerate(members, 20)
    ]  # fmt: skip
    raw = json.dumps({"Event": {"uuid": EVENT, "info": "T", "Attribute": rows}}).encode()
    reading = read(raw, "e.json")
    tied = Tied(world.node, reading.groups)
    first = {
        id: {t.limit for t in tied.targets(ways, world.NORTH)}
        for id, ways in reading.shared.items()
        if id.startswith("indicator--")
    }
    to = {id: (next(iter(limits)) or set()) | {world.NORTH} for id, limits in first.items()}
    things = tuple(
        Thing(
            data=o.data,
            tlp="AMBER+STRICT",
            to=frozenset(to[o.id]) if o.id in to else None,
        )
        for o in reading.objects
    )
    made = misp_out.write(
        Selection(
            title="t", key="k", party=world.NORTH, identity=world.node.identity(world.NORTH),
            at=world.clock(), things=things, organisations=sharing.organisations(world.node),
        )
    )  # fmt: skip
    back = read(made.raw, "back.json")
    again = Tied(world.node, back.groups)
    for id, limits in first.items():
        assert {t.limit for t in again.targets(back.shared[id], world.NORTH)} == limits
