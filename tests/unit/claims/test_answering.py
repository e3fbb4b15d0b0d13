"""What a person says about a claim, as objects that the carrier takes."""

from __future__ import annotations

import base64
import hashlib
import itertools
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tocsin.claims import answering
from tocsin.claims.answering import File, Saying
from tocsin.claims.carrier import read
from tocsin.claims.model import EXTENSION_ID
from tocsin.errors import ClaimError

BY = "identity--10000000-0000-4000-8000-000000000001"
OTHER = "identity--10000000-0000-4000-8000-000000000002"
CLAIM = "note--30000000-0000-4000-8000-000000000001"
NOW = datetime(2026, 2, 3, 9, 0, tzinfo=UTC)
NONCE = bytes(range(32))
BIG = File(name="big", raw=bytes(answering.MOST_MATERIAL + 1))


def saying(**more: Any) -> Saying:
    numbers = itertools.count(1)

    def new(type: str) -> str:
        return f"{type}--70000000-0000-4000-8000-{next(numbers):012}"

    return Saying(new=new, now=more.pop("now", NOW), by=more.pop("by", BY), **more)


def opened(raws: list[bytes]) -> list[dict[str, Any]]:
    objects = [orjson.loads(raw) for raw in raws]
    view = read(
        (one, hashlib.sha256(raw).hexdigest()) for one, raw in zip(objects, raws, strict=True)
    )
    assert view.broken == ()
    return objects


def x_of(one: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = one["extensions"][EXTENSION_ID]
    return found


def test_an_answer_is_a_challenge_of_its_target_in_the_words_said() -> None:
    [one] = opened(answering.answer(saying(), CLAIM, "denial", "We run no such group."))
    assert (one["type"], one["object_refs"], one["created_by_ref"]) == ("opinion", [CLAIM], BY)
    assert x_of(one)["words"] == {"text": "We run no such group.", "lang": "en"}
    assert x_of(one)["asserted_at"] == {
        "value": "2026-02-03T09:00:00.000Z",
        "precision": "instant",
    }
    [rival] = opened(
        answering.answer(saying(), CLAIM, "rebut", "No.", link="actor", rival="note--" + CLAIM[6:])
    )
    assert x_of(rival)["target_link"] == "actor"


def test_somebody_elses_words_need_their_source_and_are_by_publication() -> None:
    with pytest.raises(ClaimError, match="without their source"):
        answering.answer(saying(speaker=OTHER), CLAIM, "denial", "No.")
    there = saying(speaker=OTHER, url="https://mfa.eastmere.example/1", said_on="2026-01-30")
    [one] = opened(answering.answer(there, CLAIM, "denial", "No.", lang="ru"))
    assert (x_of(one)["speaker_ref"], one["created_by_ref"]) == (OTHER, BY)
    assert x_of(one)["asserted_at"] == {"value": "2026-01-30", "precision": "day"}
    assert one["external_references"][0]["url"] == "https://mfa.eastmere.example/1"


def test_an_undercut_of_a_claim_is_refused() -> None:
    with pytest.raises(ClaimError):
        answering.answer(saying(), CLAIM, "undercut", "No.")
    piece = "grouping--40000000-0000-4000-8000-000000000001"
    opened(answering.answer(saying(), piece, "undercut", "The sensor was not there."))


def test_a_reply_to_a_demand_is_a_position_that_answers_it() -> None:
    position, link = opened(answering.reply(saying(), CLAIM, "refused", "We will not."))
    assert x_of(position)["claim_type"] == "position"
    assert (link["source_ref"], link["target_ref"]) == (position["id"], CLAIM)
    assert x_of(link)["answer"] == "refused"
    with pytest.raises(ClaimError, match="is no reply"):
        answering.reply(saying(), CLAIM, "maybe", "We will not.")


def test_grounds_are_a_piece_its_material_and_its_support() -> None:
    file = File(name="flows.csv", raw=b"a,b\n", media_type="text/csv")
    artifact, piece, link = opened(
        answering.grounds(
            saying(),
            CLAIM,
            "Flow records",
            "telemetry",
            ["actor"],
            access="inspectable",
            files=[file],
        )
    )
    assert base64.b64decode(artifact["payload_bin"]) == b"a,b\n"
    assert piece["object_refs"] == [artifact["id"]]
    assert x_of(piece)["producer_refs"] == [BY]
    assert (link["source_ref"], x_of(link)["links"]) == (piece["id"], ["actor"])


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"kind": "hunch"}, "is no kind of evidence"),
        ({"access": "inspectable"}, "nothing to look at"),
        ({"access": "inspectable", "files": [BIG]}, "go in one object"),
        ({"kind": "court-finding"}, "court"),
        ({"access": "committed"}, "commitment"),
        ({"access": "hidden"}, "says nothing of who may look"),
        ({"access": "withheld", "files": [File(name="f", raw=b"a")]}, "'f' would be published"),
        ({"files": [File(name="f", raw=b"a")]}, "access described, and 'f' would be published"),
        ({"access": "withheld", "objects": [CLAIM]}, "would be published"),
        ({"access": "inspectable", "urls": ["javascript:alert(1)"]}, "is no page"),
        ({"links": ["actor", "hearsay"]}, "'hearsay' is no link"),
    ],
)
def test_grounds_that_cannot_be_are_refused(more: dict[str, Any], word: str) -> None:
    given: dict[str, Any] = {"kind": "telemetry", "access": "described", **more}
    kind, links = given.pop("kind"), given.pop("links", ["actor"])
    with pytest.raises(ClaimError, match=word):
        answering.grounds(saying(), CLAIM, "Flow records", kind, links, **given)


