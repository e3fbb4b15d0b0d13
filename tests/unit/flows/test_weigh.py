"""How claims stand for one reader: what is hidden from it weighs nothing and is not counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.unit.flows.disputes import CLAIM, DENIAL, claim, denial, said, say_all, saying

from tocsin.claims import answering
from tocsin.claims.model import EXTENSION_ID
from tocsin.errors import NotFoundError, UsageError
from tocsin.flows import intake, weigh, weighed
from tocsin.flows.known import as_known, since
from tocsin.flows.matrix import matrix as matrix_of

World = Any  # tests/unit/conftest.py


def test_a_claim_without_grounds_shows_none_and_stands_beside_its_denial(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID, world.SOUTH)
    world.clock.later(hours=1)
    said(world, world.SOUTH, denial(world, world.SOUTH), world.NORTH, world.GRID)
    [row] = weigh.claims(world.node, world.node.reader(world.GRID))
    assert (row.now_words, row.denials) == ("no grounds shown here", 1)
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    assert [p.word for p in page.positions] == ["accusation", "denial"]
    assert all(p.signed for p in page.positions)


def test_whose_spokesman_answered_is_not_called_silent(world: World) -> None:
    """The same for a charge: who speaks for a party speaks in its column, its own word first."""
    case = "case--1"
    south = {"speaks_for_ref": world.node.identity(world.SOUTH), "capacity": "spokesperson"}
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID, world.SOUTH, case=case)
    world.clock.later(hours=1)
    said(world, world.GRID, denial(world, world.GRID, **south), world.NORTH, world.SOUTH, case=case)
    reader = world.node.reader(world.NORTH)
    page = weigh.claim_page(world.node, reader, CLAIM)
    assert page.silent == ()
    answer = page.positions[1]
    assert answer.speaks_for is not None
    assert (answer.capacity, answer.speaks_for.name) == ("spokesperson", "CERT Southmark")
    assert "GridCo (for CERT Southmark) denies it." in [s.text for s in page.now.sentences]
    assert page.steps[-1].came[-1].name == "denial by GridCo for CERT Southmark"

    def cell() -> weighed.Cell:
        [row] = matrix_of(world.node, reader, case, [world.SOUTH], {}).rows
        return row.cells[0]

    assert cell().through is not None
    assert cell().words == "denial (through GridCo)"
    own = {"id": DENIAL[:-1] + "3", "form": "request"}
    said(world, world.SOUTH, denial(world, world.SOUTH, **own), world.NORTH, world.GRID, case=case)
    assert (cell().word, cell().through) == ("request", None), "its own word comes first"


def test_a_charge_by_a_spokesman_is_found_under_whom_it_is_made_for(world: World) -> None:
    grid = world.node.identity(world.GRID)
    said(world, world.NORTH, claim(world, world.NORTH, speaks_for_ref=grid), world.GRID)
    reader = world.node.reader(world.NORTH)
    [row] = weigh.claims(world.node, reader, by="gridco")
    assert row.speaks_for is not None
    assert row.speaks_for.name == "GridCo"
    page = weigh.claim_page(world.node, reader, CLAIM)
    assert page.swap is not None
    assert [one.name for one in page.swap] == ["GridCo", "CERT Southmark"]


def test_a_hidden_denial_is_not_counted(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID, world.SOUTH)
    before = weigh.claims(world.node, world.node.reader(world.GRID))
    said(world, world.SOUTH, denial(world, world.SOUTH), world.NORTH, tlp="AMBER+STRICT")
    assert weigh.claims(world.node, world.node.reader(world.GRID)) == before
    assert weigh.claims(world.node, world.node.reader(world.NORTH))[0].denials == 1
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    assert [n.name for n in page.silent] == ["CERT Southmark"]


def test_a_claim_that_is_not_for_one_is_not_there(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    for party in (world.SOUTH, None):
        reader = world.node.reader(party)
        assert weigh.claims(world.node, reader) == []
        for ask in (weigh.claim_page, weigh.weigh):
            with pytest.raises(NotFoundError) as hidden:
                ask(world.node, reader, CLAIM)
            with pytest.raises(NotFoundError) as unknown:
                ask(world.node, reader, "note--x")
            assert hidden.value.remedy == unknown.value.remedy


def test_whom_a_claim_names_and_when_it_was_shown_to_them(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    reader = world.node.reader(world.NORTH)
    [shown] = weigh.claim_page(world.node, reader, CLAIM).named
    assert (shown.party.name, shown.at) == ("CERT Southmark", None)
    world.clock.later(days=1)
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID, world.SOUTH)
    [shown] = weigh.claim_page(world.node, reader, CLAIM).named
    assert shown.at is not None
    assert shown.at.startswith("2026-11-2")


def test_what_is_taken_back_is_marked_and_stays(world: World) -> None:
    done = said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    world.clock.later(hours=1)
    intake.withdraw(world.node, world.NORTH, done.id, reason="wrong")
    [row] = weigh.claims(world.node, world.node.reader(world.GRID))
    assert row.status == "withdrawn"
    assert weigh.claims(world.node, world.node.reader(world.SOUTH)) == []


def test_claims_are_found_by_words_speaker_and_addressee(world: World) -> None:
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID)
    reader = world.node.reader(world.GRID)

    def found(**how: Any) -> int:
        return len(weigh.claims(world.node, reader, **how))

    assert found(query="SOUTH did") == found(by="northland") == found(about="Southmark") == 1
    assert found(query="east did") == found(by="gridco") == found(about="gridco") == 0
    assert found(challenged=True) == found(case="case--x") == 0


@pytest.mark.parametrize(
    "text", ["x", "2026-13-01", "2026-11-22T08:00:00", "9999-99-99", "²026-11-22", "0000-00-00"]
)
def test_an_as_known_time_needs_a_zone(text: str) -> None:
    with pytest.raises(UsageError):
        as_known(text)
    with pytest.raises(UsageError):
        since(text)


def test_a_day_is_all_of_it_in_utc() -> None:
    """What came on the day is known as of that day, and is a change since that day."""
    assert as_known(None) is None
    assert since("") is None
    known, start = as_known("2026-11-22"), since("2026-11-22")
    assert known is not None
    assert start is not None
    assert start.isoformat() == "2026-11-22T00:00:00+00:00"
    assert known.isoformat() == "2026-11-22T23:59:59.999999+00:00"


def test_every_level_and_reason_has_words() -> None:
    assert weighed.level_words(None) == "not weighed"
    assert weighed.level_words("contested(one-root)") == "contested; one root"


# --- committed to, and shown later ----------------------------------------------------------------


def committed(world: World) -> tuple[bytes, dict[str, Any]]:
    """What is kept, and the piece that says its digest."""
    kept, digest = answering.opening(b"the flows", bytes(32))
    said(world, world.NORTH, claim(world, world.NORTH), world.GRID, world.SOUTH)
    made = answering.grounds(
        saying(world),
        CLAIM,
        "Flow records",
        "telemetry",
        ["actor"],
        access="committed",
        commitment=digest,
    )
    say_all(world, made)
    piece: dict[str, Any] = orjson.loads(made[0])
    return kept, piece


def ground(world: World) -> weighed.Ground:
    page = weigh.claim_page(world.node, world.node.reader(world.GRID), CLAIM)
    [found] = page.positions[0].grounds
    return found


def test_a_commitment_is_dated_and_what_is_shown_later_is_held_against_it(world: World) -> None:
    kept, piece = committed(world)
    made = world.clock()
    assert ground(world).committed == "committed on 2026-11-22; not shown yet"
    world.clock.later(days=2)
    say_all(world, answering.reveal(saying(world), piece, answering.File(name="f", raw=kept)))
    shown = ground(world)
    assert shown.committed == "committed on 2026-11-22; what is shown now is what was committed to"
    assert shown.counts
    # Before it was shown it had not been: the version of that time counts.
    reader = world.node.reader(world.GRID)
    now, then = (weigh.weigh(world.node, reader, CLAIM, at).links["actor"] for at in (None, made))
    assert (now.grade, then.grade) == ("one-root", "none-shown")
    steps = weigh.changed(world.node, reader, CLAIM)
    assert [one.links[-1].after for one in steps if one.links] == [
        "no grounds shown here",
        "one root",
    ]
    assert steps[-1].at.startswith("2026-11-24")
    assert [one.id for one in steps[-1].came] == [piece["id"]]


def test_other_material_and_another_digest_are_told_and_change_no_level(world: World) -> None:
    _, piece = committed(world)
    x = piece["extensions"][EXTENSION_ID]
    reader = world.node.reader(world.GRID)
    for day, (digest, word) in enumerate(
        (
            (x["commitment"], "what is shown now is not what was committed to"),
            ("0" * 64, "another digest has been put in its place since"),
        )
    ):
        world.clock.later(days=1)
        x.update(access="inspectable", commitment=digest)
        piece["modified"] = intake.stix_time(world.clock())
        piece["external_references"] = [
            {"source_name": "page", "url": f"https://north.example/{day}"}
        ]
        say_all(world, [orjson.dumps(piece)])
        shown = ground(world)
        assert shown.committed == f"committed on 2026-11-22; {word}"
        assert shown.commitment != "0" * 64
        assert weigh.weigh(world.node, reader, CLAIM).links["actor"].grade == "one-root"


def test_the_first_commitment_is_the_first_in_the_log_whatever_date_another_bears(
    world: World,
) -> None:
    """A version dated back was taken for the first, and the digest that was said first was gone."""
    _, piece = committed(world)
    x = piece["extensions"][EXTENSION_ID]
    first = x["commitment"]
    world.clock.later(days=2)
    x.update(commitment="0" * 64)
    piece["created"] = piece["modified"] = intake.stix_time(world.clock() - timedelta(days=30))
    say_all(world, [orjson.dumps(piece)])
    shown = ground(world)
    assert shown.commitment == first
    assert (shown.committed or "").startswith("committed on 2026-11-22;")
