"""Whoever answers has a spokesman as whoever charges has: the same fields, the same rule, no effect
on any level."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.claims import write
from tocsin.claims.carrier import read
from tocsin.claims.explain import explain
from tocsin.claims.model import EXTENSION_ID, NOT_WEIGHED, REQUIRED, View
from tocsin.claims.standing import standing
from tocsin.errors import ClaimError

CODER, EAST, WEST, ANA, JON = (
    f"identity--0000000{n}-0000-4000-8000-000000000000" for n in range(5)
)
CLAIM = "note--30000000-0000-4000-8000-000000000001"
ANSWER = "opinion--30000000-0000-4000-8000-000000000002"
AT = "2026-02-03T09:00:00.000Z"
DAY = {"value": "2026-02-03", "precision": "day"}
NAMES = {CODER: "Coder", EAST: "Eastmere", WEST: "Westwater", ANA: "Ana Ruiz", JON: "Jon Vale"}


def charge(voice: Mapping[str, Any], claim_type: str = "accusation") -> bytes:
    return write.claim_object(
        id=CLAIM, created=AT, created_by_ref=CODER, claim_type=claim_type, asserted_at=DAY,
        speaker_ref=ANA, addressee_refs=[EAST], words={"text": "Eastmere did it.", "lang": "en"},
        **voice,
    )  # fmt: skip


def answer(voice: Mapping[str, Any], form: str = "denial") -> bytes:
    return write.challenge_object(
        id=ANSWER, created=AT, created_by_ref=CODER, target=CLAIM, form=form, speaker_ref=JON,
        asserted_at=DAY, words={"text": "No.", "lang": "en"}, **voice,
    )  # fmt: skip


def seen(*raws: bytes) -> View:
    named = [write.identity_object(id=id, name=name, created=AT) for id, name in NAMES.items()]
    return read((orjson.loads(raw), hashlib.sha256(raw).hexdigest()) for raw in (*named, *raws))


FOR_EAST = {"capacity": "spokesperson", "speaks_for_ref": EAST}


def test_both_sides_carry_the_same_two_fields() -> None:
    view = seen(charge({**FOR_EAST, "speaks_for_ref": WEST}), answer(FOR_EAST))
    assert view.broken == ()
    one, other = view.claims[CLAIM].x, view.challenges[ANSWER].x
    assert (one.capacity, one.speaks_for_ref) == ("spokesperson", WEST)
    assert (other.capacity, other.speaks_for_ref) == ("spokesperson", EAST)


def test_what_was_said_without_them_stays_as_it_is() -> None:
    view = seen(charge({}), answer({}))
    x = view.challenges[ANSWER].x
    assert (x.capacity, x.speaks_for_ref) == (None, None)
    plain = orjson.loads(answer({}))["extensions"][EXTENSION_ID]
    assert not {"capacity", "speaks_for_ref"} & plain.keys()
    said = [line.text for line in explain(standing(view, CLAIM), view)]
    assert "Jon Vale denies it." in said


def test_the_sentence_says_for_whom() -> None:
    view = seen(charge({}), answer(FOR_EAST))
    [line] = [s for s in explain(standing(view, CLAIM), view) if "denies" in s.text]
    assert line.text == "Jon Vale (for Eastmere) denies it."
    assert line.refs == (ANSWER,)


@pytest.mark.parametrize("wrong", ["Eastmere", "note--" + EAST[10:], 7])
def test_who_is_spoken_for_is_an_identity_on_both_sides(wrong: Any) -> None:
    for write_one in (charge, answer):
        with pytest.raises(ClaimError, match="speaks_for_ref"):
            write_one({"speaks_for_ref": wrong})
    data = orjson.loads(answer({}))
    data["extensions"][EXTENSION_ID]["speaks_for_ref"] = wrong
    view = seen(charge({}), orjson.dumps(data))
    assert [(b.id, b.field) for b in view.broken] == [(ANSWER, "speaks_for_ref")]


VOICES = st.fixed_dictionaries(
    {},
    optional={
        "capacity": st.sampled_from(["spokesperson", "agency", "unknown", "odd"]),
        "speaks_for_ref": st.sampled_from(list(NAMES)),
    },
)


@settings(max_examples=60, deadline=None)
@given(
    VOICES, VOICES, st.sampled_from([*REQUIRED, *sorted(NOT_WEIGHED)]),
    st.sampled_from(["denial", "request", "rebut", "alternative", "method-critique"]),
)  # fmt: skip
def test_for_whom_one_speaks_moves_no_level(
    one: dict[str, Any], other: dict[str, Any], claim_type: str, form: str
) -> None:
    """Nobody becomes the owner of another's evidence by saying that one speaks for it."""
    made = [
        write.evidence_object(
            id="grouping--30000000-0000-4000-8000-000000000003", created=AT, created_by_ref=CODER,
            name="Flow records", kind="telemetry", producer_refs=[WEST], access="described",
        ),
        write.link_object(
            id="relationship--30000000-0000-4000-8000-000000000004", created=AT,
            created_by_ref=CODER, kind="supports",
            source_ref="grouping--30000000-0000-4000-8000-000000000003", target_ref=CLAIM,
            links=["activity", "actor", "sponsor", "statement"],
        ),
        write.challenge_object(
            id="opinion--30000000-0000-4000-8000-000000000005", created=AT, created_by_ref=CODER,
            target="grouping--30000000-0000-4000-8000-000000000003", form="undercut",
            speaker_ref=JON, asserted_at=DAY, words={"text": "Not ours.", "lang": "en"},
            external_references=[{"source_name": "page", "url": "https://west.example/1"}], **other,
        ),
    ]  # fmt: skip
    plain, spoken = (
        standing(seen(charge(a, claim_type), answer(b, form), *made), CLAIM).to_json()
        for a, b in (({}, {}), (one, other))
    )
    for found in (plain, spoken):
        del found["inputs_sha256"]
    if "speaks_for_ref" not in other:
        assert plain == spoken
    assert (plain["level"], plain["links"], plain["dropped"]) == (
        spoken["level"], spoken["links"], spoken["dropped"],
    )  # fmt: skip
