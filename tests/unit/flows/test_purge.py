"""Purging: what goes, what stays provable, and who may."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.unit.flows.test_intake import NOTE, claim, said

from tocsin.errors import ForbiddenError, NotFoundError, PurgedError, UsageError
from tocsin.flows import drafts, held, intake, purge, respond
from tocsin.record import checkpoint as notes
from tocsin.record.dossier import verify
from tocsin.record.members import open_dossier
from tocsin.stix.bundle import open_object
from tocsin.store.interface import broken_audit

World = Any  # tests/unit/conftest.py
WHY = "names a patient"
JANE = "the nurse Jane Doe of ward seven"


def purged(world: World, id: str, **more: Any) -> purge.Purging:
    """What anna of northland, an admin, has purged."""
    reader = world.actor().reader
    return purge.purge(world.node, reader, id, WHY, actor="anna", **more)


def holding(world: World, needle: str) -> list[str]:
    files = [p for p in Path(world.home).rglob("*") if p.is_file()]
    return [p.name for p in files if needle.encode() in p.read_bytes()]


def case_of(world: World) -> str:
    case, _ = respond.open_case(world.node, world.NORTH, "Grid wiper")
    return case


def test_an_object_goes_and_its_statement_is_shown_with_it_withheld(world: World) -> None:
    raw = claim(world, world.SOUTH, JANE)
    done = said(world, world.SOUTH, raw)
    assert len(held.seen(world.node, world.actor().reader).view.claims) == 1
    found = purged(world, NOTE)
    assert [(i.what, i.name, i.size) for i in found.items] == [("object", NOTE, len(raw))]
    assert found.items[0].named_by == (done.id,)
    assert found.withdrawn == ()  # southmark said it: it can only be asked
    assert holding(world, "Jane Doe") == []
    assert len(held.seen(world.node, world.actor().reader).view.claims) == 0
    digest = hashlib.sha256(raw).hexdigest()
    status, problem, detail = world.refused("GET", f"/objects/{digest}", party=world.GRID)
    assert (status, problem) == (410, "purged")
    assert f"object {NOTE} is withheld: purged on 2026-11-22" in detail
    assert world.ask("GET", f"/statements/{done.id}", party=world.GRID).status == 200
    audit = world.node.store.audit()
    assert (audit[-1].actor, audit[-1].act) == ("anna", "purge")
    assert broken_audit(audit) is None


def test_an_own_purge_also_says_withdraw_with_the_same_reason(world: World) -> None:
    done = said(world, world.NORTH, claim(world, world.NORTH, JANE))
    plan = purged(world, NOTE, dry_run=True)
    assert (plan.withdrawn, plan.done) == ((done.id,), False)
    assert len(held.seen(world.node, world.actor().reader).view.claims) == 1
    assert purged(world, NOTE).withdrawn == (done.id,)
    *_, last = world.node.store.statements(world.node.everything())
    taken = intake.parse_kept(last)
    assert (taken.kind, taken.refs, taken.body) == ("withdraw", (done.id,), {"reason": WHY})
    assert [o.id for o in taken.objects] == [NOTE]
    size = world.size
    again = purged(world, NOTE)
    assert (again.withdrawn, again.items[0].size, world.size) == ((), 0, size)
    assert [row.act for row in world.node.store.audit()].count("purge") == 1


def test_a_local_purge_tells_nobody(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH, JANE))
    size = world.size
    assert purged(world, NOTE, local_only=True).withdrawn == ()
    assert world.size == size
    assert holding(world, "Jane Doe") == []


def test_taking_back_what_was_purged_here_takes_back_nothing_else(world: World) -> None:
    other = NOTE[:-1] + "2"
    raws = (claim(world, world.NORTH, JANE), claim(world, world.NORTH, "ours too", id=other))
    done = said(world, world.NORTH, raws[0], objects=tuple(map(open_object, raws)))
    purged(world, NOTE, local_only=True)
    intake.withdraw(world.node, world.NORTH, done.id, objects=[NOTE])
    *_, last = world.node.store.statements(world.node.everything())
    assert [o.id for o in intake.parse_kept(last).objects] == [NOTE]
    seen = held.seen(world.node, world.actor().reader)
    assert not seen.kept[other].withdrawn


def test_the_report_it_was_read_from_goes_too_and_is_named_before(world: World) -> None:
    first, *others = world.ingest()
    how = drafts.Accepting(by=world.NORTH, tlp="GREEN", date="2026-11-18")
    drafts.accept(world.node, [(first.id, first.revision)], how)
    name = drafts.draft(world.node, first.id).object_id
    assert name
    plan = purged(world, name, dry_run=True)
    assert plan.rows == {"draft": 1 + len(others), "report": 1}
    assert plan.open_drafts == len(others)
    assert purged(world, name).rows == plan.rows
    assert drafts.reports(world.node) == []
    assert drafts.drafts(world.node) == []
    assert holding(world, "Tomas Brandt") == []


def test_a_dossier_verifies_after_a_purge_and_lists_what_is_withheld(world: World) -> None:
    case = case_of(world)
    raw = claim(world, world.NORTH, JANE)
    kept = said(world, world.NORTH, raw, case=case)
    track = {"event": "case.track", "item": case, "tracking_id": "NL-2026-7"}
    note = respond.act(world.node, world.NORTH, case, track)
    assert isinstance(note, intake.Done)
    before = respond.dossier(world.node, case, world.actor().reader)
    purged(world, NOTE)
    found = purged(world, note.id, local_only=True)
    assert [i.what for i in found.items] == ["statement"]
    data = respond.dossier(world.node, case, world.actor().reader)
    assert JANE.encode() in before
    assert JANE.encode() not in data
    dossier = open_dossier(data)
    assert note.id in [hidden.id for hidden in dossier.withheld]
    assert kept.id in [row.id for row in dossier.statements]
    verdict = verify([data], notes.open_policy(world.node.policy_text.encode()), world.node.root)
    assert verdict.ok, verdict.problems
    [chain] = [c for c in verdict.chains if c.author == world.NORTH and not c.keys]
    assert (len(chain.withheld), chain.missing) == (1, [])
    state = respond.state(world.node, case, world.actor().reader)
    assert state.title == "Grid wiper"
    status, _, detail = world.refused("GET", f"/statements/{note.id}")
    assert (status, "withheld: purged" in detail) == (410, True)


def test_the_history_of_keys_is_not_purged(world: World) -> None:
    rows = world.node.store.statements(world.node.everything())
    roots = [k for k in rows if k.kind in ("directory", "key")]
    assert len(roots) > 3
    for kept in roots:
        with pytest.raises(ForbiddenError, match="history of keys"):
            purged(world, kept.id)
    assert world.node.store.statements(world.node.everything()) == rows


def test_what_comes_again_is_refused_until_it_is_allowed(world: World) -> None:
    raw = claim(world, world.SOUTH, JANE)
    digest = hashlib.sha256(raw).hexdigest()
    said(world, world.SOUTH, raw)
    purged(world, NOTE)
    with pytest.raises(PurgedError, match="purged on this node"):
        said(world, world.SOUTH, raw, tlp="GREEN")
    assert world.refused("PUT", f"/objects/{digest}", party=world.SOUTH, body=raw)[0] == 410
    bundle = b'{"type":"bundle","id":"bundle--' + NOTE[6:].encode() + b'","objects":[' + raw + b"]}"
    with pytest.raises(PurgedError):
        drafts.ingest(world.node, bundle, "b.json", published=date(2026, 11, 18))
    assert holding(world, "Jane Doe") == []
    reader = world.actor().reader
    assert purge.lift(world.node, reader, NOTE, "a false alarm", actor="anna") == (digest,)
    with pytest.raises(NotFoundError, match="not purged"):
        purge.lift(world.node, reader, NOTE, "a false alarm", actor="anna")
    said(world, world.SOUTH, raw, tlp="GREEN")
    assert len(held.seen(world.node, reader).view.claims) == 1


def test_what_one_may_not_read_one_cannot_purge(world: World) -> None:
    done = said(world, world.SOUTH, claim(world, world.SOUTH), tlp="AMBER+STRICT", to=(world.GRID,))
    for id in (NOTE, done.id, "ab" * 32, "nothing"):
        with pytest.raises(NotFoundError):
            purged(world, id)


def test_a_purge_needs_a_reason_and_an_admin(world: World) -> None:
    done = said(world, world.NORTH, claim(world, world.NORTH))
    body = {"id": NOTE, "why": " "}
    assert world.refused("POST", "/purge", body=body)[0] == 400
    with pytest.raises(UsageError):
        purge.purge(world.node, world.actor().reader, NOTE, "", actor="anna")
    # Blanks around a reason are no reason, and none too many either.
    padded = f" {WHY} " + " " * purge.MAX_WHY
    preview = purge.purge(
        world.node, world.actor().reader, NOTE, padded, actor="anna", dry_run=True
    )
    assert not preview.done
    body = {"id": NOTE, "why": WHY}
    for party, role in ((world.NORTH, "signer"), (world.GRID, "admin"), (None, "admin")):
        assert world.refused("POST", "/purge", body=body, party=party, role=role)[0] == 403
    found = world.json("POST", "/purge", body=body)
    assert (found["withdrawn"], found["done"]) == ([done.id], True)
    assert world.json("POST", "/purge", body=body | {"lift": True})["done"] is True


def test_a_purged_statement_is_not_lifted_but_said_anew(world: World) -> None:
    done = said(world, world.NORTH, claim(world, world.NORTH))
    purged(world, done.id, local_only=True)
    with pytest.raises(UsageError, match="statement"):
        purge.lift(world.node, world.actor().reader, done.id, "again", actor="anna")


def test_a_purged_statement_that_is_sent_again_is_told_so(world: World) -> None:
    done = said(world, world.SOUTH, claim(world, world.SOUTH))
    kept = world.node.store.statement(done.id, world.node.everything())
    purged(world, done.id)
    with pytest.raises(PurgedError, match="its commitment is in the log"):
        intake.enter(world.node, kept.raw)
    [answer] = intake.enter_many(world.node, [kept.raw])
    assert isinstance(answer, PurgedError)
    following = said(world, world.SOUTH, world.indicator(world.SOUTH))
    assert following.index == done.index + 1


def test_a_purge_of_what_opens_a_case_says_what_is_lost_and_breaks_nothing(world: World) -> None:
    case = case_of(world)
    reader = world.actor().reader
    [opening] = world.node.store.statements(world.node.everything(), case=case)
    said(world, world.NORTH, claim(world, world.NORTH), case=case)
    assert purged(world, opening.id, local_only=True).opens == (case,)
    assert respond.state(world.node, case, reader).title == ""
    data = respond.dossier(world.node, case, reader)
    policy = notes.open_policy(world.node.policy_text.encode())
    assert verify([data], policy, world.node.root).ok
    page, _ = respond.export(world.node, case, reader, "sheet", own=reader)
    assert opening.id.encode() in page
