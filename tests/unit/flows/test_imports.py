"""A MISP event accepted: said once, withdrawn when it goes, kept whole for its party alone."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tocsin.errors import (
    ConflictError,
    DraftError,
    ForbiddenError,
    LogHalted,
    NotFoundError,
)
from tocsin.flows import drafts as drafting
from tocsin.flows import imports, sayings
from tocsin.flows.drafts import Accepting
from tocsin.policy import TLP_ORDER
from tocsin.stix.markings import MARKING_ID

World = Any  # tests/unit/conftest.py
EVENT = "5f0c2a1e-0000-4000-8000-000000000001"
ONE = "indicator--5f0c2a1e-0000-4000-8000-000000000002"
TWO = "indicator--5f0c2a1e-0000-4000-8000-000000000003"


def event(*, tag: str = "tlp:green", gone: bool = False, orgc: str | None = None) -> bytes:
    rows: list[dict[str, Any]] = [
        {"uuid": ONE[11:], "type": "ip-dst", "value": "203.0.113.9", "deleted": gone},
        {"uuid": TWO[11:], "type": "domain", "value": "relay.tidebeacon.example"},
    ]
    body = {
        "uuid": EVENT,
        "info": "Tidebeacon",
        "date": "2026-11-18",
        "timestamp": "1795000000",
        "Orgc": {"uuid": orgc or "5f0c2a1e-0000-4000-8000-0000000000aa", "name": "Somebody"},
        "Tag": [{"name": tag}, {"name": "PAP:AMBER"}],
        "Attribute": [{**row, "to_ids": True} for row in rows],
    }
    return json.dumps({"Event": body}).encode()


def accept(world: World, raw: bytes, **more: Any) -> imports.Imported:
    kept, drafts = drafting.ingest(world.node, raw, "event.json")
    assert drafts == []
    how = Accepting(**{"by": world.NORTH, "tlp": "GREEN", **more})
    return imports.accept(world.node, kept.id, how)


def readable(world: World, party: str) -> dict[str, Any]:
    held = world.node.store.select(world.node.allowed(world.node.reader(party)))
    return {o.id: o for o in held if not o.withdrawn}


def test_objects_are_said_once_and_readable_as_marked(world: World) -> None:
    done = accept(world, event())
    assert (done.withdrawn, done.originals, done.left_out) == (0, 1, ())
    assert {ONE, TWO} <= readable(world, world.GRID).keys()
    again = accept(world, event())
    assert (again.said, again.originals, again.statements) == (0, 0, ())
    assert again.again == done.said


def test_the_original_is_for_its_party_alone(world: World) -> None:
    accept(world, event(), tlp="CLEAR")
    kinds = ["application/vnd.misp+json"]
    store, node = world.node.store, world.node
    assert len(store.select(node.allowed(node.reader(world.NORTH)), types=kinds)) == 1
    assert store.select(node.allowed(node.reader(world.GRID)), types=kinds) == []


def test_an_objects_own_marking_holds_under_a_looser_statement(world: World) -> None:
    accept(world, event(tag="tlp:red"), tlp="CLEAR")
    assert ONE not in readable(world, world.GRID)


def test_what_is_deleted_at_its_source_is_withdrawn(world: World) -> None:
    accept(world, event())
    done = accept(world, event(gone=True))
    assert done.withdrawn == 1
    assert ONE not in readable(world, world.GRID)
    assert TWO in readable(world, world.GRID)


def test_a_stricter_tag_of_the_whole_event_reaches_what_was_said_before(world: World) -> None:
    accept(world, event())
    world.clock.later(hours=1)
    accept(world, event(tag="tlp:amber+strict"))
    assert ONE not in readable(world, world.GRID)
    assert (
        MARKING_ID["AMBER+STRICT"] in readable(world, world.NORTH)[ONE].data["object_marking_refs"]
    )
    again = accept(world, event(tag="tlp:amber+strict"))
    assert (again.said, again.withdrawn) == (0, 0)


def test_nobody_is_spoken_for_by_an_organisation_with_its_uuid(world: World) -> None:
    theirs = world.node.identity(world.GRID).removeprefix("identity--")
    done = accept(world, event(orgc=theirs))
    assert done.left_out
    assert all(world.GRID in one.why for one in done.left_out)
    assert ONE not in readable(world, world.NORTH)


def test_many_objects_go_into_several_statements(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "TOGETHER", 2)
    done = accept(world, event())
    assert len(done.statements) - done.originals == (done.said + 1) // 2
    assert TWO in readable(world, world.GRID)


def test_a_guest_has_no_reports_here(world: World) -> None:
    with pytest.raises(ForbiddenError):
        accept(world, event(), by=world.GRID)


def test_what_is_no_report_or_holds_no_objects_is_refused(world: World) -> None:
    how = Accepting(by=world.NORTH)
    with pytest.raises(NotFoundError):
        imports.accept(world.node, "0" * 16, how)
    kept = world.ingest()[0].report
    with pytest.raises((DraftError, NotFoundError)):
        imports.accept(world.node, kept, how)


@pytest.mark.parametrize("tlp", TLP_ORDER)
def test_the_marking_asked_for_is_for_what_carries_none(world: World, tlp: Any) -> None:
    raw = event(tag="type:OSINT")
    kept, _ = drafting.ingest(world.node, raw, "event.json", tlp=tlp)
    assert kept.strictest == tlp
    imports.accept(world.node, kept.id, Accepting(by=world.NORTH, tlp="CLEAR"))
    held = readable(world, world.NORTH)
    if tlp != "RED":
        assert MARKING_ID[tlp] in held[ONE].data["object_marking_refs"]


def test_a_row_of_a_table_is_said_under_its_own_marking_and_until_its_end(world: World) -> None:
    raw = b"value,tlp,expires,comment\na[.]example,amber,2026-12-01,seen in mail\n"
    _, [draft] = drafting.ingest(world.node, raw, "feed.csv")
    how = Accepting(by=world.NORTH, tlp="CLEAR")
    [done], _ = drafting.accept(world.node, [(draft.id, draft.revision)], how)
    held = readable(world, world.NORTH)[str(done.object_id)].data
    assert held["object_marking_refs"] == [MARKING_ID["AMBER"]]
    assert held["valid_until"] == "2026-12-01T00:00:00.000Z"
    assert held["description"] == "seen in mail"
    assert done.object_id not in readable(world, world.GRID)


def test_a_file_being_said_can_stop_anywhere_and_goes_on_with_nothing_said_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "TOGETHER", 1)
    monkeypatch.setattr(imports, "SLICE", 1)
    node = world.node
    kept, _ = drafting.ingest(node, event(), "event.json")
    node.jobs.served = True  # as in a running node: whoever asks does not wait
    how = Accepting(by=world.NORTH, tlp="GREEN")
    assert imports.begun(node, kept.id, how).state == "saying"
    assert node.jobs.wanted.is_set()

    class AfterOne(threading.Event):
        """Set from the second look on: a node that is told to stop in the middle."""

        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks > 1

    steps = 0
    while (found := imports.go_on(node, kept.id, AfterOne())).state == "saying":
        steps += 1
        assert found.done == steps
        assert imports.begun(node, kept.id, Accepting(by=world.NORTH, tlp="RED")).tlp == "GREEN"
    assert steps > 2
    assert (found.state, found.done, found.again) == ("said", found.objects, 0)
    once = sayings_of(world)
    assert {ONE, TWO} <= readable(world, world.GRID).keys()
    imports.say_waiting(node)
    assert sayings_of(world) == once


def sayings_of(world: World) -> int:
    return len(world.node.store.statements(world.node.everything(), kind="say"))


def test_what_was_said_when_the_node_was_killed_is_not_said_again(world: World) -> None:
    node = world.node
    kept, _ = drafting.ingest(node, event(), "event.json")
    how = Accepting(by=world.NORTH, tlp="GREEN")
    first = imports.accept(node, kept.id, how)
    # Killed between the statements and the row that counts them.
    sayings.change(node, kept.id, state="saying", done=0, said=0, originals=0)
    found = imports.go_on(node, kept.id)
    assert (found.state, found.said, found.again) == ("said", 0, first.said)
    assert found.originals == 0


def test_a_fault_stops_it_and_says_why_and_it_can_be_begun_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = world.node
    kept, _ = drafting.ingest(node, event(), "event.json")
    how = Accepting(by=world.NORTH, tlp="GREEN")
    with monkeypatch.context() as broken:

        def halted(*_: Any) -> Any:
            raise LogHalted("the disk is full", remedy="make room")

        broken.setattr(imports, "record_many", halted)
        found = imports.begun(node, kept.id, how)
        assert (found.state, found.why) == ("stopped", "the disk is full")
        assert found.open
    assert imports.begun(node, kept.id, how).state == "said"


def test_one_that_is_being_said_is_not_set_aside_nor_said_beside_it(world: World) -> None:
    node = world.node
    kept, _ = drafting.ingest(node, event(), "event.json")
    how = Accepting(by=world.NORTH)
    imports.begin(node, kept.id, how)
    with pytest.raises(DraftError):
        imports.set_aside(node, kept.id, "no")
    assert node.jobs.take(kept.id)
    with pytest.raises(ConflictError):
        imports.accept(node, kept.id, how)
    assert imports.go_on(node, kept.id).state == "saying"
    node.jobs.leave(kept.id)
    assert imports.go_on(node, kept.id).state == "said"
