"""One advisory: frozen, signed by those who read its bytes, published by whom it belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import msgspec
import pytest

from tocsin.errors import (
    CaseError,
    ClaimError,
    MarkingError,
    NotFoundError,
    QuorumError,
    RenderingError,
    StatementError,
)
from tocsin.flows import advise, intake, respond
from tocsin.flows.intake import Act
from tocsin.stix.bundle import open_object
from tocsin.store.interface import Attachment

World = Any  # tests/unit/conftest.py


@pytest.fixture
def case(world: World) -> str:
    """A case of all three with one indicator said in it."""
    case, _ = respond.open_case(world.node, world.NORTH, "Grid wiper")
    for party in (world.GRID, world.SOUTH):
        respond.invite(world.node, world.NORTH, case, party, "affected", "2026-11-23T08:00:00Z")
    for party in (world.GRID, world.SOUTH):
        prepared = respond.answer_invitation(world.node, party, case, accept=True)
        intake.enter(world.node, world.sign(prepared))
    item = open_object(world.indicator())
    to = (world.GRID, world.SOUTH)
    intake.record(
        world.node,
        Act(author=world.NORTH, kind="say", tlp="AMBER", case=case, objects=(item,), to=to),
    )
    return case


def drafted(world: World, case: str, **more: Any) -> str:
    given: dict[str, Any] = {"title": "LOCKSTEP", "summary": "Look.", "tlp": "AMBER", "k": 2}
    page = advise.draft(world.node, world.NORTH, case=case, **{**given, **more})
    return page.id


def cosign(world: World, party: str, advisory: str, **how: Any) -> Any:
    world.clock.later(seconds=1)
    given: dict[str, Any] = {"capacity": "co-author", **how}
    prepared = advise.cosign(world.node, party, advisory, **given)
    if isinstance(prepared, intake.Prepared):
        return intake.enter(world.node, world.sign(prepared))
    return prepared


def page(world: World, party: str | None, advisory: str) -> Any:
    return advise.page(world.node, world.node.reader(party), advisory)


def test_a_draft_is_seen_by_its_author_only_and_says_nothing(world: World, case: str) -> None:
    size = world.size
    advisory = drafted(world, case)
    assert world.size == size
    assert page(world, world.NORTH, advisory).state == "DRAFT"
    for party in (world.GRID, None):
        with pytest.raises(NotFoundError):
            page(world, party, advisory)
        assert advise.advisories(world.node, world.node.reader(party)) == []


@pytest.mark.parametrize(("k", "of"), [(0, 2), (3, 2), (4, 0), (-1, 0)])
def test_a_quorum_that_cannot_be_met_is_refused(world: World, case: str, k: int, of: int) -> None:
    with pytest.raises(CaseError):
        drafted(world, case, k=k, of=of)


def test_what_is_not_in_the_case_does_not_go_in(world: World, case: str) -> None:
    with pytest.raises(NotFoundError):
        drafted(world, case, indicators=["indicator--0c0b3f6e-0000-4000-8000-000000000000"])


def test_what_is_no_claim_is_not_listed_as_one(world: World, case: str) -> None:
    indicator = json.loads(world.indicator())["id"]
    with pytest.raises(ClaimError, match=indicator) as wrong:
        drafted(world, case, claims=[indicator])
    assert "tocsin claims" in wrong.value.remedy


def test_nothing_is_relabelled(world: World, case: str) -> None:
    advisory = drafted(world, case, tlp="GREEN")
    size = world.size
    with pytest.raises(MarkingError):
        advise.freeze(world.node, world.NORTH, advisory)
    assert world.size == size


def test_two_of_three_sign_and_it_is_published(world: World, case: str) -> None:
    advisory = drafted(world, case)
    advise.freeze(world.node, world.NORTH, advisory)
    with pytest.raises(QuorumError, match="0 of 2"):
        advise.publish(world.node, world.NORTH, advisory)
    cosign(world, world.GRID, advisory)
    cosign(world, world.SOUTH, advisory, capacity=None, refuse=True, dissent="one source")
    with pytest.raises(QuorumError, match="1 of 2"):
        advise.publish(world.node, world.NORTH, advisory)
    cosign(world, world.NORTH, advisory, capacity="author")
    world.clock.later(seconds=1)
    advise.publish(world.node, world.NORTH, advisory)
    found = page(world, world.SOUTH, advisory)
    assert found.state == "PUBLISHED"
    assert {s.party.name: s.word for s in found.cosigns} == {
        "CERT Northland": "signed as author",
        "GridCo": "signed as co-author",
        "CERT Southmark": "refused",
    }
    with pytest.raises(CaseError):
        cosign(world, world.SOUTH, advisory)


def meanwhile(world: World, do: Callable[[], object]) -> tuple[Any, list[Thread]]:
    """The node with a clock that lets another request begin when it is first looked at."""
    begun: list[Thread] = []

    def clock() -> datetime:
        if not begun:
            begun.append(Thread(target=do))
            begun[0].start()
            begun[0].join(0.5)  # time enough, where nothing holds it back
        return datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    return replace(world.node, clock=clock), begun


def test_two_freezes_at_once_are_two_revisions(world: World, case: str) -> None:
    advisory = drafted(world, case)
    node, begun = meanwhile(world, lambda: advise.freeze(world.node, world.NORTH, advisory))
    advise.freeze(node, world.NORTH, advisory)
    begun[0].join()
    assert frozen(world, advisory) == [1, 2]


def test_a_text_that_is_revised_while_it_is_frozen_is_that_of_the_next(
    world: World, case: str
) -> None:
    advisory = drafted(world, case)
    node, begun = meanwhile(
        world, lambda: advise.revise(world.node, world.NORTH, advisory, summary="Look again.")
    )
    advise.freeze(node, world.NORTH, advisory)
    begun[0].join()
    assert page(world, world.NORTH, advisory).summary == "Look again."
    advise.freeze(world.node, world.NORTH, advisory)
    assert frozen(world, advisory) == [1, 2]


def frozen(world: World, advisory: str) -> list[int]:
    """The revisions that were said, in log order."""
    found = [
        intake.parse_kept(k).body for k in world.node.store.statements(world.node.everything())
    ]
    return [b["rev"] for b in found if b.get("event") == "advise.freeze" and b["item"] == advisory]


def test_endorsing_does_not_count_to_the_quorum(world: World, case: str) -> None:
    advisory = drafted(world, case, k=1)
    advise.freeze(world.node, world.NORTH, advisory)
    cosign(world, world.GRID, advisory, capacity="endorses")
    cosign(world, world.SOUTH, advisory, capacity="no-objection")
    with pytest.raises(QuorumError, match="0 of 1"):
        advise.publish(world.node, world.NORTH, advisory)


@pytest.mark.parametrize(
    "how",
    [
        {"capacity": None, "refuse": False},
        {"capacity": "author", "refuse": True},
        {"capacity": "emperor"},
    ],
    ids=str,
)
def test_one_signs_in_a_capacity_or_refuses(world: World, case: str, how: dict[str, Any]) -> None:
    advisory = drafted(world, case)
    advise.freeze(world.node, world.NORTH, advisory)
    size = world.size
    with pytest.raises((CaseError, StatementError)):
        cosign(world, world.GRID, advisory, **how)
    assert world.size == size


def test_the_renderings_are_the_frozen_bytes(world: World, case: str) -> None:
    advisory = drafted(world, case)
    advise.freeze(world.node, world.NORTH, advisory)
    for row in page(world, world.GRID, advisory).renderings:
        _, raw = advise.rendering(world.node, world.node.reader(world.GRID), advisory, row.path)
        assert hashlib.sha256(raw).hexdigest() == row.sha256
        assert len(raw) == row.size
    for path in ("", ".", "..", "../advisory.html", "/etc/passwd", "advisory.pdf"):
        with pytest.raises(NotFoundError):
            advise.rendering(world.node, world.node.reader(world.GRID), advisory, path)


def test_what_is_published_clear_is_open_to_everybody_and_only_then(
    world: World, case: str
) -> None:
    advisory = drafted(world, case, tlp="CLEAR", k=1, indicators=[clear(world, case)])
    advise.freeze(world.node, world.NORTH, advisory)
    [first, *_] = page(world, world.NORTH, advisory).renderings
    anonymous = world.node.allowed(world.node.reader(None))
    cosign(world, world.NORTH, advisory, capacity="author")
    assert world.node.store.object(first.sha256, anonymous) is None
    advise.publish(world.node, world.NORTH, advisory)
    assert world.node.store.object(first.sha256, anonymous) is not None
    size = world.size
    with pytest.raises(CaseError):
        advise.publish(world.node, world.NORTH, advisory)
    assert world.size == size, "publishing twice says nothing twice"


def clear(world: World, case: str) -> str:
    item = open_object(world.indicator(value="198.51.100.1"))
    act = Act(author=world.NORTH, kind="say", tlp="CLEAR", case=case, objects=(item,))
    intake.record(world.node, act)
    return item.id


# --- a party that freezes something else ----------------------------------------------------------


def frozen_by_guest(world: World, case: str, manifest: bytes, *files: bytes) -> str:
    """southmark writes its freeze by hand, with whatever it likes as manifest."""
    advisory = "advisory--5b3f7d8e-0f0f-4a6b-9c55-1d2e3f405162"
    attached = Attachment.of(manifest, "application/vnd.tocsin.manifest+json")
    body = {
        "event": "advise.freeze",
        "item": advisory,
        "rev": 1,
        "manifest": {"id": attached.id, "sha256": attached.sha256},
        "policy": {"k": 1, "of": 3},
        "sign_by": "2026-11-25T08:00:00Z",
        "title": "Trust us",
    }
    world.as_guest(
        Act(
            author=world.SOUTH,
            kind="act",
            tlp="AMBER",
            case=case,
            body=body,
            objects=(attached, *(Attachment.of(f, "text/html") for f in files)),
            to=(world.NORTH, world.GRID),
        )
    )
    return advisory


def manifest(files: list[dict[str, Any]], **more: Any) -> bytes:
    given = {
        "advisory": "advisory--5b3f7d8e-0f0f-4a6b-9c55-1d2e3f405162",
        "rev": 1,
        "tlp": "CLEAR",
        "renderings": files,
        **more,
    }
    return msgspec.json.encode(given)


PAGE = b"<p>hello"
FILE: dict[str, Any] = {
    "path": "a.html",
    "media_type": "text/html",
    "sha256": hashlib.sha256(PAGE).hexdigest(),
    "size": len(PAGE),
}
HOSTILE = {
    "no JSON": b"\x00",
    "a list": b"[]",
    "nothing": b"{}",
    "deep": b"[" * 2000 + b"]" * 2000,
    "another's": manifest([FILE], advisory="advisory--00000000-0000-4000-8000-000000000000"),
    "another revision": manifest([FILE], rev=2),
    "no marking": manifest([FILE], tlp="PURPLE"),
    "a path upwards": manifest([{**FILE, "path": "../../.bashrc"}]),
    "an absolute path": manifest([{**FILE, "path": "/etc/passwd"}]),
    "a dot file": manifest([{**FILE, "path": ".bashrc"}]),
    "a path with a line end": manifest([{**FILE, "path": "a\r\nb"}]),
    "a quoted path": manifest([{**FILE, "path": 'a";b'}]),
    "a header in the type": manifest(
        [{**FILE, "media_type": "text/html\r\n\r\n<script>alert(1)</script>"}]
    ),
    "a type in other letters": manifest([{**FILE, "media_type": "text/htm\u013a"}]),
    "no digest": manifest([{**FILE, "sha256": "x"}]),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=list(HOSTILE))
def test_what_a_party_froze_without_a_manifest_is_shown_as_such_and_never_signed(
    world: World, case: str, raw: bytes
) -> None:
    advisory = frozen_by_guest(world, case, raw, PAGE)
    found = page(world, world.NORTH, advisory)
    assert found.problem
    assert found.renderings == ()
    reader = world.node.reader(world.NORTH)
    assert advisory in {a.id for a in advise.advisories(world.node, reader)}
    for path in ("a.html", "../../.bashrc", "a\r\nb"):
        with pytest.raises((RenderingError, NotFoundError)):
            advise.rendering(world.node, reader, advisory, path)
    with pytest.raises(RenderingError):
        cosign(world, world.GRID, advisory)
    cosign(world, world.GRID, advisory, capacity=None, refuse=True)


def test_nobody_opens_or_publishes_another_partys_advisory(world: World, case: str) -> None:
    advisory = frozen_by_guest(world, case, manifest([FILE]), PAGE)
    cosign(world, world.GRID, advisory)
    size = world.size
    with pytest.raises((CaseError, MarkingError)):
        advise.publish(world.node, world.NORTH, advisory)
    assert world.size == size
    anonymous = world.node.allowed(world.node.reader(None))
    assert world.node.store.object(FILE["sha256"], anonymous) is None
    for act in (advise.freeze, advise.withdraw):
        with pytest.raises((NotFoundError, CaseError)):
            act(world.node, world.GRID, advisory)


def test_an_advisory_of_a_case_one_is_not_in_is_not_there(world: World) -> None:
    alone, _ = respond.open_case(world.node, world.NORTH, "Alone")
    advisory = drafted(world, alone, k=1)
    advise.freeze(world.node, world.NORTH, advisory)
    for party in (world.GRID, None):
        with pytest.raises(NotFoundError):
            page(world, party, advisory)
        with pytest.raises(NotFoundError):
            advise.rendering(world.node, world.node.reader(party), advisory, "advisory.html")
    with pytest.raises(NotFoundError):
        cosign(world, world.GRID, advisory)


def test_a_sheet_calls_a_frozen_advisory_by_its_title(world: World, case: str) -> None:
    advisory = drafted(world, case, title="LOCKSTEP at ports")
    advise.freeze(world.node, world.NORTH, advisory)
    reader = world.node.reader(world.NORTH)
    sheet, _ = respond.export(world.node, case, reader, "sheet", own=reader)
    assert b"LOCKSTEP at ports, revision 1" in sheet
    assert b"signed by 0; it needs 2 of 3 parties" in sheet
