"""Statements: the schema, the envelope, admission."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import canonical, errors
from tocsin.errors import (
    ChainError,
    MarkingError,
    RecordError,
    SignatureError,
    StatementError,
)
from tocsin.policy import Audience, Tlp
from tocsin.record import envelope, statement
from tocsin.record.admission import ChainHead, admit, equivocates
from tocsin.record.directory import KeyRing, Party, genesis, registrars_of, root_of
from tocsin.record.envelope import Verified, open_envelope, sign
from tocsin.record.keys import PublicKey, Signer
from tocsin.record.statement import ObjectRef, compose, key_body, parse

VECTORS = Path(__file__).parents[2] / "vectors" / "record" / "statement"
NORTHLAND = "cert.northland.example"
ROOT = Signer.from_seed(b"\x01" * 32, NORTHLAND)
DESK = Signer.from_seed(b"\x02" * 32, NORTHLAND)
NOTE = ObjectRef(id="note--44444444-4444-4444-8444-444444444444", sha256="cd" * 32, type="note")
CASE = "case--6f1c1f6e-0000-4000-8000-000000000001"


def unmarked(ref: str) -> Audience | None:
    return None


def payload(signer: Signer = DESK, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "author": NORTHLAND,
        "key": signer.keyid,
        "kind": "say",
        "seq": 1,
        "prev": "",
        "time": "2026-11-22T08:30:00Z",
        "salt": "00112233445566778899aabbccddeeff",
        "tlp": "GREEN",
        "body": {},
        "case": CASE,
    }
    return compose(**(fields | changes))


def ring() -> tuple[KeyRing, Verified]:
    """A log of one party: its root at index 0, its everyday key at index 1."""
    party = Party(
        id=NORTHLAND,
        name="CERT Northland",
        root=root_of([PublicKey.of(ROOT.public)]),
        identity="identity--11111111-1111-4111-8111-111111111111",
    )
    body = genesis(registrars_of([(NORTHLAND, PublicKey.of(ROOT.public))]), [party])
    clear: dict[str, Any] = {"tlp": "CLEAR", "case": None}
    first = sign(payload(ROOT, kind="directory", body=body, **clear), [ROOT])
    keyring = KeyRing(first)
    one = admit(first, keyring=keyring, chain=None, index=0, markings=unmarked)
    keyring.admit_key(one, 0)
    second = sign(
        payload(ROOT, kind="key", seq=2, prev=one.id, body=key_body(DESK.public), **clear),
        [ROOT],
    )
    head = ChainHead(seq=1, head=one.id)
    two = admit(second, keyring=keyring, chain=head, index=1, markings=unmarked)
    keyring.admit_key(two, 1)
    return keyring, two


RING, KEY = ring()


def let_in(raw: bytes, chain: ChainHead | None = None, **marks: Tlp) -> Verified:
    def markings(ref: str) -> Audience | None:
        tlp = marks.get("a" + ref[:2])
        return Audience(author="portco.example", tlp=tlp) if tlp else None

    return admit(raw, keyring=RING, chain=chain, index=None, markings=markings)


# --- the schema ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_payload_vector_is_read_or_refused_as_it_says(path: Path) -> None:
    header, _, text = path.read_text(encoding="utf-8").partition("\n\n")
    expect = dict(line.split(": ", 1) for line in header.splitlines())["expect"]
    data = text.removesuffix("\n").encode()
    if expect == "ok":
        found = parse(data)
        assert canonical.decode(data)["author"] == found.author
    else:
        with pytest.raises(getattr(errors, expect)):
            parse(data)


def test_there_are_vectors() -> None:
    assert len(list(VECTORS.glob("*.txt"))) > 70


def test_what_is_composed_is_read_back() -> None:
    text = payload(
        to=["portco.example", "gridco.example", "gridco.example"],
        refs=["22" * 32, "11" * 32],
        objects=[NOTE, NOTE],
        time=datetime(2026, 11, 22, 10, 30, 0, 999, tzinfo=timezone(timedelta(hours=2))),
    )
    found = parse(text)
    assert found.to == ("gridco.example", "portco.example")
    assert found.refs == ("11" * 32, "22" * 32)
    assert found.objects == (NOTE,)
    assert found.time == "2026-11-22T08:30:00Z"
    assert found.at == datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
    assert canonical.encode(canonical.decode(text)) == text


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(StatementError, match="no time zone"):
        payload(time=datetime(2026, 11, 22))


def test_composing_refuses_what_reading_would_refuse() -> None:
    with pytest.raises(StatementError, match="RED names nobody"):
        payload(tlp="RED")
    with pytest.raises(StatementError):
        payload(body={"n": 1.5})
    with pytest.raises(StatementError, match="at most 65536"):
        payload(
            objects=[
                ObjectRef(
                    id=f"note--{n:08}-0000-4000-8000-000000000000", sha256="0" * 64, type="note"
                )
                for n in range(999)
            ]
        )


def test_a_thousand_objects_is_the_most() -> None:
    many = [
        ObjectRef(id=f"a--{n:08}-0000-4000-8000-000000000000", sha256="0" * 64, type="a")
        for n in range(1_001)
    ]
    with pytest.raises(StatementError, match="1000"):
        payload(objects=many)


def test_the_audience_takes_marking_parties_and_persons() -> None:
    found = parse(payload(tlp="RED", to=["gridco.example"], body={"persons": ["A. Analyst"]}))
    assert found.audience == Audience(
        author=NORTHLAND,
        tlp="RED",
        to=frozenset({"gridco.example"}),
        persons=frozenset({"A. Analyst"}),
    )


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_never_worse(data: bytes) -> None:
    with suppress(RecordError):
        parse(data)
    with suppress(RecordError):
        open_envelope(data)


FIELDS = sorted(canonical.decode(payload(refs=["11" * 32], to=["gridco.example"], objects=[NOTE])))
JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abv", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "seen", "x"]), JSONISH, max_size=3))
def test_any_value_in_any_field_is_read_or_refused_never_worse(changes: Mapping[str, Any]) -> None:
    value = canonical.decode(payload()) | dict(changes)
    with suppress(RecordError):
        parse(canonical.encode(value))


@given(
    st.sampled_from(statement.KINDS),
    st.dictionaries(
        st.sampled_from(
            [
                "via",
                "persons",
                "reason",
                "heads",
                "manifest_sha256",
                "capacity",
                "refuse",
                "step",
                "keyid",
                "public",
                "kinds",
                "suspect_since",
                "version",
                "registrars",
                "parties",
            ]
        ),
        JSONISH,
        max_size=4,
    ),
)
def test_any_body_is_read_or_refused_never_worse(kind: str, body: Mapping[str, Any]) -> None:
    value = canonical.decode(payload(tlp="CLEAR")) | {"kind": kind, "body": dict(body)}
    with suppress(RecordError):
        parse(canonical.encode(value))


# --- the envelope -------------------------------------------------------------------------------


def test_an_envelope_is_signed_hashed_and_logged_as_the_format_says() -> None:
    text = payload()
    raw = sign(text, [DESK])
    opened = open_envelope(raw)
    kind = b"application/vnd.tocsin.statement+json"
    message = b"DSSEv1 37 " + kind + b" " + str(len(text)).encode() + b" " + text
    digest = hashlib.sha256(b"tocsin/commit/v1\n" + raw)
    assert len(kind) == 37
    assert opened.payload == text
    assert opened.signatures[0].sig == DESK.sign(message)
    assert opened.id == envelope.statement_id(raw) == digest.hexdigest()
    assert envelope.commitment(raw) == digest.digest()
    assert envelope.entry(raw) == b"\x01" + digest.digest()
    assert envelope.leaf(raw) == hashlib.sha256(b"\x00\x01" + digest.digest()).digest()
    assert json.loads(raw).keys() == {"payload", "payloadType", "signatures"}


def test_only_keys_and_directories_take_several_signatures() -> None:
    other = Signer.from_seed(b"\x03" * 32, NORTHLAND)
    first = min(DESK, other, key=lambda signer: signer.keyid)
    with pytest.raises(StatementError, match="exactly one"):
        sign(payload(first), [DESK, other])
    raw = sign(
        payload(first, kind="key", case=None, tlp="CLEAR", body=key_body(DESK.public)),
        [DESK, other],
    )
    assert [s.keyid for s in open_envelope(raw).signatures] == sorted([DESK.keyid, other.keyid])


def test_the_first_signature_is_by_the_key_that_the_payload_names() -> None:
    with pytest.raises(StatementError, match="first signature"):
        sign(payload(ROOT), [DESK])


def changed(raw: bytes, **changes: Any) -> bytes:
    return canonical.encode(canonical.decode(raw) | changes)


RAW = sign(payload(), [DESK])
SIGNATURES = canonical.decode(RAW)["signatures"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        RAW + b"\n",
        RAW.replace(b'":"', b'": "', 1),
        changed(RAW, extra=1),
        changed(RAW, payloadType="application/json"),
        changed(RAW, payload=canonical.decode(RAW)["payload"] + "===="),
        changed(RAW, payload=7),
        changed(RAW, signatures=[]),
        changed(RAW, signatures=SIGNATURES * 2),
        changed(RAW, signatures=[SIGNATURES[0] | {"x": 1}]),
        changed(RAW, signatures=[SIGNATURES[0] | {"keyid": "AB" * 32}]),
        changed(RAW, signatures=[SIGNATURES[0] | {"keyid": 7}]),
        changed(RAW, signatures=[SIGNATURES[0] | {"sig": "AAAA"}]),
        changed(
            RAW, signatures=[{"keyid": f"{n:064x}", "sig": "A" * 86 + "=="} for n in range(17)]
        ),
        b"[" * 100 + b"]" * 100,
        b" " * (envelope.MAX_DIRECTORY_ENVELOPE + 1),
    ],
)
def test_an_envelope_of_another_shape_is_refused(raw: bytes) -> None:
    with pytest.raises(StatementError):
        open_envelope(raw)


# --- admission ----------------------------------------------------------------------------------


def test_a_good_statement_is_let_in() -> None:
    found = let_in(RAW)
    assert found.raw == RAW
    assert found.id == envelope.statement_id(RAW)
    assert found.statement == parse(payload())


@given(st.integers(0, len(RAW) * 8 - 1))
def test_every_changed_bit_is_refused(bit: int) -> None:
    raw = bytearray(RAW)
    raw[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(RecordError):
        let_in(bytes(raw))


def test_a_chain_goes_on_by_one_and_names_the_one_before() -> None:
    one = let_in(RAW)
    head = ChainHead(seq=1, head=one.id)
    two = let_in(sign(payload(seq=2, prev=one.id), [DESK]), head)
    assert two.statement.prev == one.id
    for seq, prev in ((1, ""), (3, one.id), (2, "11" * 32)):
        with pytest.raises(ChainError) as raised:
            let_in(sign(payload(seq=seq, prev=prev), [DESK]), head)
        assert (raised.value.seq, raised.value.head) == (2, one.id)
    with pytest.raises(ChainError) as raised:
        let_in(sign(payload(seq=2, prev=one.id), [DESK]), None)
    assert (raised.value.seq, raised.value.head) == (1, "")


def test_an_unlisted_party_is_refused() -> None:
    stranger = Signer.from_seed(b"\x09" * 32, "portco.example")
    with pytest.raises(SignatureError, match=r"portco\.example is not in directory 1"):
        let_in(sign(payload(stranger, author="portco.example"), [stranger]))


def test_an_unknown_key_is_refused() -> None:
    other = Signer.from_seed(b"\x09" * 32, NORTHLAND)
    with pytest.raises(SignatureError, match="unknown"):
        let_in(sign(payload(other), [other]))


def test_a_root_key_signs_no_ordinary_kind() -> None:
    with pytest.raises(SignatureError, match="unknown"):
        let_in(sign(payload(ROOT), [ROOT]))


def test_a_signature_by_another_key_under_our_name_is_refused() -> None:
    other = Signer.from_seed(b"\x09" * 32, NORTHLAND)
    forged = envelope.assemble(payload(), {DESK.keyid: other.sign(envelope.pae(payload()))})
    with pytest.raises(SignatureError, match="does not verify"):
        let_in(forged)


def test_a_marking_may_not_fall() -> None:
    raw = sign(payload(refs=["11" * 32, "22" * 32]), [DESK])
    assert let_in(raw, a11="GREEN", a22="CLEAR").statement.tlp == "GREEN"
    with pytest.raises(MarkingError, match=r"TLP:GREEN is looser than TLP:AMBER\+STRICT of 22"):
        let_in(raw, a11="GREEN", a22="AMBER+STRICT")


def test_the_originator_may_say_its_own_objects_again_wider() -> None:
    def mine(ref: str) -> Audience | None:
        return Audience(author=NORTHLAND, tlp="RED", to=frozenset({"gridco.example"}))

    wider = sign(payload(refs=["11" * 32], objects=[NOTE]), [DESK])
    assert admit(wider, keyring=RING, chain=None, index=None, markings=mine).statement.refs
    without_objects = sign(payload(refs=["11" * 32]), [DESK])
    with pytest.raises(MarkingError):
        admit(without_objects, keyring=RING, chain=None, index=None, markings=mine)
    with pytest.raises(MarkingError):
        let_in(wider, a11="RED")


def test_what_a_statement_refers_to_may_be_unknown_here() -> None:
    assert let_in(sign(payload(refs=["33" * 32]), [DESK])).statement.refs == ("33" * 32,)


def test_two_statements_for_one_place_prove_equivocation() -> None:
    one = let_in(RAW)
    two = let_in(sign(payload(body={"reason": "another"}), [DESK]))
    elsewhere = let_in(sign(payload(case="case--2"), [DESK]))
    later = let_in(sign(payload(seq=2, prev=one.id), [DESK]), ChainHead(seq=1, head=one.id))
    assert equivocates(one, two)
    assert equivocates(two, one)
    assert not equivocates(one, one)
    assert not equivocates(one, elsewhere)
    assert not equivocates(one, later)


def test_dropping_one_of_several_signatures_frames_nobody() -> None:
    second = Signer.from_seed(b"\x03" * 32, NORTHLAND)
    first = min(ROOT, second, key=lambda signer: signer.keyid)
    text = payload(first, kind="key", case=None, tlp="CLEAR", body=key_body(DESK.public))
    both, one = sign(text, [ROOT, second]), sign(text, [first])
    a, b = (
        Verified(id=envelope.statement_id(raw), raw=raw, statement=parse(text))
        for raw in (both, one)
    )
    assert a.id != b.id
    assert not equivocates(a, b)
