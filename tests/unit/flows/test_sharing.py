"""A MISP sharing group accepted: to the parties its organisations are, and to nobody by a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tocsin.flows import drafts as drafting
from tocsin.flows import imports
from tocsin.flows.drafts import Accepting
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
