"""What a party says and how it enters the log, signed at home or here; and who tries to cheat."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from tocsin.canonical import b64decode, b64encode
from tocsin.claims import write
from tocsin.errors import (
    ChainError,
    ForbiddenError,
    MarkingError,
    NotFoundError,
    SignatureError,
    SpeakerError,
    StatementError,
    TocsinError,
)
from tocsin.flows import intake
from tocsin.flows.intake import Act
from tocsin.policy import Tlp
from tocsin.record.envelope import sign
from tocsin.record.keys import Signer
from tocsin.record.statement import ObjectRef, compose
from tocsin.stix.bundle import open_object
from tocsin.stix.markings import MARKING_ID
from tocsin.stix.model import make

World = Any  # tests/unit/conftest.py

NOTE = "note--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a01"


def claim(world: World, party: str, words: str = "ours", id: str = NOTE, **props: Any) -> bytes:
    return write.claim_object(
        **{
            "id": id,
            "created": intake.stix_time(world.clock()),
            "created_by_ref": world.node.identity(party),
            "claim_type": "accusation",
            "speaker_ref": world.node.identity(party),
            "asserted_at": {"value": "2026-11-18", "precision": "day"},
            "words": {"text": words, "lang": "en"},
            **props,
        }
    )


def said(world: World, party: str, raw: bytes, **more: Any) -> intake.Done:
    """`party` says one object, wherever its key is."""
    act = Act(
        **{
            "author": party,
            "kind": "say",
            "tlp": "AMBER",
            "objects": (open_object(raw),),
            "to": tuple(p for p in (world.NORTH, world.GRID, world.SOUTH) if p != party),
            **more,
        }
    )
    if party == world.NORTH:
        return intake.record(world.node, act)
    done: intake.Done = world.as_guest(act)
    return done


# --- speaking for others --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["say", "act"])
def test_nobody_says_a_claim_that_another_party_created(world: World, kind: str) -> None:
    forged = claim(world, world.NORTH, "we give up")
    size = world.size
    with pytest.raises(SpeakerError):
        said(
            world,
            world.SOUTH,
            forged,
            kind=kind,
            case="case--1",
            body={"event": "case.open"} if kind == "act" else {},
        )
    assert world.size == size


def test_nobody_replaces_what_another_party_said(world: World) -> None:
    said(world, world.NORTH, world.indicator())
    identity = world.node.identity
    for creator, why in ((world.SOUTH, SpeakerError), (world.NORTH, SpeakerError)):
        newer = world.indicator(
            modified="2030-01-01T00:00:00.000Z", revoked=True, created_by_ref=identity(creator)
        )
        with pytest.raises(why):
            said(world, world.SOUTH, newer)
    [held] = world.node.store.select(
        world.node.allowed(world.node.reader(world.GRID)), types=["indicator"]
    )
    assert not held.data.get("revoked")


def test_an_object_is_passed_on_to_no_more_readers_than_its_owner_named(world: World) -> None:
    raw = world.indicator()
    said(world, world.NORTH, raw, to=(world.GRID,))
    looser: tuple[tuple[Tlp, tuple[str, ...]], ...] = (
        ("CLEAR", ()),
        ("GREEN", ()),
        ("AMBER", (world.SOUTH,)),
    )
    for tlp, to in looser:
        with pytest.raises(MarkingError, match="more readers"):
            said(world, world.GRID, raw, tlp=tlp, to=to)
    said(world, world.GRID, raw, tlp="AMBER", to=(world.NORTH,))
    assert not world.node.store.select(
        world.node.allowed(world.node.reader(world.SOUTH)), types=["indicator"]
    )


def test_an_object_that_is_public_here_may_be_said_again_by_anybody(world: World) -> None:
    raw = world.indicator()
    said(world, world.NORTH, raw, tlp="GREEN", to=())
    said(world, world.GRID, raw, tlp="GREEN", to=())


def test_what_nobody_here_created_may_be_passed_on(world: World) -> None:
    vendor = "identity--3c3a9f3a-58f5-4b0e-8a8e-0f6f3a0f7b11"
    raw = world.indicator(created_by_ref=vendor)
    said(world, world.NORTH, raw)
    said(world, world.SOUTH, raw, tlp="GREEN", to=())


# --- envelopes from elsewhere ---------------------------------------------------------------------


def test_a_party_signs_at_home_and_brings_the_envelope_back(world: World) -> None:
    raw = claim(world, world.GRID)
    done = said(world, world.GRID, raw)
    kept = world.node.store.statement(done.id, world.node.everything())
    assert kept is not None
    assert kept.author == world.GRID
    assert world.node.store.list_local("waiting") == [], "what waited for it is gone"


def test_the_same_envelope_again_is_the_same_statement(world: World) -> None:
    prepared = intake.prepare(
        world.node, Act(author=world.GRID, kind="ack", tlp="CLEAR", body={"heads": []})
    )
    raw = world.sign(prepared)
    first = intake.enter(world.node, raw)
    size = world.size
    assert intake.enter(world.node, raw) == first
    assert world.size == size


def test_what_is_put_again_for_an_envelope_sent_again_is_not_kept(world: World) -> None:
    item = open_object(world.indicator(world.GRID))
    act = Act(author=world.GRID, kind="say", tlp="GREEN", objects=(item,))
    raw = world.sign(intake.prepare(world.node, act))
    done = intake.enter(world.node, raw)
    assert world.node.store.list_local("waiting") == []
    intake.keep_object(world.node, world.GRID, item.raw, item.sha256, None)
    assert intake.enter(world.node, raw).id == done.id
    assert world.node.store.list_local("waiting") == []


def test_a_payload_signed_twice_is_entered_once(world: World) -> None:
    """Two payloads for one place in the chain: the second is stale once the first is in."""
    act = Act(author=world.GRID, kind="ack", tlp="CLEAR", body={"heads": []})
    one, two = intake.prepare(world.node, act), intake.prepare(world.node, act)
    intake.enter(world.node, world.sign(one))
    with pytest.raises(ChainError):
        intake.enter(world.node, world.sign(two))


def test_another_party_cannot_sign_what_was_prepared_for_one(world: World) -> None:
    prepared = intake.prepare(
        world.node, Act(author=world.GRID, kind="ack", tlp="CLEAR", body={"heads": []})
    )
    payload = b64decode(prepared.payload)
    south = world.guests[world.SOUTH]
    with pytest.raises(TocsinError):
        intake.enter(world.node, sign(payload, [south]))
    changed = payload.replace(prepared.key.encode(), south.keyid.encode())
    with pytest.raises(SignatureError):
        intake.enter(world.node, sign(changed, [south]))


def forged(world: World, author: str, ref: ObjectRef, **more: Any) -> bytes:
    """An envelope in `author`'s name with a signature that is not its own."""
    key = intake.signing_key(world.node, author)
    assert key is not None
    fields: dict[str, Any] = {
        "author": author,
        "key": key,
        "kind": "say",
        "seq": 1,
        "prev": "",
        "time": world.clock(),
        "salt": "0" * 32,
        "tlp": "CLEAR",
        "body": {},
        "objects": (ref,),
        **more,
    }
    mallory = Signer.from_seed(b"m" * 32, author)
    raw = sign(compose(**{**fields, "key": mallory.keyid}), [mallory])
    envelope = msgspec.json.decode(raw)
    envelope["payload"] = b64encode(compose(**fields))
    envelope["signatures"][0]["keyid"] = key
    return msgspec.json.encode(envelope, order="sorted")


