"""Sealed statements: logged and carried by a node that never sees what is in them.

The author signs a statement as ever; its id is that of this plaintext envelope, for all readers.
What is handed to the node is a second envelope around it: who it is from, for whom, its place in
the author's chain, the commitment of what is inside, and the ciphertext. Whoever is named opens
it and finds the first envelope, which must have that very commitment. The log holds neither, but a
hash of author and commitment (`envelope.sealed_entry`): nobody takes another's place in it.
Spec: record.md, "Sealing"; RFC 9180 (HPKE); draft-ietf-hpke-pq (MLKEM768-X25519). The chain's
`seq` and `prev`, and one ciphertext for a statement with its objects: decisions/0023.

    content = u32 n || u32 length || envelope || (u32 length || object)… || zeros
              n: bytes in use; padded with zeros to a power of two, at least 4 KiB
    ct      = AES-256-GCM(fresh key, nonce, content, additional data = commitment)
    per reader: HPKE(MLKEM768-X25519, HKDF-SHA256, AES-256-GCM)
              info = "tocsin/seal/v1\\n" || commitment || party, plaintext = the fresh key
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from msgspec import Meta, Struct

from tocsin import canonical
from tocsin.errors import CanonicalError, RecordError, SealError, StatementError
from tocsin.policy import Audience, Tlp
from tocsin.record import keys
from tocsin.record.admission import ChainHead, check_chain
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import (
    MAX_ENVELOPE,
    Envelope,
    commitment,
    open_envelope,
    open_statement,
    pae,
    sealed_entry,
    write_envelope,
)
from tocsin.record.hpke import HpkeKey, hpke_id, open_public
from tocsin.record.keys import Signer
from tocsin.record.statement import (
    CASE_PATTERN,
    HEX64_PATTERN,
    MAX_SEQ,
    MAX_TO,
    ROOT_KINDS,
    ObjectRef,
    PartyId,
    Statement,
    increasing,
    refusal,
    unb64,
)

PAYLOAD_TYPE = "application/vnd.tocsin.sealed+json"
SEALED_TLP = frozenset({"AMBER", "AMBER+STRICT", "RED"})
"""Less than these is for more readers than could be named."""

MIN_CONTENT = 4 << 10
MAX_CONTENT = 8 << 20
MAX_SEALED = 16 << 20
"""Bytes of the sealed envelope: two base64 of the largest content, and its readers."""

_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_ENC_BYTES = 1120
"""An encapsulation: ML-KEM-768 ciphertext (FIPS 203 §8) and an X25519 public key."""
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_ALTERED = "keep it, and ask its author to send it again; a changed byte is evidence"


class _Wrapped(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content's key, for one reader."""

    ct: str
    enc: str
    hpke: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    """Which of the party's keys opens it."""
    party: PartyId


class Sealed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What everybody who carries a sealed statement can read of it."""

    v: int
    author: PartyId
    key: Annotated[str, Meta(pattern=HEX64_PATTERN)]
    """keyid of the one signature."""
    commitment: Annotated[str, Meta(pattern=HEX64_PATTERN)]
    """Id of the statement inside: its author's word, which no carrier can check."""
    seq: Annotated[int, Meta(ge=1, le=MAX_SEQ)]
    prev: Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{64})?\Z")]
    tlp: Tlp
    ct: str
    nonce: str
    to: Annotated[tuple[_Wrapped, ...], Meta(min_length=1, max_length=MAX_TO + 1)]
    """By party, unique: the readers, and the author, who would else never read it again."""
    case: Annotated[str, Meta(pattern=CASE_PATTERN)] | None = None

    kind: ClassVar[str] = "sealed"
    """What is shown in place of the kind inside."""
    refs: ClassVar[tuple[str, ...]] = ()
    objects: ClassVar[tuple[ObjectRef, ...]] = ()

    @property
    def readers(self) -> tuple[str, ...]:
        """The parties that can open it."""
        return tuple(one.party for one in self.to)

    @property
    def audience(self) -> Audience:
        """Who may fetch it: at most those who can open it. A reader's clients could not anyway."""
        return Audience(
            author=self.author,
            tlp="AMBER+STRICT" if self.tlp == "AMBER" else self.tlp,
            to=frozenset(self.readers) - {self.author},
        )

    @property
    def entry(self) -> str:
        """What the log holds of it, in hex."""
        return sealed_entry(self.author, bytes.fromhex(self.commitment)).hex()

    @property
    def chain(self) -> str:
        """The chain it stands in: the case, or "" for the author's open chain."""
        return self.case or ""


