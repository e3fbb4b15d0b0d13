"""Who depends on whom can be challenged like all else: by grounds, and by whoever said it."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from tocsin.claims.carrier import read
from tocsin.claims.explain import explain
from tocsin.claims.kept import Kept
from tocsin.claims.model import EXTENSION_ID, View
from tocsin.claims.standing import Standing, alarms, roots, standing
from tocsin.claims.times import instant
from tocsin.claims.write import (
    challenge_object,
    claim_object,
    evidence_object,
    link_object,
    standing_object,
)

WHEN = "2026-02-03T09:00:00.000Z"
DAY = {"value": "2026-02-03", "precision": "day"}
EAST, NORTH, LAB, OTHER = (f"identity--1000000{n}-0000-4000-8000-000000000001" for n in range(4))
CLAIM = "note--20000000-0000-4000-8000-000000000001"
ONE, TWO, GROUND, GROUND2 = (f"grouping--3000000{n}-0000-4000-8000-000000000001" for n in range(4))
TIE = "relationship--40000000-0000-4000-8000-000000000001"
UNDERCUT, ANSWER = (f"opinion--5000000{n}-0000-4000-8000-000000000001" for n in range(2))
_RELS = [f"relationship--6000000{n}-0000-4000-8000-000000000001" for n in range(6)]


def piece(id: str, producer: str, access: str = "inspectable") -> bytes:
    return evidence_object(
        id=id,
        created=WHEN,
        created_by_ref=producer,
        name=id,
        kind="telemetry",
        producer_refs=[producer],
        access=access,
        external_references=[{"source_name": "s", "url": f"https://{id[-4:]}.example/{id}"}],
    )


def support(n: int, source: str, target: str, by: str) -> bytes:
    return link_object(
        id=_RELS[n],
        created=WHEN,
        created_by_ref=by,
        kind="supports",
        source_ref=source,
        target_ref=target,
        links=["activity"],
    )


def tie(kind: str, by: str = OTHER, url: bool = True) -> bytes:
    ends = (ONE, TWO) if kind == "derived-from" else (EAST, NORTH)
    more: dict[str, Any] = {"basis": "ownership"} if kind == "controlled-by" else {}
    if url:
        more["external_references"] = [{"source_name": "s", "url": "https://register.example/"}]
    return link_object(
        id=TIE,
        created=WHEN,
        created_by_ref=by,
        kind=kind,
        source_ref=ends[0],
        target_ref=ends[1],
        **more,
    )


def undercut(target: str = TIE, by: str = LAB, id: str = UNDERCUT, **more: Any) -> bytes:
    return challenge_object(
        id=id,
        created=WHEN,
        created_by_ref=by,
        target=target,
        form="undercut",
        speaker_ref=by,
        asserted_at=DAY,
        **more,
    )


def world(*more: bytes) -> View:
    claim = claim_object(
        id=CLAIM,
        created=WHEN,
        created_by_ref=EAST,
        claim_type="victim-claim",
        speaker_ref=EAST,
        asserted_at=DAY,
        gist="It was hit.",
    )
    given = [
        claim,
        piece(ONE, EAST),
        piece(TWO, NORTH),
        support(0, ONE, CLAIM, EAST),
        support(1, TWO, CLAIM, NORTH),
        *more,
    ]
    view = read([(orjson.loads(raw), hashlib.sha256(raw).hexdigest()) for raw in given])
    assert view.broken == ()
    return view


def weigh(*more: bytes) -> Standing:
    return standing(world(*more), CLAIM)


KINDS = pytest.mark.parametrize("kind", ["derived-from", "controlled-by"])
GROUNDED = (undercut(), piece(GROUND, LAB), support(2, GROUND, UNDERCUT, LAB))


@KINDS
def test_an_undercut_with_open_grounds_drops_a_tie(kind: str) -> None:
    assert weigh(tie(kind)).base == "one-root"
    found = weigh(tie(kind), *GROUNDED)
    assert found.base == "independent-roots"
    assert [(d.id, d.by, d.why) for d in found.dropped] == [(TIE, (UNDERCUT,), "undercut")]
    assert [(r.code, r.ref) for r in found.reasons] == [("tie-dropped-undercut", TIE)]
    [told] = [s for s in explain(found, world(tie(kind), *GROUNDED)) if TIE in s.refs]
    assert "was undercut, and it joins nothing" in told.text
    assert UNDERCUT in told.refs


@KINDS
@pytest.mark.parametrize("by", [EAST, NORTH, LAB])
def test_a_bare_word_drops_no_tie_whoever_says_it(kind: str, by: str) -> None:
    found = weigh(tie(kind), undercut(by=by))
    assert (found.base, found.dropped, found.reasons) == ("one-root", (), ())


@KINDS
def test_whoever_said_a_tie_takes_it_back(kind: str) -> None:
    found = weigh(tie(kind), undercut(by=OTHER))
    assert (found.base, found.dropped[0].why) == ("independent-roots", "owner")
    assert [r.code for r in found.reasons] == ["tie-dropped-by-owner"]


@KINDS
def test_grounds_that_are_only_described_drop_no_tie(kind: str) -> None:
    grounds = (undercut(), piece(GROUND, LAB, "described"), support(2, GROUND, UNDERCUT, LAB))
    assert weigh(tie(kind), *grounds).base == "one-root"


@KINDS
def test_an_undercut_that_is_undercut_drops_nothing(kind: str) -> None:
    against = (
        undercut(UNDERCUT, OTHER, ANSWER),
        piece(GROUND2, OTHER),
        support(3, GROUND2, ANSWER, OTHER),
    )
    assert weigh(tie(kind), *GROUNDED, *against).base == "one-root"


@KINDS
def test_a_withdrawn_undercut_drops_nothing(kind: str) -> None:
    event = {"status": "withdrawn", "at": "2026-02-04", "by_ref": LAB}
    taken_back = undercut(status_events=[event])
    assert weigh(tie(kind), taken_back, *GROUNDED[1:]).base == "one-root"


def test_roots_of_a_piece_are_those_over_the_ties_that_stand() -> None:
    tied = world(tie("derived-from"))
    assert not roots(tied, ONE).isdisjoint(roots(tied, TWO))
    fallen = world(tie("derived-from"), *GROUNDED)
    assert roots(fallen, ONE).isdisjoint(roots(fallen, TWO))


def test_grounds_that_rest_on_the_tie_they_are_against_do_not_loop() -> None:
    itself = (undercut(), support(2, ONE, UNDERCUT, LAB))
    first = weigh(tie("derived-from"), *itself)
    assert first == weigh(*reversed((tie("derived-from"), *itself)))
    assert first.base == "independent-roots"


def test_a_tie_does_not_protect_itself_from_what_it_is_said_of() -> None:
    """Whoever calls all that another has copies of a word of its own is answered with it."""
    word = orjson.loads(piece(GROUND2, OTHER))
    word["extensions"][EXTENSION_ID]["kind"] = "assertion"
    both = [orjson.loads(tie("derived-from")) for _ in range(2)]
    second = "relationship--40000000-0000-4000-8000-000000000002"
    both[0]["target_ref"] = both[1]["target_ref"] = GROUND2
    both[1]["source_ref"], both[1]["id"] = TWO, second
    said = [orjson.dumps(one) for one in (word, *both)]
    assert weigh(*said).base == "none-shown"
    for by in ((), (support(2, ONE, UNDERCUT, EAST),)):
        # One is answered with a word, and the other still caps; a word alone answers nothing.
        answered = weigh(*said, undercut(by=EAST), *by)
        assert answered.base == ("one-root" if by else "none-shown")
    crossed = (
        undercut(by=EAST),
        support(2, TWO, UNDERCUT, EAST),
        undercut(second, NORTH, ANSWER),
        support(3, ONE, ANSWER, NORTH),
    )
    found = weigh(*said, *crossed)
    assert found.base == "independent-roots"
    assert [(d.id, d.why) for d in found.dropped] == [(TIE, "undercut"), (second, "undercut")]


def test_what_an_undercut_of_another_tie_rests_on_has_to_stand_too() -> None:
    """A tie that is challenged with something that has fallen lifts nothing else."""
    third = "grouping--30000000-0000-4000-8000-000000000009"
    other_tie = orjson.loads(tie("derived-from", OTHER))
    other_tie["id"] = "relationship--40000000-0000-4000-8000-000000000002"
    word = orjson.loads(piece(third, OTHER))
    word["extensions"][EXTENSION_ID]["kind"] = "assertion"
    other_tie["source_ref"], other_tie["target_ref"] = GROUND, third
    against = (
        # GROUND is a copy of a word; that this is so is challenged with GROUND2, disowned by LAB.
        undercut(other_tie["id"], LAB, ANSWER),
        piece(GROUND2, LAB),
        support(3, GROUND2, ANSWER, LAB),
        undercut(GROUND2, LAB, "opinion--50000000-0000-4000-8000-000000000009"),
    )
    said = (tie("derived-from"), *GROUNDED, orjson.dumps(word), orjson.dumps(other_tie))
    assert weigh(*said).base == "one-root"
    assert weigh(*said, *against).base == "one-root"
    assert weigh(*said, *against[:-1]).base == "independent-roots"


@pytest.mark.parametrize("by", [EAST, NORTH])
def test_a_word_about_who_is_behind_oneself_is_about_ones_own_pieces(by: str) -> None:
    bare = tie("controlled-by", by, url=False)
    assert weigh(bare).base == "one-root"
    # What a third made is no nearer to the one of whom that is said.
    for told_of, base in ((EAST, "one-root"), (NORTH, "one-root"), (LAB, "independent-roots")):
        view = world(bare, piece(GROUND, LAB), support(2, GROUND, CLAIM, LAB))
        pair = {EAST: (ONE, TWO), NORTH: (TWO, ONE), LAB: (GROUND, ONE)}[told_of]
        disjoint = roots(view, pair[0]).isdisjoint(roots(view, pair[1]))
        assert disjoint == (base == "independent-roots")


@KINDS
def test_only_where_a_tie_is_undercut_or_is_a_word_are_the_rules_those_of_2_2(kind: str) -> None:
    assert weigh(tie(kind)).to_json()["algorithm"]["version"] == "2.0"
    assert weigh(tie(kind), *GROUNDED).to_json()["algorithm"]["version"] == "2.2"
    assert weigh(tie(kind), undercut()).to_json()["algorithm"]["version"] == "2.2"
    # The word of the copy is weighed as 2.0 weighs it.
    assert weigh(tie("derived-from", EAST, url=False)).version == "2.0"
    assert weigh(tie("controlled-by", EAST, url=False)).version == "2.2"
    assert {weigh(tie(kind, by, url=False)).version for by in (OTHER, NORTH)} == {"2.2"}
    bare, grounded = weigh(tie(kind), undercut()), weigh(tie(kind), *GROUNDED)
    assert bare.inputs_sha256 != grounded.inputs_sha256


def test_a_stored_standing_is_held_against_its_own_rules() -> None:
    ours = weigh(tie("controlled-by"), *GROUNDED)
    told = ours.to_json()
    stored = standing_object(
        id="note--70000000-0000-4000-8000-000000000001",
        created=WHEN,
        created_by_ref=LAB,
        standing=told,
        content="x",
    )
    assert alarms(world(tie("controlled-by"), *GROUNDED, stored)) == []
    wrong = standing_object(
        id="note--70000000-0000-4000-8000-000000000001",
        created=WHEN,
        created_by_ref=LAB,
        standing={**told, "level": "one-root", "base": "one-root"},
        content="x",
    )
    assert len(alarms(world(tie("controlled-by"), *GROUNDED, wrong))) == 1


@KINDS
def test_roots_are_counted_over_the_ties_that_stand(kind: str) -> None:
    assert weigh().roots == 2
    assert weigh(tie(kind)).roots == 1
    assert weigh(tie(kind), *GROUNDED).roots == 2


def test_roots_are_counted_as_they_were_known_at_the_time() -> None:
    late = orjson.loads(tie("controlled-by"))
    late["created"] = late["modified"] = "2026-03-01T00:00:00.000Z"
    view = world(orjson.dumps(late))
    counts = [standing(view, CLAIM, at=at).roots for at in (instant("2026-02-20T00:00:00Z"), None)]
    assert counts == [2, 1]


def test_a_standing_rests_on_a_rival_claim_and_not_on_the_rivals_of_that() -> None:
    """Each in a chain of claims set against claims is weighed by itself and its neighbour."""
    claims = [f"note--2000000{n}-0000-4000-8000-000000000002" for n in range(6)]
    chain = [
        claim_object(
            id=one,
            created=WHEN,
            created_by_ref=EAST,
            claim_type="victim-claim",
            speaker_ref=EAST,
            asserted_at=DAY,
            gist="It was hit.",
        )
        for one in claims
    ]
    opinions = [f"opinion--5000000{n}-0000-4000-8000-000000000002" for n in range(5)]
    for n, one in enumerate(opinions):
        chain.append(
            challenge_object(
                id=one,
                created=WHEN,
                created_by_ref=NORTH,
                target=claims[n],
                form="alternative",
                speaker_ref=NORTH,
                asserted_at=DAY,
                counter_claim_ref=claims[n + 1],
            )
        )
    shown = (piece(GROUND, LAB), support(4, GROUND, claims[1], LAB))
    view = world(*chain, *shown)
    kept = Kept(view, None, None, None)
    assert kept.scope(claims[0]) == sorted([*claims[:2], opinions[0], GROUND, _RELS[4]])
    assert len(kept.reach(claims[0])) == len([*claims, *opinions, GROUND, _RELS[4]])
    assert standing(view, claims[0]).level == "contested(none-shown)"
    assert standing(view, claims[1]).level == "one-root"


def test_a_tie_that_binds_nothing_here_is_no_input_and_is_not_told() -> None:
    """Nobody writes on another's page by a word that weighs nothing, said and taken back."""
    for kind in ("derived-from", "controlled-by"):
        plain = weigh(tie(kind, OTHER, url=False))
        taken_back = weigh(tie(kind, OTHER, url=False), undercut(by=OTHER))
        assert taken_back == plain
        assert (plain.version, plain.reasons) == ("2.2", ())