def test_a_forged_envelope_learns_nothing_of_what_its_author_holds(world: World) -> None:
    """The same refusal whether the object is here or not, and whatever the chain's head is."""
    raw = world.indicator()
    done = said(world, world.NORTH, raw, to=(world.GRID,), tlp="AMBER", case="case--secret")
    held = open_object(raw)
    refs = [
        ObjectRef(id=held.id, sha256=held.sha256, type=held.type),
        ObjectRef(id=held.id, sha256="0" * 64, type=held.type),
    ]
    for author in (world.GRID, world.NORTH):
        answers = set()
        for ref in refs:
            for more in ({}, {"case": "case--secret"}, {"refs": (done.id,)}):
                with pytest.raises(SignatureError) as refused:
                    intake.enter(world.node, forged(world, author, ref, **more))
                answers.add(refused.value.message)
        assert len(answers) == 1, answers


def test_a_reference_to_a_hidden_statement_does_not_tell_its_marking(world: World) -> None:
    done = said(world, world.NORTH, world.indicator(), to=(world.SOUTH,), tlp="AMBER")
    for n, ref in enumerate((done.id, "0" * 64)):
        act = Act(
            author=world.GRID,
            kind="say",
            tlp="CLEAR",
            refs=(ref,),
            case=f"case--{n}",
            objects=(open_object(claim(world, world.GRID)),),
        )
        world.as_guest(act)
    with pytest.raises(MarkingError):
        world.as_guest(
            Act(
                author=world.SOUTH,
                kind="cosign",
                tlp="CLEAR",
                refs=(done.id,),
                body={"manifest_sha256": "0" * 64, "refuse": True},
            )
        )


