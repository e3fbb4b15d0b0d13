"""Odd but valid objects: dates that were corrected, pieces taken back, words of strangers.

Whatever one object says of itself, the pages that show it and the lists it stands in are there for
every reader, and what a page says of a piece is what the standing made of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.unit.flows.disputes import CLAIM, DENIAL, claim, denial, said, say_all, saying

from tocsin.claims import answering, write
from tocsin.claims.model import EXTENSION_ID
from tocsin.flows import held, intake, weigh, weighed
from tocsin.flows.intake import Act
from tocsin.flows.known import as_known
from tocsin.record.statement import ObjectRef
from tocsin.stix.bundle import open_object

World = Any  # tests/unit/conftest.py


def changed(raw: bytes, world: World, **x: Any) -> bytes:
    """The next version of an object, with other fields in its extension."""
    data = orjson.loads(raw)
    data["modified"] = intake.stix_time(world.clock())
    data["extensions"][EXTENSION_ID].update(x)
    return orjson.dumps(data)


def position(world: World) -> weighed.Position:
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    return next(p for p in page.positions if p.id == CLAIM)


def grounds(world: World, **more: Any) -> tuple[intake.Done, list[bytes]]:
    """Grounds that North gives for the claim: what was recorded, and the objects of it."""
    given: dict[str, Any] = {
        "kind": "telemetry",
        "links": ["actor"],
        "access": "inspectable",
        "urls": ["https://north.example/flows"],
        **more,
    }
    made = answering.grounds(saying(world), CLAIM, "Flow records", **given)
    return say_all(world, made), made


# --- two clocks -----------------------------------------------------------------------------------


def test_a_list_as_known_then_leaves_out_what_was_not_said_yet(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    reader = world.node.reader(world.GRID)
    assert weigh.claims(world.node, reader, at=as_known("2026-11-17")) == []
    assert len(weigh.claims(world.node, reader, at=as_known("2026-11-19"))) == 1


def test_a_date_corrected_backwards_leaves_list_page_and_steps_readable(world: World) -> None:
    first = claim(world, world.NORTH)
    said(world, world.NORTH, first, world.GRID)
    world.clock.later(days=1)
    earlier = {"value": "2026-11-10", "precision": "day"}
    said(world, world.NORTH, changed(first, world, asserted_at=earlier), world.GRID)
    reader = world.node.reader(world.GRID)
    [row] = weigh.claims(world.node, reader)
    assert (row.said_at, row.level_then) == ("2026-11-10", "none-shown")
    page = weigh.claim_page(world.node, reader, CLAIM)
    assert page.then.level == page.now.level == "none-shown"


def test_a_first_version_that_broke_the_carrier_hides_nothing_of_the_next(world: World) -> None:
    first = orjson.loads(claim(world, world.NORTH))
    del first["extensions"][EXTENSION_ID]["claim_type"]
    say_raw = orjson.dumps(first)
    said(world, world.NORTH, say_raw, world.GRID)
    world.clock.later(days=1)
    said(world, world.NORTH, changed(say_raw, world, claim_type="accusation"), world.GRID)
    reader = world.node.reader(world.GRID)
    assert [row.level_then for row in weigh.claims(world.node, reader)] == ["none-shown"]
    assert weigh.claim_page(world.node, reader, CLAIM).then.level == "none-shown"


@pytest.mark.parametrize("later", ["0", "f"])
def test_what_is_withheld_is_known_from_the_first_tie_to_it(world: World, later: str) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    given: dict[str, Any] = {"kind": "telemetry", "links": ["actor"], "access": "described"}
    raws = answering.grounds(saying(world), CLAIM, "Flow records", **given)
    [tie] = [raw for raw in raws if orjson.loads(raw)["type"] == "relationship"]
    world.clock.later(days=2)
    again = orjson.loads(tie)
    again["created"] = again["modified"] = intake.stix_time(world.clock())
    again["id"] = f"relationship--{later * 8}-0000-4000-8000-000000000000"
    for raw in (tie, orjson.dumps(again)):
        said(world, world.NORTH, raw, world.GRID)
    reader = world.node.reader(world.GRID)
    for at in (None, as_known("2026-11-23")):
        page = weigh.claim_page(world.node, reader, CLAIM, at=at)
        [piece] = page.positions[0].grounds
        assert (piece.kind, piece.published) == ("withheld", "2026-11-22")


def test_a_claim_said_again_was_said_and_shown_when_it_was_first(world: World) -> None:
    south = world.node.identity(world.SOUTH)
    raws = [claim(world, world.NORTH, addressee_refs=[south])]
    first = said(world, world.NORTH, raws[0], world.GRID, world.SOUTH)
    world.clock.later(days=2)
    raws.append(changed(raws[0], world, gist="clearer"))
    second = said(world, world.NORTH, raws[1], world.GRID, world.SOUTH)
    reader = world.node.reader(world.GRID)
    now = weigh.claim_page(world.node, reader, CLAIM)
    then = weigh.claim_page(world.node, reader, CLAIM, at=as_known("2026-11-23"))
    assert [h.statement for h in now.history] == [first.id, second.id]
    assert [h.statement for h in then.history] == [first.id]
    assert [s.at for s in (*now.named, *then.named)] == ["2026-11-22T08:00:00Z"] * 2
    assert [page.positions[0].statement for page in (then, now)] == [first.id, second.id]


# --- status ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "status"), [("own", "corrected"), ("stranger", "open")])
def test_a_status_is_that_of_whoever_may_give_it_and_from_then_on(
    world: World, by: str, status: str
) -> None:
    own, stranger = world.node.identity(world.NORTH), world.node.identity(world.SOUTH)
    event = {"status": "corrected", "at": "2026-11-20", "by_ref": own if by == "own" else stranger}
    said(world, world.NORTH, claim(world, world.NORTH, status_events=[event]), world.GRID)
    reader = world.node.reader(world.GRID)
    [row] = weigh.claims(world.node, reader)
    assert row.status == position(world).status == status
    [before] = weigh.claims(world.node, reader, at=as_known("2026-11-19"))
    assert before.status == "open"


def test_the_latest_status_counts_in_whatever_order_they_stand(world: World) -> None:
    own = world.node.identity(world.NORTH)
    events = [
        {"status": "corrected", "at": "2026-11-21", "by_ref": own},
        {"status": "open", "at": "2026-11-20", "by_ref": own},
    ]
    said(world, world.NORTH, claim(world, world.NORTH, status_events=events), world.GRID)
    assert position(world).status == "corrected"


def take_back(world: World, party: str, statement: str, *objects: str) -> None:
    """A party withdraws a statement of its own, or objects of it."""
    if party == world.NORTH:
        intake.withdraw(world.node, party, statement, objects=objects)
        return
    given = world.node.store.statement(statement, world.node.everything())
    to = tuple(intake.parse_kept(given).to)
    world.as_guest(Act(author=party, kind="withdraw", tlp="AMBER", refs=(statement,), to=to))


def test_a_denial_taken_back_is_shown_and_counted_no_more(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID, world.SOUTH)
    done = said(world, world.SOUTH, denial(world, world.SOUTH), world.NORTH, world.GRID)
    reader = world.node.reader(world.GRID)
    assert [r.denials for r in weigh.claims(world.node, reader)] == [1]
    world.clock.later(hours=1)
    take_back(world, world.SOUTH, done.id)
    assert [r.denials for r in weigh.claims(world.node, reader)] == [0]
    page = weigh.claim_page(world.node, reader, CLAIM)
    [stays] = [p for p in page.positions if p.id == DENIAL]
    assert (stays.status, stays.effect) == ("withdrawn", "no longer open")


# --- grounds as the standing takes them -----------------------------------------------------------


def test_a_piece_taken_back_is_shown_as_such_and_does_not_count(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    done, _ = grounds(world)
    [ground] = position(world).grounds
    assert ground.counts
    world.clock.later(hours=1)
    take_back(world, world.NORTH, done.id)
    [ground] = position(world).grounds
    assert (ground.counts, ground.reasons) == (False, ("taken back",))
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    assert (page.now.reports, page.now.links[1].grade) == (0, "none-shown")


def test_a_support_taken_back_leaves_its_piece_shown_and_not_counting(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    done, made = grounds(world)
    world.clock.later(hours=1)
    take_back(world, world.NORTH, done.id, orjson.loads(made[-1])["id"])
    [ground] = position(world).grounds
    assert (ground.counts, ground.reasons) == (False, ("taken back",))


@pytest.mark.parametrize(
    ("links", "kind", "words"),
    [
        (["statement"], "telemetry", "names no link it speaks to"),
        ([], "telemetry", "names no link it speaks to"),
        (["actor"], "assertion", "somebody's word, which shows nothing by itself"),
        (["actor"], "telemetry", None),
    ],
)
def test_a_piece_counts_on_the_page_as_it_does_in_the_standing(
    world: World, links: list[str], kind: str, words: str | None
) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    grounds(world, kind=kind, links=links)
    [ground] = position(world).grounds
    assert (ground.counts, ground.reasons) == (words is None, (words,) if words else ())


def test_a_copy_of_a_bare_word_counts_for_nothing_whatever_it_calls_itself(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    grounds(world, kind="assertion")
    _, made = grounds(world)
    pieces = world.node.store.select(world.node.everything(), types=["grouping"])
    [bare] = [o.id for o in pieces if o.id != orjson.loads(made[0])["id"]]
    tie = write.link_object(
        id="relationship--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a07",
        created=intake.stix_time(world.clock()),
        created_by_ref=world.node.identity(world.NORTH),
        kind="derived-from",
        source_ref=orjson.loads(made[0])["id"],
        target_ref=bare,
    )
    said(world, world.NORTH, tie, world.GRID)
    assert [g.counts for g in position(world).grounds] == [False, False]


def test_a_piece_that_breaks_the_carrier_is_not_called_withheld(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    _, made = grounds(world)
    world.clock.later(hours=1)
    say_all(world, [changed(made[0], world, producer_refs=[])])
    [ground] = position(world).grounds
    assert (ground.kind, ground.counts) == ("broken", False)
    assert ground.reasons == ("breaks the rules for evidence, and is left out",)
    assert ground.sha256 is not None


def test_a_piece_supported_twice_is_one_report(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    _, made = grounds(world)
    again = orjson.loads(made[-1])
    again["id"] = "relationship--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a08"
    again["extensions"][EXTENSION_ID]["links"] = ["activity"]
    said(world, world.NORTH, orjson.dumps(again), world.GRID)
    [ground] = position(world).grounds
    assert ground.links == ("activity", "actor")


def test_what_is_open_to_one_reader_is_held_against_its_commitment_for_that_one(
    world: World,
) -> None:
    _, digest = answering.opening(b"the flows", bytes(32))
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID, world.SOUTH)
    named = {world.node.identity(world.GRID): "inspectable"}
    grounds(world, access="committed", commitment=digest)
    raw = world.node.store.select(world.node.everything(), types=["grouping"])[0].raw
    world.clock.later(days=1)
    say_all(world, [changed(raw, world, access_for=named)])
    for party, words in (
        (world.GRID, "what is shown now is not what was committed to"),
        (world.SOUTH, "not shown yet"),
    ):
        page = weigh.claim_page(world.node, world.node.reader(party), CLAIM)
        [ground] = page.positions[0].grounds
        assert ground.committed == f"committed on 2026-11-22; {words}"


# --- to whom it was shown -------------------------------------------------------------------------


def test_a_claim_whose_own_marking_keeps_it_from_the_named_party_was_not_shown_to_it(
    world: World,
) -> None:
    own = "marking-definition--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a09"
    raw = orjson.loads(claim(world, world.NORTH))
    raw["object_marking_refs"] = [own]
    said(world, world.NORTH, orjson.dumps(raw), tlp="GREEN")
    [kept] = [o for o in world.node.store.select(world.node.everything()) if o.id == CLAIM]
    assert kept.narrowed
    assert weigh.claims(world.node, world.node.reader(world.SOUTH)) == []
    page = weigh.claim_page(world.node, world.node.reader(world.NORTH), CLAIM)
    assert [(n.party.name, n.at) for n in page.named] == [("CERT Southmark", None)]


def test_a_newest_version_that_breaks_the_carrier_takes_nothing_back_of_then(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    _, made = grounds(world)
    then = world.clock()
    world.clock.later(days=1)
    say_all(world, [changed(made[0], world, producer_refs=[])])
    reader = world.node.reader(world.GRID)
    grades = [
        weigh.weigh(world.node, reader, CLAIM, at).links["actor"].grade for at in (then, None)
    ]
    assert grades == ["one-root", "none-shown"]


def test_a_claim_that_was_revised_many_times_is_read_once_for_each_view(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view of then costs what has changed since, not another reading of all that is held."""
    first = claim(world, world.NORTH)
    said(world, world.NORTH, first, world.GRID)
    for n in range(5):
        world.clock.later(hours=1)
        said(world, world.NORTH, changed(first, world, gist=str(n)), world.GRID)
    have = held.seen(world.node, world.node.reader(world.GRID))
    monkeypatch.setattr(held, "read", None)
    assert len(have.turns) == 5
    seen = [have.at(when).claims[CLAIM].x.gist for when, _ in have.revised[CLAIM]]
    assert seen == [None, "0", "1", "2", "3", "4"]
    first_turn, last_turn = have.turns[0][0], have.turns[-1][0]
    assert have.at(last_turn) is have.view
    assert have.at(first_turn) is have.at(first_turn)
    assert have.at(last_turn - timedelta(seconds=1)) is not have.at(first_turn)


