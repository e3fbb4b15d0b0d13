"""Beside a claim: answers to a demand, sightings around its date, a speaker's other figures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tocsin.claims import answering, consistency, write
from tocsin.claims.answering import Saying
from tocsin.claims.carrier import read
from tocsin.flows import intake, weigh, weighed
from tocsin.flows.beside import inconsistent
from tocsin.flows.intake import Act
from tocsin.flows.known import as_known
from tocsin.stix.bundle import open_object
from tocsin.stix.model import make

World = Any  # tests/unit/conftest.py

INDICATOR = "indicator--10000000-0000-4000-8000-000000000001"
MALWARE = "malware--20000000-0000-4000-8000-000000000001"


def say(world: World, *raws: bytes) -> None:
    objects = tuple(open_object(raw) for raw in raws)
    intake.record(world.node, Act(author=world.NORTH, kind="say", tlp="GREEN", objects=objects))


def claim(world: World, id: str, kind: str, text: str, **props: Any) -> bytes:
    given: dict[str, Any] = {
        "id": id,
        "created": intake.stix_time(world.clock()),
        "created_by_ref": world.node.identity(world.NORTH),
        "claim_type": kind,
        "speaker_ref": world.node.identity(world.NORTH),
        "addressee_refs": [world.node.identity(world.SOUTH)],
        "asserted_at": {"value": "2026-02-10", "precision": "day"},
        "words": {"text": text, "lang": "en"},
    }
    return write.claim_object(**{**given, **props})


def new(type: str) -> str:
    return f"{type}--{uuid4()}"


def page(
    world: World, id: str, party: str | None = None, at: datetime | None = None
) -> weighed.ClaimPage:
    return weigh.claim_page(world.node, world.node.reader(party or world.NORTH), id, at=at)


def sighting(world: World, of: str, **props: Any) -> bytes:
    return make(
        "sighting",
        id=new("sighting"),
        created=intake.stix_time(world.clock()),
        created_by_ref=world.node.identity(world.NORTH),
        sighting_of_ref=of,
        **props,
    )


@pytest.fixture
def demand(world: World) -> str:
    id = new("note")
    at = intake.stix_time(world.clock())
    by = world.node.identity(world.NORTH)
    say(
        world,
        make("malware", id=MALWARE, created=at, created_by_ref=by, name="x", is_family=False),
        make(
            "indicator",
            id=INDICATOR,
            created=at,
            created_by_ref=by,
            pattern="[domain-name:value = 'a.example']",
            pattern_type="stix",
            valid_from=at,
        ),
        make(
            "relationship",
            id=new("relationship"),
            created=at,
            created_by_ref=by,
            relationship_type="indicates",
            source_ref=INDICATOR,
            target_ref=MALWARE,
        ),
        claim(world, id, "demand", "Stop running this tool.", about_refs=[MALWARE]),
    )
    return id


def test_a_demand_shows_its_answers_and_how_each_answers(world: World, demand: str) -> None:
    assert page(world, demand).answers == ()
    saying = Saying(new=new, now=world.clock(), by=world.node.identity(world.NORTH))
    say(world, *answering.reply(saying, demand, "premise-denied", "We run no tool."))
    [one] = page(world, demand).answers
    assert one.how == "premise-denied"
    assert one.speaker is not None
    assert one.speaker.party == world.NORTH
    assert page(world, demand).row.answers == 1
    assert [p.effect for p in page(world, demand).positions] == [None, "answers: premise-denied"]


def test_answers_are_those_that_had_come_by_then(world: World, demand: str) -> None:
    saying = Saying(new=new, now=world.clock(), by=world.node.identity(world.NORTH))
    say(world, *answering.reply(saying, demand, "refused", "No."))
    first = world.clock()
    world.clock.later(hours=1)
    later = Saying(new=new, now=world.clock(), by=world.node.identity(world.NORTH))
    say(world, *answering.reply(later, demand, "partly", "A part of it."))
    say(world, *answering.answer(later, demand, "request", "Show it."))
    now, then = page(world, demand), page(world, demand, at=first)
    assert [one.how for one in now.answers] == ["refused", "partly"]
    assert [one.how for one in then.answers] == ["refused"]
    assert [p.word for p in then.positions] == ["demand", "position"]
    assert [p.word for p in now.positions] == ["demand", "position", "position", "request"]
    assert (then.row.answers, then.row.critiques, then.later) == (1, 0, 2)
    assert (now.row.answers, now.row.critiques, now.later) == (2, 1, 0)
    reader = world.node.reader(world.NORTH)
    [row] = [r for r in weigh.claims(world.node, reader, at=first) if r.id == demand]
    assert row == then.row
    assert {h.at for h in now.history} > {h.at for h in then.history}


def test_sightings_are_those_that_were_known_then(world: World, demand: str) -> None:
    early = sighting(world, INDICATOR, first_seen="2026-02-01T08:00:00.000Z", count=3)
    item = (open_object(early),)
    done = intake.record(world.node, Act(author=world.NORTH, kind="say", tlp="GREEN", objects=item))
    first = world.clock()
    world.clock.later(hours=1)
    say(world, sighting(world, INDICATOR, first_seen="2026-02-02T08:00:00.000Z"))

    def counted(at: datetime | None) -> tuple[int, int, int]:
        found = page(world, demand, at=at).sightings
        assert found is not None
        return found.indicators, found.before, found.sightings

    assert (counted(first), counted(None)) == ((2, 3, 1), (2, 4, 2))
    assert counted(first - timedelta(hours=1)) == (1, 0, 0)  # nothing pointed to it then
    intake.withdraw(world.node, world.NORTH, done.id, reason="a test of ours")
    # What is taken back is read by nobody any more, at no time.
    assert (counted(first), counted(None)) == ((2, 0, 0), (2, 1, 1))


def test_claims_of_later_days_are_not_in_the_list_of_an_earlier_one(
    world: World, demand: str
) -> None:
    """They were an error of the whole list: no claim is known before it is said."""
    reader = world.node.reader(world.NORTH)
    assert weigh.claims(world.node, reader, at=as_known("2026-02-10")) == []
    assert [r.id for r in weigh.claims(world.node, reader, at=as_known("2026-02-11"))] == [demand]


def test_sightings_are_counted_by_the_date_of_the_demand(world: World, demand: str) -> None:
    found = page(world, demand).sightings
    assert found is not None
    assert (found.indicators, found.sightings) == (2, 0)
    day = "2026-02-%02dT08:00:00.000Z"
    say(
        world,
        sighting(world, INDICATOR, first_seen=day % 1, last_seen=day % 9, count=3),
        sighting(world, INDICATOR, first_seen=day % 9, last_seen=day % 11),
        sighting(world, INDICATOR, first_seen=day % 10),
        sighting(world, MALWARE, first_seen=day % 11, count=2),
        sighting(world, MALWARE),
        sighting(world, "malware--20000000-0000-4000-8000-000000000002", first_seen=day % 1),
    )
    found = page(world, demand).sightings
    assert found is not None
    assert (found.before, found.across, found.after, found.undated) == (3, 2, 2, 1)
    assert found.sightings == 5


def test_a_demand_without_anything_tied_to_it_and_a_charge_have_no_count(world: World) -> None:
    one, two = new("note"), new("note")
    say(world, claim(world, one, "demand", "Stop it."))
    say(world, claim(world, two, "accusation", "It was them.", about_refs=[MALWARE]))
    assert page(world, one).sightings is None
    assert page(world, two).sightings is None


def test_other_figures_of_one_speaker_are_flagged_on_both_and_change_no_level(
    world: World,
) -> None:
    one, two, other = new("note"), new("note"), new("note")
    matter = [new("incident")]
    say(world, claim(world, one, "accusation", "They hit 43 hospitals.", about_refs=matter))
    before = page(world, one).now
    say(world, claim(world, two, "accusation", "They hit 51 hospitals.", about_refs=matter))
    say(
        world,
        claim(
            world,
            other,
            "accusation",
            "They hit 60 hospitals.",
            about_refs=matter,
            speaker_ref=world.node.identity(world.SOUTH),
        ),
    )
    for id, there, here in ((one, two, "43"), (two, one, "51")):
        [position] = [p for p in page(world, id).positions if p.id == id]
        assert position.flags == ("speaker-inconsistent (of the speaker)",)
        assert [(d.claim, d.what, d.here) for d in position.differing] == [
            (there, "hospitals", here)
        ]
    [position] = page(world, other).positions
    assert position.flags == ()
    after = page(world, one).now
    assert (after.level, after.links, after.inputs_sha256) == (
        before.level, before.links, before.inputs_sha256,
    )  # fmt: skip


def test_what_a_reader_may_not_read_flags_nothing_for_it(world: World) -> None:
    one, two = new("note"), new("note")
    matter = [new("incident")]
    say(world, claim(world, one, "accusation", "They hit 43 hospitals.", about_refs=matter))
    hidden = open_object(claim(world, two, "accusation", "It was 51 hospitals.", about_refs=matter))
    intake.record(
        world.node, Act(author=world.NORTH, kind="say", tlp="AMBER+STRICT", objects=(hidden,))
    )
    [mine] = page(world, one).positions
    assert mine.differing
    [theirs] = page(world, one, world.SOUTH).positions
    assert (theirs.flags, theirs.differing) == ((), ())


def test_matters_without_end_are_compared_within_bounds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    def counted(*given: Any, **more: Any) -> list[consistency.Difference]:
        nonlocal looked
        looked += 1
        return differences(*given, **more)

    differences = consistency.differences
    monkeypatch.setattr(consistency, "differences", counted)
    matters = [f"incident--{uuid4()}" for _ in range(300)]
    raws = [
        open_object(claim(world, new("note"), "assessment", f"{n + 2} wards", about_refs=matters))
        for n in range(60)
    ]
    found = inconsistent(read([(one.data, one.sha256) for one in raws]), {})
    assert looked <= 60 * 59 / 2
    assert {len(them) for them in found.values()} == {consistency.MOST_TOLD}


@pytest.mark.parametrize("coders", ["one", "two"])
def test_a_coder_who_floods_hides_nothing_of_what_others_show(world: World, coders: str) -> None:
    """Two hundred others of one speaker and matter, with lower ids, were all that was compared."""
    matter, by = [new("incident")], world.node.identity(world.NORTH)
    other, loud = (world.node.identity(party) for party in (world.GRID, world.SOUTH))
    told = (("e", "43 hospitals", by), ("f", "51 hospitals", by if coders == "one" else other))
    raws = [
        claim(world, f"note--{last * 8}-0000-4000-8000-000000000000", "assessment", text,
              about_refs=matter, created_by_ref=publisher)
        for last, text, publisher in told
    ]  # fmt: skip
    raws += [
        claim(world, f"note--{n:08x}-0000-4000-8000-000000000000", "assessment",
              f"{n + 60} hospitals", about_refs=matter, created_by_ref=loud)
        for n in range(consistency.MOST_TOGETHER)
    ]  # fmt: skip
    said = [open_object(raw) for raw in raws]
    found = inconsistent(read([(one.data, one.sha256) for one in said]), {})
    assert ("43", "51") in {(one.here, one.there) for one in found.get(said[0].id, ())}