# --- objects put here first -----------------------------------------------------------------------


def put(world: World, raw: bytes, media_type: str | None = None, sha256: str = "") -> None:
    digest = sha256 or hashlib.sha256(raw).hexdigest()
    intake.keep_object(world.node, world.GRID, raw, digest, media_type)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x01",
        b"[]",
        b"{}",
        b'{"type":"bundle","id":"bundle--2d6c1bb4-0c1e-4a5b-9d2f-0e9d31d3f9a1","objects":[]}',
        b'{"type":"bundle","id":"bundle--2d6c1bb4-0c1e-4a5b-9d2f-0e9d31d3f9a1","objects":[{}]}',
        b'{"type":"note","type":"note"}',
        b"[" * 3000 + b"]" * 3000,
    ],
    ids=lambda raw: raw[:20].decode("latin-1"),
)
def test_what_is_no_object_is_not_kept(world: World, raw: bytes) -> None:
    with pytest.raises(TocsinError):
        put(world, raw)
    assert world.node.store.list_local("waiting") == []


def test_an_object_in_a_wrapping_is_refused_with_its_own_digest(world: World) -> None:
    one = world.indicator()
    wrapped = b'{"type":"bundle","id":"bundle--2d6c1bb4-0c1e-4a5b-9d2f-0e9d31d3f9a1","objects":['
    with pytest.raises(StatementError) as refused:
        put(world, wrapped + one + b"]}")
    assert hashlib.sha256(one).hexdigest() in refused.value.remedy


def test_bytes_of_another_digest_are_refused(world: World) -> None:
    with pytest.raises(StatementError, match="SHA-256"):
        put(world, world.indicator(), sha256="0" * 64)


def test_a_statement_whose_object_is_not_here_asks_for_it(world: World) -> None:
    item = open_object(claim(world, world.GRID))
    prepared = intake.prepare(
        world.node, Act(author=world.GRID, kind="say", tlp="CLEAR", objects=(item,))
    )
    [row] = world.node.store.list_local("waiting")
    world.node.store.keep_local("waiting", row.key, None, row.version)
    with pytest.raises(StatementError, match="not here") as refused:
        intake.enter(world.node, world.sign(prepared))
    assert item.sha256 in refused.value.remedy


def test_what_one_party_has_put_here_another_cannot_say(world: World) -> None:
    raw = world.indicator(created_by_ref="identity--3c3a9f3a-58f5-4b0e-8a8e-0f6f3a0f7b11")
    put(world, raw)
    prepared = intake.prepare(
        world.node,
        Act(author=world.SOUTH, kind="say", tlp="CLEAR", objects=(open_object(raw),)),
    )
    row = world.node.store.local("waiting", f"{world.SOUTH}/{hashlib.sha256(raw).hexdigest()}")
    assert row is not None
    world.node.store.keep_local("waiting", row.key, None, row.version)
    with pytest.raises(StatementError, match="not here"):
        intake.enter(world.node, world.sign(prepared))


# --- taking back ----------------------------------------------------------------------------------


def test_only_who_said_it_takes_it_back(world: World) -> None:
    done = said(world, world.NORTH, claim(world, world.NORTH))
    with pytest.raises(ForbiddenError):
        intake.withdraw(world.node, world.GRID, done.id)
    hidden = said(
        world, world.SOUTH, claim(world, world.SOUTH, id=NOTE[:-1] + "2"), tlp="AMBER+STRICT", to=()
    )
    with pytest.raises(NotFoundError) as refused:
        intake.withdraw(world.node, world.NORTH, hidden.id)
    with pytest.raises(NotFoundError) as unknown:
        intake.withdraw(world.node, world.NORTH, "0" * 64)
    assert refused.value.message.replace(hidden.id, "") == unknown.value.message.replace(
        "0" * 64, ""
    )


def test_an_object_of_no_such_name_is_not_taken_back(world: World) -> None:
    done = said(world, world.NORTH, claim(world, world.NORTH))
    size = world.size
    with pytest.raises(NotFoundError):
        intake.withdraw(world.node, world.NORTH, done.id, objects=["note--other"])
    assert world.size == size