def test_a_strangers_withdrawal_of_a_claim_dates_nothing(world: World) -> None:
    raw = claim(world, world.NORTH)
    done = said(world, world.NORTH, raw, world.GRID, world.SOUTH)
    world.clock.later(days=1)
    forged = Act(
        author=world.GRID,
        kind="withdraw",
        tlp="AMBER",
        to=(world.NORTH, world.SOUTH),
        refs=(done.id,),
        named=(ObjectRef(id=CLAIM, sha256=open_object(raw).sha256, type="note"),),
    )
    world.as_guest(forged)
    south = world.node.reader(world.SOUTH)
    told = [h.what for h in weigh.claim_page(world.node, south, CLAIM).history]
    assert told == ["said this accusation"]
    world.clock.later(days=1)
    intake.withdraw(world.node, world.NORTH, done.id)
    assert held.seen(world.node, south).view.withdrawn == {CLAIM: world.clock()}
    taken = weigh.claim_page(world.node, south, CLAIM).history[-1]
    assert (taken.who.party, taken.what) == (world.NORTH, "withdrew: said this accusation")


def test_what_was_said_again_is_withdrawn_from_when_the_last_was_taken_back(
    world: World,
) -> None:
    raw = claim(world, world.NORTH)
    for _ in range(2):
        done = said(world, world.NORTH, raw, world.GRID)
        world.clock.later(days=1)
        intake.withdraw(world.node, world.NORTH, done.id)
        at = world.clock()
        world.clock.later(days=1)
    assert held.seen(world.node, world.node.reader(world.GRID)).view.withdrawn == {CLAIM: at}


