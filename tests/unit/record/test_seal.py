"""Sealed statements: who opens them, what the carrier sees, what a changed byte does."""

from __future__ import annotations

import contextlib
import hashlib
import random
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.record.dossier_case import CASE, EAST, NORTH, SIGNERS, Case, note_object, ref

from tocsin import canonical
from tocsin.errors import RecordError, SealError, StatementError
from tocsin.policy import Reader, may_read
from tocsin.record import seal
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import (
    Verified,
    open_envelope,
    open_statement,
    pae,
    sign,
    statement_id,
    write_envelope,
)
from tocsin.record.hpke import HpkeKey
from tocsin.record.statement import compose

PORT = "portco.example"
KEYS = {party: HpkeKey(bytes([n]) * 32) for n, party in ((31, NORTH), (32, EAST), (33, PORT))}
OBJECTS = [note_object(1), note_object(2)]


def enrolled() -> KeyRing:
    """The keys of the little log."""
    case = Case()
    ring = KeyRing(case.root)
    for index, raw in enumerate(case.raws):
        _, statement = open_statement(raw)
        ring.admit_key(Verified(id=statement_id(raw), raw=raw, statement=statement), index)
    return ring


def signed(
    *,
    to: Sequence[str] = (EAST,),
    tlp: str = "AMBER",
    kind: str = "say",
    seq: int = 1,
    salt: str = "5a" * 16,
) -> bytes:
    signer = SIGNERS[NORTH]
    payload = compose(
        author=NORTH,
        key=signer.keyid,
        kind=kind,
        seq=seq,
        prev="" if seq == 1 else "ab" * 32,
        time="2026-11-22T08:30:00Z",
        salt=salt,
        tlp=tlp,
        body={},
        case=CASE,
        to=to,
        refs=["cd" * 32] if kind == "withdraw" else (),
        objects=[ref(raw) for raw in OBJECTS],
    )
    return sign(payload, [signer])


def sealed(envelope: bytes | None = None, readers: Sequence[str] = (NORTH, EAST)) -> bytes:
    return seal.seal(
        envelope or signed(),
        {hashlib.sha256(raw).hexdigest(): raw for raw in OBJECTS},
        {party: KEYS[party].public for party in readers},
        SIGNERS[NORTH],
        random.Random(5).randbytes,
    )


SEALED = sealed()


@pytest.mark.parametrize("reader", [NORTH, EAST])
def test_a_named_reader_and_the_author_open_it_to_the_byte(reader: str) -> None:
    opened = seal.unseal(SEALED, reader, KEYS[reader])
    assert opened.envelope == signed()
    assert [raw for _, raw in opened.objects] == OBJECTS


def test_it_has_the_id_of_the_plaintext_for_all_readers() -> None:
    _, one = seal.open_sealed(SEALED)
    _, other = seal.open_sealed(sealed(readers=(NORTH, EAST)))
    assert one.commitment == other.commitment == statement_id(signed())


def test_nobody_else_opens_it() -> None:
    with pytest.raises(SealError, match="not for portco"):
        seal.unseal(SEALED, PORT, KEYS[PORT])
    with pytest.raises(SealError, match="sealed to key"):
        seal.unseal(SEALED, EAST, KEYS[PORT])


def test_the_carrier_sees_none_of_the_words() -> None:
    for secret in (*OBJECTS, b"2026-11-22T08:30", b"5a5a5a5a"):
        assert secret not in SEALED
    envelope, _ = seal.open_sealed(SEALED)
    payload = canonical.decode(envelope.payload)
    assert payload.keys() == {
        *("author", "case", "commitment", "ct", "key", "nonce", "prev", "seq", "tlp", "to", "v")
    }


def test_its_length_tells_only_a_power_of_two() -> None:
    lengths = set()
    for count in range(3):
        _, found = seal.open_sealed(
            seal.seal(
                sign_with(OBJECTS[:count]),
                {hashlib.sha256(raw).hexdigest(): raw for raw in OBJECTS},
                {party: KEYS[party].public for party in (NORTH, EAST)},
                SIGNERS[NORTH],
                random.Random(count).randbytes,
            )
        )
        lengths.add(len(found.ct))
    assert len(lengths) == 1


def sign_with(objects: Sequence[bytes]) -> bytes:
    signer = SIGNERS[NORTH]
    return sign(
        compose(
            author=NORTH,
            key=signer.keyid,
            kind="say",
            seq=1,
            prev="",
            time="2026-11-22T08:30:00Z",
            salt="5a" * 16,
            tlp="RED",
            body={},
            to=[EAST],
            objects=[ref(raw) for raw in objects],
        ),
        [signer],
    )


def test_it_is_fetched_by_those_who_can_open_it_and_by_nobody_else() -> None:
    _, found = seal.open_sealed(SEALED)

    class Item:
        audience = found.audience

    for party, may in ((NORTH, True), (EAST, True), (PORT, False)):
        assert may_read(Reader(party=party), Item()) is may
    assert not may_read(Reader(party=PORT, providers=frozenset({EAST})), Item())


@pytest.mark.parametrize(
    ("tlp", "to"), [("CLEAR", (EAST,)), ("GREEN", (EAST,)), ("AMBER", ()), ("AMBER+STRICT", ())]
)
def test_what_is_for_more_readers_than_it_names_is_not_sealed(tlp: str, to: Any) -> None:
    with pytest.raises(StatementError, match="not sealed"):
        sealed(signed(tlp=tlp, to=to))