class VerifiedSeal(Struct, frozen=True, kw_only=True):
    """A sealed statement that `admit_sealed` has let in. Never build one by hand."""

    raw: bytes
    statement: Sealed
    """All that whoever carries it can read."""

    @property
    def id(self) -> str:
        """What the log holds, and a store names it by: see `sealed_entry`."""
        return self.statement.entry

    @property
    def inside(self) -> str:
        """Id of the statement inside: what its author's next one follows, and others refer to."""
        return self.statement.commitment

    @property
    def audience(self) -> Audience:
        """Who may fetch it."""
        return self.statement.audience


class Opened(Struct, frozen=True, kw_only=True):
    """What was inside: the plaintext envelope and the objects that came with it."""

    envelope: bytes
    statement: Statement
    objects: tuple[tuple[ObjectRef, bytes], ...]
    """In the order of the statement; each has the SHA-256 that the statement names."""


# --- sealing ----------------------------------------------------------------------------------


def seal(
    envelope: bytes,
    objects: Mapping[str, bytes],
    readers: Mapping[str, bytes],
    signer: Signer,
    rng: Callable[[int], bytes],
) -> bytes:
    """Seal a signed statement for the parties it names.

    Args:
        envelope: the statement's own envelope, signed by `signer`.
        objects: SHA-256 → bytes, of every object that the statement says.
        readers: party → its HPKE public key (1,216 bytes). All that the statement names, and the
            author.
        signer: the key that signed the statement signs the outside too.
        rng: n → n random bytes.

    Returns:
        The sealed envelope's bytes: what the node that logs it is given.

    Raises:
        StatementError: no statement, a kind or marking that is not sealed, or an object is missing.
        SealError: a reader's key is missing or unfit, or it is larger than 8 MiB.
    """
    inner, statement = open_statement(envelope)
    _check_sealable(statement, inner, signer)
    missing = {*statement.to, statement.author} - readers.keys()
    if missing:
        raise SealError(
            f"no HPKE key of {', '.join(sorted(missing))} is known",
            remedy="ask them to publish one: tocsin key rotate --hpke; or leave them out",
        )
    content = _pack(envelope, [_object(objects, ref) for ref in _brought(statement)])
    digest = commitment(envelope)
    key, nonce = rng(_KEY_BYTES), rng(_NONCE_BYTES)
    value = {
        "v": 1,
        "author": statement.author,
        "key": signer.keyid,
        "commitment": digest.hex(),
        "seq": statement.seq,
        "prev": statement.prev,
        "tlp": statement.tlp,
        "nonce": canonical.b64encode(nonce),
        "ct": canonical.b64encode(AESGCM(key).encrypt(nonce, content, digest)),
        "to": [_wrap(key, digest, party, readers[party]) for party in sorted(readers)],
    }
    if statement.case is not None:
        value["case"] = statement.case
    payload = canonical.encode(value)
    raw = write_envelope(
        payload, PAYLOAD_TYPE, {signer.keyid: signer.sign(pae(payload, PAYLOAD_TYPE))}
    )
    open_sealed(raw)
    return raw


def _check_sealable(statement: Statement, envelope: Envelope, signer: Signer) -> None:
    if statement.kind in ROOT_KINDS:
        raise refusal(f"a {statement.kind} is always CLEAR and is never sealed")
    if statement.tlp not in SEALED_TLP or not statement.to:
        raise StatementError(
            f"TLP:{statement.tlp} to {', '.join(statement.to) or 'nobody by name'} is not sealed",
            remedy="mark it AMBER or stricter, and name its readers: --to PARTY",
        )
    if envelope.signatures[0].keyid != signer.keyid or statement.author != signer.party:
        raise StatementError(
            f"{signer.party} does not seal what {statement.author} signed",
            remedy="seal with the key that signed the statement",
        )


def _brought(statement: Statement) -> Sequence[ObjectRef]:
    """Taking back names objects and brings none."""
    return () if statement.kind == "withdraw" else statement.objects


