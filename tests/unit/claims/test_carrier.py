"""The claim carrier: what is read, what is refused, what is written."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from tocsin.claims.carrier import check_publisher, read
from tocsin.claims.explain import summary
from tocsin.claims.model import EXTENSION_ID, View
from tocsin.claims.standing import standings
from tocsin.claims.write import (
    challenge_object,
    claim_object,
    evidence_object,
    extension_objects,
    identity_object,
    link_object,
    standing_object,
)
from tocsin.errors import ClaimError, SpeakerError

CERT = "identity--11111111-1111-4111-8111-111111111111"
OUTLET = "identity--22222222-2222-4222-8222-222222222222"
MFA = "identity--33333333-3333-4333-8333-333333333333"
CLAIM = "note--44444444-4444-4444-8444-444444444444"
PIECE = "grouping--55555555-5555-4555-8555-555555555555"
SUPPORT = "relationship--66666666-6666-4666-8666-666666666666"
DENIAL = "opinion--77777777-7777-4777-8777-777777777777"
STANDING = "note--99999999-9999-4999-8999-999999999999"
WHEN = "2026-02-03T09:00:00.000Z"
DAY = {"value": "2026-02-03", "precision": "day"}


def view_of(*raws: bytes) -> View:
    return read((orjson.loads(raw), hashlib.sha256(raw).hexdigest()) for raw in raws)


def a_claim(**other: Any) -> bytes:
    given: dict[str, Any] = {
        "id": CLAIM,
        "created": WHEN,
        "created_by_ref": CERT,
        "claim_type": "attribution",
        "speaker_ref": CERT,
        "addressee_refs": [MFA],
        "asserted_at": DAY,
        "words": {"text": "The relay was run for Eastmere.", "lang": "en"},
    }
    return claim_object(**given | other)


def a_story() -> list[bytes]:
    """Identity, extension, claim, evidence, support, denial: everything but the standing."""
    by: dict[str, Any] = {"created": WHEN, "created_by_ref": CERT}
    return [
        *extension_objects(),
        identity_object(id=CERT, name="cert.northland.example", created=WHEN),
        identity_object(id=MFA, name="mfa.eastmere.example", created=WHEN),
        a_claim(flags=[{"name": "as-reported", "of": "outlet"}]),
        evidence_object(
            id=PIECE,
            name="relay flow records",
            kind="telemetry",
            producer_refs=[CERT],
            access="described",
            access_for={MFA: "inspectable"},
            published=DAY,
            external_references=[
                {"source_name": "northland", "url": "https://northland.example/7"}
            ],
            **by,
        ),
        link_object(
            id=SUPPORT,
            kind="supports",
            source_ref=PIECE,
            target_ref=CLAIM,
            links=["activity", "actor"],
            **by,
        ),
        challenge_object(
            id=DENIAL,
            created=WHEN,
            created_by_ref=MFA,
            target=CLAIM,
            form="denial",
            speaker_ref=MFA,
            asserted_at=DAY,
            explanation="Groundless.",
        ),
    ]


# --- reading ----------------------------------------------------------------------------------


def test_what_is_written_is_read_back_as_it_was_meant() -> None:
    view = view_of(*a_story())
    assert view.broken == ()
    claim = view.claims[CLAIM]
    assert claim.content == "The relay was run for Eastmere."
    assert claim.object_refs == (CERT, MFA)
    assert claim.publisher == claim.x.speaker_ref == CERT
    assert view.evidence[PIECE].x.access_for == {MFA: "inspectable"}
    assert view.evidence[PIECE].origin == PIECE
    assert view.challenges[DENIAL].target == CLAIM
    assert view.links[SUPPORT].x.links == ("activity", "actor")
    assert view.name(MFA) == "mfa.eastmere.example"
    assert view.name("identity--0") == "identity--0"


def test_the_newest_version_counts_whatever_comes_first() -> None:
    old = a_claim(modified=WHEN, gist="old")
    new = a_claim(modified="2026-02-03T09:00:00.5Z", gist="new")
    later = a_claim(modified="2026-02-03T09:00:00.50001Z", gist="later")
    for raws in ([old, new, later], [later, new, old], [new, later, old]):
        assert view_of(*raws).claims[CLAIM].x.gist == "later"


def test_a_broken_newer_version_does_not_bring_the_older_one_back() -> None:
    old = orjson.loads(a_claim())
    new = orjson.loads(a_claim(modified="2026-03-01T00:00:00.000Z"))
    del new["extensions"][EXTENSION_ID]["asserted_at"]
    view = read([(old, "1" * 64), (new, "2" * 64)])
    assert view.claims == {}
    assert [(one.id, one.field, one.sha256) for one in view.broken] == [
        (CLAIM, "asserted_at", "2" * 64)
    ]


def test_unknown_keys_and_values_are_kept_and_break_nothing() -> None:
    one = orjson.loads(a_claim(capacity="oracle", flags=[{"name": "new-flag"}]))
    one["extensions"][EXTENSION_ID]["novelty"] = {"any": ["thing"]}
    view = read([(one, "1" * 64)])
    assert view.broken == ()
    assert view.claims[CLAIM].x.capacity == "oracle"
    assert view.objects[CLAIM].data["extensions"][EXTENSION_ID]["novelty"] == {"any": ["thing"]}


def test_objects_that_are_not_ours_are_held_and_left_alone() -> None:
    plain = {"type": "note", "id": CLAIM, "content": "x", "created": WHEN}
    odd = {"type": "note", "id": STANDING, "created": WHEN, "extensions": {"x": 1}}
    view = read([(plain, "1" * 64), (odd, "2" * 64), ({"no": "id"}, "3" * 64)])
    assert set(view.objects) == {CLAIM, STANDING}
    assert view.claims == {}
    assert view.broken == ()


def test_an_undercut_of_a_relationship_on_which_nothing_rests_is_broken() -> None:
    quotes = link_object(
        id=SUPPORT,
        created=WHEN,
        created_by_ref=CERT,
        kind="quotes",
        source_ref=CLAIM,
        target_ref=STANDING,
    )
    undercut = challenge_object(
        id=DENIAL,
        created=WHEN,
        created_by_ref=MFA,
        target=SUPPORT,
        form="undercut",
        speaker_ref=MFA,
        asserted_at=DAY,
    )
    view = view_of(quotes, undercut)
    assert view.challenges == {}
    assert [one.id for one in view.broken] == [DENIAL]
    assert "quotes" in view.broken[0].message


def test_a_broken_object_names_its_field_and_a_remedy() -> None:
    one = orjson.loads(a_claim())
    one["extensions"][EXTENSION_ID]["words"] = {"text": 7}
    [broken] = read([(one, "1" * 64)]).broken
    assert broken.field == "words.text"
    refused = broken.error()
    assert isinstance(refused, ClaimError)
    assert CLAIM in refused.message
    assert refused.remedy


# --- writing ----------------------------------------------------------------------------------


def test_a_claim_without_speaker_refers_to_the_outlet() -> None:
    raw = a_claim(speaker_ref=None, addressee_refs=[], reported_by_ref=OUTLET)
    assert orjson.loads(raw)["object_refs"] == [OUTLET]
    assert "speaker_ref" not in orjson.loads(raw)["extensions"][EXTENSION_ID]
    with pytest.raises(ClaimError, match="speaks of nobody"):
        a_claim(speaker_ref=None, addressee_refs=[])


def test_a_gist_stands_in_for_words_that_are_not_given() -> None:
    raw = a_claim(words=None, gist="the relay served Eastmere", speaker_as_printed="Northland")
    assert orjson.loads(raw)["content"] == "the relay served Eastmere"
    assert orjson.loads(raw)["authors"] == ["Northland"]


@pytest.mark.parametrize(
    ("form", "opinion"),
    [("denial", "strongly-disagree"), ("request", "neutral"), ("rebut", "disagree")],
)
def test_the_native_opinion_follows_the_form(form: str, opinion: str) -> None:
    raw = challenge_object(
        id=DENIAL,
        created=WHEN,
        created_by_ref=MFA,
        target=CLAIM,
        form=form,
        speaker_ref=MFA,
        asserted_at=DAY,
    )
    assert orjson.loads(raw)["opinion"] == opinion


def test_nothing_broken_is_ever_written() -> None:
    by: dict[str, Any] = {"created": WHEN, "created_by_ref": CERT}
    with pytest.raises(ClaimError, match="asserted_at"):
        a_claim(asserted_at={"value": "spring", "precision": "day"})
    with pytest.raises(ClaimError, match="court"):
        evidence_object(
            id=PIECE,
            name="x",
            kind="court-finding",
            producer_refs=[CERT],
            access="described",
            **by,
        )
    with pytest.raises(ClaimError, match="undercut"):
        challenge_object(
            id=DENIAL, target=CLAIM, form="undercut", speaker_ref=MFA, asserted_at=DAY, **by
        )
    with pytest.raises(ClaimError, match="target_ref"):
        link_object(id=SUPPORT, kind="supports", source_ref=PIECE, target_ref=PIECE, **by)


def test_a_standing_is_written_as_a_note_and_never_as_confidence() -> None:
    story = a_story()
    [one] = standings(view_of(*story))
    raw = standing_object(
        id=STANDING,
        created=WHEN,
        created_by_ref=CERT,
        standing=one.to_json(),
        content=summary(one),
    )
    note = orjson.loads(raw)
    assert note["abstract"] == "standing: links-missing"
    assert note["object_refs"] == [CLAIM]
    assert "confidence" not in note
    assert note["extensions"][EXTENSION_ID]["dropped"] == []
    assert "at" not in note["extensions"][EXTENSION_ID]
    assert standings(view_of(*story, raw)) == [one]


def test_only_the_publisher_of_a_claim_may_say_it() -> None:
    data = orjson.loads(a_claim())
    check_publisher(data, CERT)
    check_publisher({"type": "indicator", "id": "indicator--1", "created_by_ref": MFA}, CERT)
    with pytest.raises(SpeakerError, match="published by"):
        check_publisher(data, MFA)