def test_a_reader_without_a_key_is_named() -> None:
    with pytest.raises(SealError, match=f"no HPKE key of {EAST}"):
        sealed(readers=(NORTH,))
    with pytest.raises(SealError, match=f"no HPKE key of {NORTH}"):
        sealed(readers=(EAST,))


def test_an_object_that_is_not_there_is_named() -> None:
    with pytest.raises(StatementError, match=r"note--0b1e.*are not here"):
        seal.seal(signed(), {}, {p: KEYS[p].public for p in (NORTH, EAST)}, SIGNERS[NORTH], bytes)


def test_another_party_does_not_seal_what_one_signed() -> None:
    with pytest.raises(StatementError, match="does not seal"):
        seal.seal(
            signed(),
            {hashlib.sha256(raw).hexdigest(): raw for raw in OBJECTS},
            {p: KEYS[p].public for p in (NORTH, EAST)},
            SIGNERS[EAST],
            bytes,
        )


def test_a_withdrawal_names_objects_and_brings_none() -> None:
    envelope = signed(kind="withdraw")
    opened = seal.unseal(sealed(envelope), EAST, KEYS[EAST])
    assert opened.objects == ()


def altered(**changes: Any) -> bytes:
    """Sealed anew by its author with other words outside."""
    value = {**canonical.decode(open_envelope(SEALED, seal.PAYLOAD_TYPE, 1 << 24).payload)}
    value.update(changes)
    payload = canonical.encode({name: v for name, v in value.items() if v is not None})
    signer = SIGNERS[NORTH]
    signature = signer.sign(pae(payload, seal.PAYLOAD_TYPE))
    return write_envelope(payload, seal.PAYLOAD_TYPE, {signer.keyid: signature})


@pytest.mark.parametrize(
    "changes",
    [
        {"commitment": "ef" * 32},
        {"case": "case--other"},
        {"case": None},
        {"seq": 2, "prev": "ab" * 32},
        {"tlp": "RED"},
        {"author": PORT},
    ],
    ids=str,
)
def test_an_author_who_lies_on_the_outside_is_found_out_by_whoever_opens_it(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(SealError):
        seal.unseal(altered(**changes), EAST, KEYS[EAST])


def test_a_reader_added_outside_only_is_found_out() -> None:
    value = canonical.decode(open_envelope(SEALED, seal.PAYLOAD_TYPE, 1 << 24).payload)
    more = [*value["to"], {**value["to"][0], "party": "zz.example"}]
    with pytest.raises(SealError, match="other things inside"):
        seal.unseal(altered(to=more), EAST, KEYS[EAST])


def test_a_wrapped_key_cannot_be_passed_on_to_another_name() -> None:
    value = canonical.decode(open_envelope(SEALED, seal.PAYLOAD_TYPE, 1 << 24).payload)
    mine = next(one for one in value["to"] if one["party"] == EAST)
    moved = sorted([{**mine, "party": PORT}, *value["to"]], key=lambda one: one["party"])
    with pytest.raises(SealError, match="does not open"):
        seal.unseal(altered(to=moved), PORT, KEYS[EAST])


def test_nothing_hides_in_the_padding_and_none_is_missing() -> None:
    digest = bytes.fromhex(statement_id(signed()))
    key, nonce = bytes(32), bytes(12)

    def with_content(content: bytes) -> bytes:
        to = [seal._wrap(key, digest, party, KEYS[party].public) for party in (EAST, NORTH)]
        ct = AESGCM(key).encrypt(nonce, content, digest)
        return altered(ct=canonical.b64encode(ct), nonce=canonical.b64encode(nonce), to=to)

    good = seal._pack(signed(), OBJECTS)
    assert seal.unseal(with_content(good), EAST, KEYS[EAST]).envelope == signed()
    used = struct.unpack(">I", good[:4])[0]
    for bad in (
        good[:-1] + b"x",
        good + bytes(len(good)),
        struct.pack(">I", used - 1) + good[4:],
        struct.pack(">I", used + 4) + good[4:],
        struct.pack(">I", 2**32 - 1) + good[4:],
        struct.pack(">I", 0) + bytes(len(good) - 4),
        seal._pack(signed(), OBJECTS[:1]),
        seal._pack(signed(), OBJECTS[::-1]),
        seal._pack(signed(), [*OBJECTS, b"one more"]),
        seal._pack(sign_with(OBJECTS), OBJECTS),
        # It says of itself all that the outside says, and is not what the log has committed to.
        seal._pack(signed(salt="6b" * 16), OBJECTS),
    ):
        with pytest.raises(SealError):
            seal.unseal(with_content(bad), EAST, KEYS[EAST])


def carry(raw: bytes, ring: KeyRing) -> None:
    """What a hosting node does with it."""
    envelope, found = seal.open_sealed(raw)
    seal.check_signature(envelope, found, ring, None)


def test_every_changed_byte_is_refused() -> None:
    rnd = random.Random(1)
    places = [*range(300), *(rnd.randrange(len(SEALED)) for _ in range(700))]
    ring = enrolled()
    carry(SEALED, ring)
    for at in places:
        changed = bytearray(SEALED)
        changed[at] ^= 1 << rnd.randrange(8)
        with pytest.raises(RecordError):
            carry(bytes(changed), ring)


@given(st.binary(max_size=200))
def test_any_bytes_are_opened_or_refused_never_worse(data: bytes) -> None:
    with contextlib.suppress(StatementError):
        seal.open_sealed(data)


def test_a_plain_envelope_is_not_taken_for_a_sealed_one() -> None:
    with pytest.raises(StatementError):
        seal.open_sealed(signed())
    with pytest.raises(StatementError):
        open_envelope(SEALED)