def _object(objects: Mapping[str, bytes], ref: ObjectRef) -> bytes:
    data = objects.get(ref.sha256)
    if data is None or hashlib.sha256(data).hexdigest() != ref.sha256:
        raise StatementError(
            f"the bytes of {ref.id} ({ref.sha256[:12]}…) are not here",
            remedy="seal the statement together with all its objects",
        )
    return data


def _pack(envelope: bytes, objects: Sequence[bytes]) -> bytes:
    used = b"".join(struct.pack(">I", len(part)) + part for part in (envelope, *objects))
    size = MIN_CONTENT
    while size < len(used) + 4:
        size *= 2
    if size > MAX_CONTENT:
        raise SealError(
            f"{len(used)} bytes, and a sealed statement holds {MAX_CONTENT}",
            remedy="say the objects in several statements",
        )
    return struct.pack(">I", len(used)) + used + bytes(size - len(used) - 4)


def _wrap(key: bytes, digest: bytes, party: str, public: bytes) -> dict[str, str]:
    wrapped = _SUITE.encrypt(key, open_public(public), _info(digest, party))
    return {
        "ct": canonical.b64encode(wrapped[_ENC_BYTES:]),
        "enc": canonical.b64encode(wrapped[:_ENC_BYTES]),
        "hpke": hpke_id(public),
        "party": party,
    }


def _info(digest: bytes, party: str) -> bytes:
    return b"tocsin/seal/v1\n" + digest + party.encode()


# --- carrying ---------------------------------------------------------------------------------


def open_sealed(raw: bytes) -> tuple[Envelope, Sealed]:
    """Envelope and what can be read of it by everybody; no signature is verified.

    Raises:
        StatementError: too large, not canonical, or not of the one shape.
    """
    envelope = open_envelope(raw, PAYLOAD_TYPE, MAX_SEALED)
    try:
        value = canonical.decode(envelope.payload)
        sealed = msgspec.convert(value, Sealed)
    except (msgspec.ValidationError, RecordError) as wrong:
        raise refusal(f"sealed: {wrong}") from wrong
    except CanonicalError as wrong:
        raise refusal(f"sealed: {wrong.message}") from wrong
    if sealed.v != 1 or value.get("case", "") is None:
        raise refusal("sealed: `v` is 1, and an absent case is left out")
    if len(envelope.signatures) != 1 or envelope.signatures[0].keyid != sealed.key:
        raise refusal("sealed: exactly one signature, by `key`")
    if (sealed.seq == 1) != (sealed.prev == ""):
        raise refusal(f'sealed: `seq` {sealed.seq} with `prev` "{sealed.prev}"')
    if sealed.tlp not in SEALED_TLP:
        raise refusal(f"sealed: TLP:{sealed.tlp} is not sealed")
    increasing([one.party for one in sealed.to], "to")
    _check_lengths(sealed)
    return envelope, sealed


def _check_lengths(sealed: Sealed) -> None:
    content = len(unb64(sealed.ct, "ct")) - _TAG_BYTES
    if not MIN_CONTENT <= content <= MAX_CONTENT or content & (content - 1):
        raise refusal(f"sealed: a content of {content} bytes is not padded")
    if len(unb64(sealed.nonce, "nonce")) != _NONCE_BYTES:
        raise refusal("sealed: a nonce has 12 bytes")
    for one in sealed.to:
        if len(unb64(one.enc, "enc")) != _ENC_BYTES:
            raise refusal(f"sealed: the encapsulation for {one.party} has another length")
        if len(unb64(one.ct, "ct")) != _KEY_BYTES + _TAG_BYTES:
            raise refusal(f"sealed: the wrapped key for {one.party} has another length")


def check_signature(
    envelope: Envelope, sealed: Sealed, keyring: KeyRing, index: int | None
) -> None:
    """Return if the author's key signed the outside and may sign at `index` of the log.

    What is inside is not seen here: whoever opens it judges the signature on that.

    Raises:
        SignatureError: the key is unknown, revoked, or signs nothing like this; or a bad signature.
    """
    key = keyring.ordinary(sealed.author, sealed.key, index)
    keys.verify(key.public, envelope.signatures[0].sig, pae(envelope.payload, PAYLOAD_TYPE))


