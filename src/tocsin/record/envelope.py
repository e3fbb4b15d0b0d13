"""Envelopes: DSSE around a statement's payload, stored, sent and hashed byte-exact.

The SHA-256 of an envelope under a label is both the statement's id and what the log commits to.
Spec: record.md, "Statement".
"""

from __future__ import annotations

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct

from tocsin import canonical
from tocsin.policy import Audience
from tocsin.record import keys
from tocsin.record.keys import Signer
from tocsin.record.statement import (
    ROOT_KINDS,
    Statement,
    decode,
    increasing,
    parse,
    read_again,
    refusal,
    unb64,
)

PAYLOAD_TYPE = "application/vnd.tocsin.statement+json"
_PAE = b"DSSEv1 %d %b " % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode())
MAX_ENVELOPE = 96 << 10
MAX_DIRECTORY_ENVELOPE = 3 << 19
MAX_SIGNATURES = 16
_HEX64 = re.compile("[0-9a-f]{64}")


class Signature(Struct, frozen=True, kw_only=True, gc=False):
    """One signature of an envelope; `keyid` is a hint until the payload or directory bears it."""

    keyid: str
    sig: bytes
    """64 bytes."""


class Envelope(Struct, frozen=True, kw_only=True, gc=False):
    """A DSSE envelope as received, opened but not verified."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]
    """Sorted by keyid, unique, 1 to 16."""
    raw: bytes
    id: str
    """64 hex digits, see `statement_id`."""


class Verified(Struct, frozen=True, kw_only=True, gc=False):
    """A statement that `admit` has let in. Never build one by hand."""

    id: str
    raw: bytes
    statement: Statement
    inside: ClassVar[str | None] = None
    """Only a sealed statement has another inside."""

    @property
    def audience(self) -> Audience:
        """Who is meant to read it."""
        return self.statement.audience


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """What is signed: DSSE v1 pre-authentication encoding."""
    if payload_type is PAYLOAD_TYPE:
        return b"%b%d %b" % (_PAE, len(payload), payload)
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def first_key(signers: Sequence[Signer]) -> str:
    """The keyid that `key` must hold when these sign together: the smallest."""
    return min(signer.keyid for signer in signers)


def sign(payload: bytes, signers: Sequence[Signer]) -> bytes:
    """The envelope of `payload` with one signature of each signer, sorted by keyid.

    Raises:
        StatementError: the payload is not a statement, or names another first key, or its kind
            takes another number of signatures.
    """
    message = pae(payload)
    return assemble(payload, {s.keyid: s.sign(message) for s in signers})


def sign_composed(payload: bytes, signer: Signer) -> tuple[Envelope, Statement]:
    """`sign` for what `compose` has just given: opened, and not checked by the schema once more.

    Raises:
        StatementError: the payload names another key, or its kind takes more signatures than one.
    """
    signature = {signer.keyid: signer.sign(pae(payload))}
    envelope = open_envelope(write_envelope(payload, PAYLOAD_TYPE, signature))
    statement = read_again(payload)
    _bind(envelope, statement)
    return envelope, statement


def assemble(payload: bytes, signatures: Mapping[str, bytes]) -> bytes:
    """The envelope of `payload` with signatures collected from elsewhere, {keyid: 64 bytes}.

    Raises:
        StatementError: as `sign`. No signature is verified here.
    """
    raw = write_envelope(payload, PAYLOAD_TYPE, signatures)
    open_statement(raw)
    return raw


def write_envelope(payload: bytes, payload_type: str, signatures: Mapping[str, bytes]) -> bytes:
    """The bytes of an envelope, as `open_envelope` takes them."""
    return canonical.encode(
        {
            "payload": canonical.b64encode(payload),
            "payloadType": payload_type,
            "signatures": [
                {"keyid": keyid, "sig": canonical.b64encode(signatures[keyid])}
                for keyid in sorted(signatures)
            ],
        }
    )


def open_envelope(
    raw: bytes, payload_type: str = PAYLOAD_TYPE, limit: int = MAX_DIRECTORY_ENVELOPE
) -> Envelope:
    """Open an envelope's bytes, which must be canonical; nothing is verified yet.

    Args:
        payload_type: what it must hold: a statement, or a sealed one (`seal.py`).
        limit: bytes that are taken.

    Raises:
        StatementError: too large, not canonical, or not of the one shape.
    """
    if len(raw) > limit:
        raise refusal(f"envelope of {len(raw)} bytes, and at most {limit} go")
    plain = _plain(raw, payload_type)
    if plain is not None:
        return plain
    value = decode(raw, "envelope")
    if type(value) is not dict or value.keys() != {"payload", "payloadType", "signatures"}:
        raise refusal("an envelope has `payload`, `payloadType`, `signatures`, and nothing else")
    if value["payloadType"] != payload_type:
        raise refusal(f"payload type {value['payloadType']!r}, and {payload_type} is asked for")
    listed = value["signatures"]
    if type(listed) is not list or not 1 <= len(listed) <= MAX_SIGNATURES:
        raise refusal(f"an envelope has 1 to {MAX_SIGNATURES} signatures")
    signatures = tuple(_signature(item) for item in listed)
    increasing([s.keyid for s in signatures], "signatures")
    payload = unb64(value["payload"], "payload")
    return Envelope(
        payload=payload,
        payload_type=payload_type,
        signatures=signatures,
        raw=raw,
        id=statement_id(raw),
    )


_HEAD = b'{"payload":"'
_KEYID = b'","signatures":[{"keyid":"'
_SIG = b'","sig":"'
_TAIL = b'"}]}'
_BETWEEN = b'","payloadType":"%b%b' % (PAYLOAD_TYPE.encode(), _KEYID)
_KEYID_AT = -(64 + len(_SIG) + 88 + len(_TAIL))


def _plain(raw: bytes, payload_type: str) -> Envelope | None:
    """The envelope, if it has one signature: the same as by the long way, without a parser.

    Everything in it but the payload has one length, and nothing in it can be spelt another way.
    """
    between = b'","payloadType":"%b%b' % (payload_type.encode(), _KEYID)
    start, end = len(_HEAD), _KEYID_AT - len(between)
    if not (
        raw.startswith(_HEAD)
        and raw.endswith(_TAIL)
        and raw[end:_KEYID_AT] == between
        and raw[_KEYID_AT + 64 : _KEYID_AT + 64 + len(_SIG)] == _SIG
    ):
        return None
    text, sig_text = raw[start:end], raw[-88 - len(_TAIL) : -len(_TAIL)]
    try:
        keyid = raw[_KEYID_AT : _KEYID_AT + 64].decode("ascii")
        payload, sig = a2b_base64(text), a2b_base64(sig_text)
    except ValueError:
        return None  # the long way says what is wrong
    # What a decoder skips or takes in a second spelling does not come back.
    if b2a_base64(payload, newline=False) != text or b2a_base64(sig, newline=False) != sig_text:
        return None
    if not payload or len(sig) != keys.SIGNATURE_BYTES or _HEX64.fullmatch(keyid) is None:
        return None
    return Envelope(
        payload=payload,
        payload_type=payload_type,
        signatures=(Signature(keyid=keyid, sig=sig),),
        raw=raw,
        id=statement_id(raw),
    )


def keyid_hint(raw: bytes) -> str:
    """The keyid of the last signature of what claims to be an envelope; "" where there is none."""
    start = raw.rfind(b'"keyid":"') + 9
    found = raw[start : start + 64]
    return found.decode() if start > 8 and _HEX64.fullmatch(found.decode("latin-1")) else ""


def _signature(item: Any) -> Signature:
    if type(item) is not dict or item.keys() != {"keyid", "sig"}:
        raise refusal("a signature has `keyid` and `sig`, and nothing else")
    name = item["keyid"]
    if type(name) is not str or _HEX64.fullmatch(name) is None:
        raise refusal(f"keyid {name!r} is not 64 lower-case hex digits")
    sig = unb64(item["sig"], "sig")
    if len(sig) != keys.SIGNATURE_BYTES:
        raise refusal(f"a signature of {len(sig)} bytes, and Ed25519 has {keys.SIGNATURE_BYTES}")
    return Signature(keyid=name, sig=sig)


def _bind(envelope: Envelope, s: Statement) -> None:
    """What payload and envelope must agree on: sizes, number of signatures, the first key."""
    limit = MAX_DIRECTORY_ENVELOPE if s.kind == "directory" else MAX_ENVELOPE
    if len(envelope.raw) > limit:
        raise refusal(f"envelope of {len(envelope.raw)} bytes, and a {s.kind} has at most {limit}")
    if s.kind not in ROOT_KINDS and len(envelope.signatures) != 1:
        raise refusal(f"{len(envelope.signatures)} signatures, and a {s.kind} has exactly one")
    if envelope.signatures[0].keyid != s.key:
        raise refusal(f"the first signature is by {envelope.signatures[0].keyid}, `key` is {s.key}")


def open_statement(raw: bytes) -> tuple[Envelope, Statement]:
    """Envelope and payload, checked against each other; signatures are not verified.

    Raises:
        StatementError: any rule of size, canonical form or schema is broken.
        DirectoryError: it is a directory, and its body breaks a directory's rules.
    """
    envelope = open_envelope(raw)
    statement = parse(envelope.payload)
    _bind(envelope, statement)
    return envelope, statement


def open_again(raw: bytes, id: str) -> tuple[Envelope, Statement]:
    """What `open_statement` gave, in another process: nothing is checked.

    Args:
        raw: an envelope with one signature that it has opened.
        id: what it gave as its id.
    """
    end = _KEYID_AT - len(_BETWEEN)
    sig = Signature(
        keyid=raw[_KEYID_AT : _KEYID_AT + 64].decode("ascii"),
        sig=a2b_base64(raw[-88 - len(_TAIL) : -len(_TAIL)]),
    )
    envelope = Envelope(
        payload=a2b_base64(raw[len(_HEAD) : end]),
        payload_type=PAYLOAD_TYPE,
        signatures=(sig,),
        raw=raw,
        id=id,
    )
    return envelope, read_again(envelope.payload)


def commitment(raw: bytes) -> bytes:
    """32 bytes: SHA-256("tocsin/commit/v1\\n" || envelope). All that the log holds of it."""
    return hashlib.sha256(b"tocsin/commit/v1\n" + raw).digest()


def statement_id(raw: bytes) -> str:
    """The statement's id: its commitment in hex."""
    return commitment(raw).hex()


def sealed_entry(author: str, inside: bytes) -> bytes:
    """32 bytes: what the log holds of a sealed statement, in place of a plain one's commitment.

    A node cannot see what is inside, and so not whether the id it is given is that. With the
    author's name in it and a label of its own, no entry of a sealed statement is that of a plain
    one, or of what another author seals: nobody takes another's (decisions/0036).

        SHA-256("tocsin/sealed/v1\\n" || author || "\\n" || inside)

    Args:
        author: a party id, in which no line ends.
        inside: commitment of the statement inside, 32 bytes.
    """
    return hashlib.sha256(b"tocsin/sealed/v1\n" + author.encode() + b"\n" + inside).digest()


def entry(raw: bytes) -> bytes:
    """The log entry, 33 bytes: 0x01 || commitment."""
    return b"\x01" + commitment(raw)


def leaf(raw: bytes) -> bytes:
    """The leaf hash of its entry, 32 bytes: SHA-256(0x00 || entry) (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x00" + entry(raw)).digest()