def test_a_bundle_with_one_bad_object_is_not_said_at_all(world: World) -> None:
    good = make(
        "identity",
        id="identity--3c3a9f3a-58f5-4b0e-8a8e-0f6f3a0f7b11",
        created="2026-01-01T00:00:00.000Z",
        name="V",
    )
    bundle = b'{"type":"bundle","id":"bundle--2d6c1bb4-0c1e-4a5b-9d2f-0e9d31d3f9a1","objects":['
    size = world.size
    with pytest.raises(StatementError):
        intake.say(world.node, world.NORTH, bundle + good + b',{"type":"note"}]}', tlp="CLEAR")
    assert world.size == size


# --- whose words a marking is read by -------------------------------------------------------------


MARKING = "marking-definition--0b7d2c6e-4f0f-4b8e-9a1d-3f9e6d2b5a71"


def definition(words: str, **more: Any) -> bytes:
    """A statement marking that names nobody as its maker."""
    return msgspec.json.encode(
        {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": MARKING,
            "created": "2026-11-20T08:00:00.000Z",
            "definition_type": "statement",
            "definition": {"statement": words},
            **more,
        }
    )


def marked(world: World, party: str, n: int = 0) -> str:
    """`party` says an indicator under the marking, in words of its own to gridco; its digest."""
    data = msgspec.json.decode(world.indicator())
    data.pop("created_by_ref", None)
    data |= {"id": f"indicator--6d1f5f7e-2a64-4d6e-8a51-0d2f5a7c00{n:02d}"}
    raw = msgspec.json.encode(data | {"object_marking_refs": [MARKING]})
    said(world, party, raw, tlp="GREEN", to=())
    return hashlib.sha256(raw).hexdigest()


def reads(world: World, party: str, sha256: str) -> bool:
    allowed = world.node.allowed(world.node.reader(party))
    return world.node.store.object(sha256, allowed) is not None


@pytest.mark.parametrize("created", ["2026-11-19T08:00:00.000Z", "2030-01-01T00:00:00.000Z"])
@pytest.mark.parametrize("first", [True, False])
def test_a_stranger_who_publishes_the_id_of_a_marking_loosens_nothing(
    world: World, first: bool, created: str
) -> None:
    harmless = definition("Copyright 2026 Somebody", created=created)
    strict = definition("do not share with anybody who is not named")
    for party, raw in [(world.SOUTH, harmless), (world.NORTH, strict)][:: 1 if first else -1]:
        said(world, party, raw, tlp="GREEN", to=())
    assert not reads(world, world.SOUTH, marked(world, world.NORTH))
    # Whoever has said nothing of what it means is read by nobody's words.
    assert not reads(world, world.SOUTH, marked(world, world.GRID, 1))


def test_a_stranger_who_publishes_the_id_of_a_marking_binds_nothing(world: World) -> None:
    said(world, world.SOUTH, definition("do not share"), tlp="GREEN", to=())
    said(world, world.NORTH, definition("Copyright 2026 CERT Northland"), tlp="GREEN", to=())
    sha256 = marked(world, world.NORTH)
    assert reads(world, world.SOUTH, sha256)
    assert reads(world, world.GRID, sha256)


def test_a_marking_is_what_the_party_says_that_made_it(world: World) -> None:
    made_by = world.node.identity(world.NORTH)
    raw = definition("Copyright 2026 CERT Northland", created_by_ref=made_by)
    said(world, world.NORTH, raw, tlp="GREEN", to=())
    assert reads(world, world.SOUTH, marked(world, world.GRID))


def test_of_two_definitions_of_its_own_the_stricter_counts(world: World) -> None:
    for words, created in (("do not share", "2026-11-20"), ("Copyright 2026", "2026-11-21")):
        raw = definition(words, created=f"{created}T08:00:00.000Z")
        said(world, world.NORTH, raw, tlp="GREEN", to=())
    assert not reads(world, world.SOUTH, marked(world, world.NORTH))


def test_no_other_content_is_taken_under_the_id_of_a_tlp_level(world: World) -> None:
    raw = definition("Copyright 2026 Somebody", id=MARKING_ID["RED"])
    with pytest.raises(StatementError, match="tlp-contradicted"):
        put(world, raw)
    bundle = b'{"type":"bundle","id":"bundle--2d6c1bb4-0c1e-4a5b-9d2f-0e9d31d3f9a1","objects":['
    with pytest.raises(StatementError, match="tlp-contradicted"):
        intake.say(world.node, world.NORTH, bundle + raw + b"]}", tlp="CLEAR")