def admit_sealed(
    envelope: Envelope, sealed: Sealed, *, keyring: KeyRing, chain: ChainHead | None
) -> VerifiedSeal:
    """Let one in at the present end of the log, or say why not; what is inside is not seen.

    Args:
        envelope, sealed: what `open_sealed` gives.
        chain: head of (author, chain) as held, plain or sealed; None: nothing of it is held.

    Raises:
        ChainError: it does not follow `chain`.
        SignatureError: as `check_signature`.
    """
    check_chain(sealed, chain)
    check_signature(envelope, sealed, keyring, None)
    return VerifiedSeal(raw=envelope.raw, statement=sealed)


# --- opening ----------------------------------------------------------------------------------


def unseal(raw: bytes, party: str, key: HpkeKey) -> Opened:
    """Open a sealed statement as one of its readers.

    The signature on what is inside is not verified here: `admit` it like any other envelope.

    Args:
        raw: the sealed envelope.
        party: whose reader we are.
        key: that party's HPKE key.

    Raises:
        StatementError: not of the one shape.
        SealError: not for this party or key, altered, or what is inside is another statement than
            the outside says. Keep it: it is signed by its author.
    """
    _, sealed = open_sealed(raw)
    mine = next((one for one in sealed.to if one.party == party), None)
    if mine is None:
        raise SealError(
            f"sealed for {', '.join(sealed.readers)}, and not for {party}",
            remedy=f"ask {sealed.author} to say it to you too",
        )
    if mine.hpke != key.id:
        raise SealError(
            f"sealed to key {mine.hpke} of {party}, and this is {key.id}",
            remedy="open it with the older key: keys/old/ of your folder",
        )
    digest = bytes.fromhex(sealed.commitment)
    try:
        wrapped = unb64(mine.enc, "enc") + unb64(mine.ct, "ct")
        content_key = _SUITE.decrypt(wrapped, key.private, _info(digest, party))
        content = AESGCM(content_key).decrypt(
            unb64(sealed.nonce, "nonce"), unb64(sealed.ct, "ct"), digest
        )
    except (InvalidTag, ValueError) as wrong:
        raise SealError(
            f"{sealed.commitment} does not open with the key of {party}", remedy=_ALTERED
        ) from wrong
    envelope, *rest = _unpack(sealed, content)
    if commitment(envelope) != digest:
        raise SealError(
            f"inside is {commitment(envelope).hex()}, and the outside says {sealed.commitment}",
            remedy=_ALTERED,
        )
    return _matched(sealed, envelope, rest)


def _unpack(sealed: Sealed, content: bytes) -> list[bytes]:
    (used,) = struct.unpack(">I", content[:4])
    parts: list[bytes] = []
    at, end = 4, 4 + used
    while at < end <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4].ljust(4, b"\xff"))
        parts.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    # One content has one form: nothing may hide in the padding, and no more padding than needed.
    size = max(MIN_CONTENT, 1 << (used + 3).bit_length())
    if at != end or not parts or any(content[end:]) or len(content) != size:
        raise SealError(f"the content of {sealed.commitment} is not framed", remedy=_ALTERED)
    return parts


def _matched(sealed: Sealed, envelope: bytes, rest: Sequence[bytes]) -> Opened:
    """What is inside, if it is what the outside says; also where its author lied on the outside."""
    if len(envelope) > MAX_ENVELOPE:
        raise SealError(f"an envelope of {len(envelope)} bytes is inside", remedy=_ALTERED)
    try:
        inner, statement = open_statement(envelope)
    except RecordError as wrong:
        raise SealError(
            f"{sealed.commitment} holds no statement: {wrong.message}", remedy=_ALTERED
        ) from wrong
    outside = (sealed.author, sealed.case, sealed.seq, sealed.prev, sealed.tlp, sealed.key)
    inside = (
        statement.author,
        statement.case,
        statement.seq,
        statement.prev,
        statement.tlp,
        inner.signatures[0].keyid,
    )
    if outside != inside or {*statement.to, statement.author} != set(sealed.readers):
        raise SealError(
            f"{sealed.commitment} says other things inside than outside",
            remedy="keep both: its author signed them; rely on neither",
        )
    refs = _brought(statement)
    digests = [hashlib.sha256(part).hexdigest() for part in rest]
    if digests != [ref.sha256 for ref in refs]:
        raise SealError(f"{sealed.commitment} does not hold the objects it names", remedy=_ALTERED)
    return Opened(
        envelope=envelope,
        statement=statement,
        objects=tuple(zip(refs, rest, strict=True)),
    )
