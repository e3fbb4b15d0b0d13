"""Answering on the Claim page: said by whose key is here, for whom the claim was said for."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from tests.unit.flows.disputes import CLAIM, claim, said

from tocsin.console import answering, pages
from tocsin.console.forms import Upload
from tocsin.console.page import Ask
from tocsin.errors import ClaimError, ForbiddenError, NotFoundError, UsageError
from tocsin.flows import weigh
from tocsin.policy import Actor
from tocsin.stix.markings import MARKING_ID

World = Any  # tests/unit/conftest.py


def ask(world: World, actor: Actor, *uploads: Upload, id: str = CLAIM, **form: str) -> Ask:
    return Ask(
        node=world.node,
        actor=actor,
        person="anna",
        path={"id": id},
        query={},
        form={name.replace("for_", "for."): value for name, value in form.items()},
        uploads=list(uploads),
    )


@pytest.fixture
def charge(world: World) -> None:
    said(world, world.GRID, claim(world, world.GRID), world.NORTH)


@pytest.mark.usefixtures("charge")
def test_an_answer_goes_to_the_claims_readers_and_its_author(world: World) -> None:
    gone = answering.answer(ask(world, world.actor(), how="denial", words=" No such thing. "))
    assert gone.to == f"/claims/{CLAIM}?did=denial#said"
    kept = world.node.store.statements(world.node.allowed(world.actor().reader))[-1]
    assert (kept.audience.tlp, kept.audience.to) == ("AMBER", {world.GRID})
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    assert [(p.word, p.words) for p in page.positions][1] == ("denial", "No such thing.")
    with pytest.raises(NotFoundError):
        weigh.claim_page(world.node, world.node.reader(world.SOUTH), CLAIM)


@pytest.mark.parametrize(
    "own",
    [
        {"labels": ["tlp:amber"]},
        {
            "granular_markings": [
                {"marking_ref": MARKING_ID["AMBER"], "selectors": ["content"]},
            ]
        },
    ],
    ids=["label", "granular"],
)
def test_an_answer_goes_no_further_than_the_claims_own_marking(
    world: World, own: dict[str, Any]
) -> None:
    marked = orjson.dumps(orjson.loads(claim(world, world.GRID)) | own)
    said(world, world.GRID, marked, world.NORTH, tlp="GREEN")
    answering.answer(ask(world, world.actor(), how="denial", words="No."))
    kept = world.node.store.statements(world.node.allowed(world.actor().reader))[-1]
    assert (kept.audience.tlp, kept.audience.to) == ("AMBER+STRICT", {world.GRID})
    other = {"id": "note--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a09"}
    mine = orjson.dumps(orjson.loads(claim(world, world.NORTH, **other)) | own)
    said(world, world.NORTH, mine, tlp="GREEN")
    answering.ground(ask(world, world.actor(), name="Roster", kind="testimony", **other))
    kept = world.node.store.statements(world.node.allowed(world.actor().reader))[-1]
    assert (kept.audience.tlp, kept.audience.to) == ("AMBER+STRICT", frozenset())


@pytest.mark.usefixtures("charge")
def test_grounds_come_with_their_file_and_the_links_they_speak_to(world: World) -> None:
    file = Upload("flows.csv", b"a,b\n")
    given = {"name": "Flow records", "kind": "telemetry", "for_actor": "on"}
    answering.ground(ask(world, world.actor(), file, **given))
    found = weigh.weigh(world.node, world.actor().reader, CLAIM)
    assert (found.links["actor"].grade, found.links["actor"].shown) == ("one-root", True)
    answering.ground(ask(world, world.actor(), name="Roster", kind="testimony", access="withheld"))
    page = weigh.claim_page(world.node, world.actor().reader, CLAIM)
    assert {g.name: g.access for g in page.positions[0].grounds} == {
        "Flow records": "inspectable",
        "Roster": "withheld",
    }
    # What came later did not count then.
    assert (page.then.reports, page.now.reports) == (0, 1)


@pytest.mark.usefixtures("charge")
@pytest.mark.parametrize("access", ["withheld", "described"])
def test_a_file_that_is_not_to_be_seen_is_not_published(world: World, access: str) -> None:
    before = world.node.store.head().size
    file = Upload("roster.csv", b"a,b\n")
    with pytest.raises(ClaimError, match=f"access {access}, and 'roster.csv'"):
        answering.ground(
            ask(world, world.actor(), file, name="Roster", kind="testimony", access=access)
        )
    seen_at = {"url": "https://files.example/roster"}
    if access == "withheld":
        with pytest.raises(ClaimError, match="access withheld, and"):
            answering.ground(
                ask(world, world.actor(), name="R", kind="testimony", access=access, **seen_at)
            )
    assert world.node.store.head().size == before


@pytest.mark.usefixtures("charge")
def test_the_controls_are_for_whom_they_work(world: World) -> None:
    view = weigh.claim_page(world.node, world.actor().reader, CLAIM)
    offered = answering.controls(ask(world, world.actor()), view)
    assert offered["may_answer"]
    assert offered["links"] == ("activity", "actor", "sponsor")
    assert offered["forms"][0] == "denial"
    drawn = pages.claim(ask(world, world.actor(role="reader")))
    assert not drawn.more["may_answer"]
    assert not pages.claim(ask(world, world.actor(world.GRID))).more["may_answer"]


@pytest.mark.usefixtures("charge")
def test_what_cannot_be_said_is_refused_and_nothing_is_logged(world: World) -> None:
    before = world.node.store.head().size
    refused: list[tuple[type[Exception], Any, dict[str, str]]] = [
        (UsageError, answering.answer, {"how": "denial", "words": "  "}),
        (UsageError, answering.answer, {"how": "undercut", "words": "No."}),
        (NotFoundError, answering.answer, {"how": "denial", "words": "No.", "id": "note--x"}),
        (UsageError, answering.ground, {"name": " ", "kind": "telemetry"}),
        (ClaimError, answering.ground, {"name": "x", "kind": ""}),
        (UsageError, answering.answer, {"how": "denial", "words": "No.", "lang": "<b>"}),
        (UsageError, answering.answer, {"how": "denial", "words": "n" * 20_001}),
        (UsageError, answering.ground, {"name": "n" * 301, "kind": "telemetry"}),
        (UsageError, answering.ground, {"name": "x", "kind": "telemetry", "url": "h" * 2_001}),
    ]
    for error, act, form in refused:
        with pytest.raises(error):
            act(ask(world, world.actor(), **form))
    for actor in (world.actor(role="reader"), world.actor(None)):
        with pytest.raises(ForbiddenError):
            answering.answer(ask(world, actor, how="denial", words="No."))
    with pytest.raises(ForbiddenError, match="no key of"):
        answering.answer(ask(world, world.actor(world.GRID), how="denial", words="No."))
    assert world.node.store.head().size == before


def test_a_reply_invokes_norms_and_says_for_whom_it_is_given(world: World) -> None:
    """As `tocsin answer --reply … --norm … --speaks-for …` has it."""
    said(world, world.GRID, claim(world, world.GRID, claim_type="demand"), world.NORTH)
    drawn = pages.claim(ask(world, world.actor()))
    assert drawn.more["norms"][0].ref == "un-13a"
    assert [one.name for one in drawn.more["spoken_for"]] == ["CERT Southmark"]
    south = world.node.identity(world.SOUTH)
    form = {"how": "refused", "words": "No.", "norms": "UN-13F, un-99z", "for": south}
    answering.answer(ask(world, world.actor(), **form))
    page = weigh.claim_page(world.node, world.actor().reader, CLAIM)
    reply = page.positions[1]
    assert [n.ref for n in reply.norms] == ["un-13f", "un-99z"]
    assert reply.speaks_for is not None
    assert reply.speaks_for.name == "CERT Southmark"
    assert page.silent == ()


@pytest.mark.usefixtures("charge")
def test_a_denial_invokes_norms_as_a_charge_does_and_nobody_is_spoken_for_by_a_mere_word(
    world: World,
) -> None:
    answering.answer(ask(world, world.actor(), how="denial", words="No.", norms="un-13f"))
    denial = weigh.claim_page(world.node, world.actor().reader, CLAIM).positions[1]
    assert [n.title for n in denial.norms] == ["no damage to critical infrastructure"]
    with pytest.raises(UsageError, match="is nobody"):
        answering.answer(ask(world, world.actor(), how="denial", words="No.", **{"for": "Nowhere"}))


@pytest.mark.usefixtures("charge")
def test_a_link_to_the_page_puts_no_words_into_our_mouth(world: World) -> None:
    view = weigh.claim_page(world.node, world.actor().reader, CLAIM)
    for did, shown in (("denial", "denial"), ("evidence", "evidence"), ("Call 555", "")):
        asked = msgspec.structs.replace(ask(world, world.actor()), query={"did": did})
        assert answering.controls(asked, view)["did"] == shown