def test_an_answer_speaks_to_a_link_that_there_is() -> None:
    with pytest.raises(ClaimError, match="'hearsay' is no link"):
        answering.answer(saying(), CLAIM, "denial", "No.", link="hearsay")


def committed() -> tuple[bytes, dict[str, Any]]:
    kept, commitment = answering.opening(b"the flows\n", NONCE)
    piece, _ = opened(
        answering.grounds(
            saying(),
            CLAIM,
            "Flow records",
            "telemetry",
            ["actor"],
            access="committed",
            commitment=commitment,
        )
    )
    return kept, piece


def test_a_commitment_is_the_digest_of_what_is_kept_and_tells_nothing_of_it() -> None:
    kept, commitment = answering.opening(b"yes", NONCE)
    assert hashlib.sha256(kept).hexdigest() == commitment
    assert kept.endswith(b"\nyes")
    assert answering.opening(b"yes", bytes(32))[1] != commitment
    with pytest.raises(ClaimError):
        answering.opening(b"yes", b"short")


def test_what_was_committed_to_is_shown_in_a_newer_version_of_the_same_piece() -> None:
    kept, piece = committed()
    later = saying(now=datetime(2026, 3, 1, tzinfo=UTC))
    artifact, shown = opened(answering.reveal(later, piece, File(name="f", raw=kept)))
    assert (shown["id"], shown["created"]) == (piece["id"], piece["created"])
    assert shown["modified"] == "2026-03-01T00:00:00.000Z"
    assert shown["object_refs"] == [artifact["id"]]
    assert x_of(shown) == x_of(piece) | {"access": "inspectable"}
    digest = hashlib.sha256(orjson.dumps(artifact)).hexdigest()
    assert answering.revealed(x_of(shown)["commitment"], [("artifact", artifact, digest)])


def test_other_bytes_another_party_and_what_was_never_committed_show_nothing() -> None:
    kept, piece = committed()
    with pytest.raises(ClaimError, match="was committed to"):
        answering.reveal(saying(), piece, File(name="f", raw=kept + b"!"))
    with pytest.raises(ClaimError, match="was published by"):
        answering.reveal(saying(by=OTHER), piece, File(name="f", raw=kept))
    del x_of(piece)["commitment"]
    with pytest.raises(ClaimError, match="holds no commitment"):
        answering.reveal(saying(), piece, File(name="f", raw=kept))
    assert not answering.revealed("0" * 64, [("artifact", {"payload_bin": "?"}, "1" * 64)])
    assert not answering.revealed("0" * 64, [("artifact", {"payload_bin": 7}, "1" * 64)])
    assert answering.revealed("1" * 64, [("file", {}, "1" * 64)])


def test_an_answer_and_a_reply_say_for_whom_they_are_given() -> None:
    there = saying(capacity="agency", speaks_for=OTHER)
    [denial] = opened(answering.answer(there, CLAIM, "denial", "No."))
    position = opened(answering.reply(saying(speaks_for=OTHER), CLAIM, "refused", "No."))[0]
    assert (x_of(denial)["capacity"], x_of(denial)["speaks_for_ref"]) == ("agency", OTHER)
    assert (x_of(position)["speaker_ref"], x_of(position)["speaks_for_ref"]) == (BY, OTHER)
    assert "capacity" not in x_of(position)
    with pytest.raises(ClaimError, match="speaks for itself"):
        answering.answer(saying(speaks_for=BY), CLAIM, "denial", "No.")