def test_no_date_in_its_own_words_revives_what_was_taken_back(world: World) -> None:
    events = [{"status": "corrected", "at": {"value": "2026", "precision": "year"},
               "by_ref": world.node.identity(world.NORTH)}]  # fmt: skip
    done = said(world, world.NORTH, claim(world, world.NORTH, status_events=events), world.GRID)
    world.clock.later(days=1)
    intake.withdraw(world.node, world.NORTH, done.id)
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    assert page.now.level == "withdrawn"


# --- claims about themselves, and very many answers -----------------------------------------------


@pytest.mark.parametrize("kind", ["answers", "alternative-to"])
def test_a_claim_that_is_tied_to_itself_stands_there_once(world: World, kind: str) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    tie = write.link_object(
        id="relationship--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a09",
        created=intake.stix_time(world.clock()),
        created_by_ref=world.node.identity(world.NORTH),
        kind=kind,
        source_ref=CLAIM,
        target_ref=CLAIM,
    )
    said(world, world.NORTH, tie, world.GRID)
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    assert [p.id for p in page.positions] == [CLAIM]
    assert (page.answers, page.in_answer_to) == ((), ())
    assert (page.row.rivals, page.row.answers) == (0, 0)


def test_a_statement_that_says_many_answers_is_read_once_for_a_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was read once for each of them, and each reading goes through all of it."""
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID, world.SOUTH)
    raws = [
        denial(world, world.NORTH, id=f"opinion--{n:08x}-6a52-4d5f-8d0e-2f3c1c0b9a02")
        for n in range(30)
    ]
    answers = say_all(world, raws)
    read: list[str] = []

    def counting(kept: Any) -> Any:
        read.append(kept.id)
        return intake.parse_kept(kept)

    monkeypatch.setattr(weigh, "parse_kept", counting)
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    assert len(page.history) == 31
    assert read.count(answers.id) == 1
