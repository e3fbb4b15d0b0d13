"""Statements: what a party signed, byte by byte.

A payload is canonical JSON of one shape; an envelope is DSSE around it, stored, sent and hashed
byte-exact; its SHA-256 under a label is both the statement's id and what the log commits to.
Spec: record.md, "Statement".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tocsin import canonical
from tocsin.errors import (
    CanonicalError,
    ChainError,
    MarkingError,
    SignatureError,
    StatementError,
)
from tocsin.policy import TLP_RANK, Audience, Tlp
from tocsin.record import keys

if TYPE_CHECKING:
    from tocsin.record.directory import KeyRing
    from tocsin.record.keys import Signer

PAYLOAD_TYPE = "application/vnd.tocsin.statement+json"

Kind = Literal["say", "withdraw", "ack", "cosign", "act", "compare", "key", "revoke", "directory"]
KINDS: tuple[Kind, ...] = (
    "say",
    "withdraw",
    "ack",
    "cosign",
    "act",
    "compare",
    "key",
    "revoke",
    "directory",
)
ROOT_KINDS: frozenset[str] = frozenset({"key", "revoke", "directory"})
"""Signed by root or registrar keys, 1 to 16 of them, always CLEAR. Ordinary keys sign the rest."""
ORDINARY_KINDS: tuple[str, ...] = tuple(sorted(set(KINDS) - ROOT_KINDS))

MAX_BODY = 16 << 10
MAX_PAYLOAD = 64 << 10
MAX_ENVELOPE = 96 << 10
MAX_DIRECTORY_PAYLOAD = 1 << 20
MAX_DIRECTORY_ENVELOPE = 3 << 19
MAX_SIGNATURES = 16
MAX_OBJECTS = 1_000
MAX_REFS = 256
MAX_TO = 256
MAX_SEEN = 8
MAX_SEQ = canonical.MAX_INTEGER

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
PARTY_PATTERN = rf"\A(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+\Z"
HEX64_PATTERN = r"\A[0-9a-f]{64}\Z"
CASE_PATTERN = r"\A[!-~]{1,128}\Z"
TIME_PATTERN = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z"
ORIGIN_PATTERN = rf"\A(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+/log(?:/[1-9][0-9]{{0,8}})?\Z"
_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_STIX_TYPE = r"[a-z0-9][a-z0-9_-]{0,249}"
_MEDIA = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
OBJECT_ID_PATTERN = rf"\A(?:{_STIX_TYPE}--{_UUID}|urn:sha256:[0-9a-f]{{64}})\Z"
OBJECT_TYPE_PATTERN = rf"\A(?:{_STIX_TYPE}|{_MEDIA}/{_MEDIA})\Z"

PartyId = Annotated[str, Meta(pattern=PARTY_PATTERN)]
"""A party: lower-case ASCII DNS name of two labels or more, <= 253 characters; IDN as A-label."""
Hex64 = Annotated[str, Meta(pattern=HEX64_PATTERN)]
"""A digest, id or keyid: 64 lower-case hex digits."""
TimeText = Annotated[str, Meta(pattern=TIME_PATTERN)]

_RESEND = "ask its author to write it again as tocsin does; nothing of it was kept"


class ObjectRef(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One object a statement speaks of: a STIX object, or an attachment as `urn:sha256:<hex>`."""

    id: Annotated[str, Meta(pattern=OBJECT_ID_PATTERN)]
    sha256: Hex64
    """Of the object's own received bytes."""
    type: Annotated[str, Meta(pattern=OBJECT_TYPE_PATTERN)]
    """The STIX type, or the attachment's media type."""


class Seen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A checkpoint the author held when it signed: a lower bound for its time, and gossip."""

    origin: Annotated[str, Meta(pattern=ORIGIN_PATTERN)]
    root: Annotated[str, Meta(min_length=44, max_length=44)]
    """32 bytes, standard base64."""
    size: Annotated[int, Meta(ge=1, le=canonical.MAX_INTEGER)]


class Statement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload, field by field. Absent optional fields are None or (). Spec: record.md."""

    v: Literal[1] = 1
    author: PartyId
    key: Hex64
    """keyid of the first signature; signed here because DSSE does not sign its hint."""
    kind: Kind
    seq: Annotated[int, Meta(ge=1, le=MAX_SEQ)]
    prev: Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{64})?\Z")]
    time: TimeText
    """The author's own word, UTC, whole seconds. It proves nothing."""
    salt: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    tlp: Tlp
    body: dict[str, Any]
    case: Annotated[str, Meta(pattern=CASE_PATTERN)] | None = None
    to: Annotated[tuple[PartyId, ...], Meta(max_length=MAX_TO)] = ()
    objects: Annotated[tuple[ObjectRef, ...], Meta(max_length=MAX_OBJECTS)] = ()
    refs: Annotated[tuple[Hex64, ...], Meta(max_length=MAX_REFS)] = ()
    seen: Annotated[tuple[Seen, ...], Meta(max_length=MAX_SEEN)] = ()

    @property
    def at(self) -> datetime:
        """`time` as an aware datetime."""
        return read_time(self.time)

    @property
    def audience(self) -> Audience:
        """Who is meant to read this statement; ask `policy.may_read`."""
        persons = self.body.get("persons") if self.kind in ("say", "withdraw") else None
        return Audience(
            author=self.author,
            tlp=self.tlp,
            to=frozenset(self.to),
            persons=frozenset(persons or ()),
        )


_OPTIONAL = ("case", "to", "objects", "refs", "seen")


# --- the payload --------------------------------------------------------------------------------


def compose(
    *,
    author: str,
    key: str,
    kind: str,
    seq: int,
    prev: str,
    time: str | datetime,
    salt: str,
    tlp: str,
    body: Mapping[str, Any],
    case: str | None = None,
    objects: Sequence[ObjectRef] = (),
    refs: Sequence[str] = (),
    to: Sequence[str] = (),
    seen: Sequence[Seen] = (),
) -> bytes:
    """The payload to sign: canonical JSON, lists sorted and made unique, empty fields left out.

    Args:
        key: keyid of the signer; with several signers, the smallest (`first_key`).
        seq: 1, 2, … in the author's chain of this case (or its open chain, without a case).
        prev: id of the statement before in that chain; "" at 1.
        time: a UTC instant; below whole seconds is cut off.
        salt: 32 hex digits, random, so that nobody guesses a small body.

    Raises:
        StatementError: a field breaks the schema or a limit.
    """
    value: dict[str, Any] = {
        "v": 1,
        "author": author,
        "key": key,
        "kind": kind,
        "seq": seq,
        "prev": prev,
        "time": time if isinstance(time, str) else time_text(time),
        "salt": salt,
        "tlp": tlp,
        "body": dict(body),
    }
    if case is not None:
        value["case"] = case
    if objects:
        pairs = {(o.id, o.sha256): o for o in objects}
        value["objects"] = [msgspec.to_builtins(pairs[pair]) for pair in sorted(pairs)]
    if refs:
        value["refs"] = sorted(set(refs))
    if to:
        value["to"] = sorted(set(to))
    if seen:
        value["seen"] = [msgspec.to_builtins(s) for s in sorted(seen, key=lambda s: s.origin)]
    try:
        payload = canonical.encode(value)
    except CanonicalError as wrong:
        raise StatementError(wrong.message, remedy=wrong.remedy) from wrong
    _read(value, len(payload))
    return payload


def time_text(time: datetime) -> str:
    """`time` as a statement writes it: UTC, whole seconds, 20 characters.

    Raises:
        StatementError: `time` has no zone.
    """
    if time.tzinfo is None:
        raise StatementError(f"{time.isoformat()} has no time zone", remedy="give a UTC time")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def parse(payload: bytes) -> Statement:
    """Read a payload: canonical to the byte, every field by its rule, nothing unknown.

    Raises:
        StatementError: it breaks a limit, the canonical form or the schema.
    """
    if len(payload) > MAX_DIRECTORY_PAYLOAD:
        raise _wrong(f"payload of {len(payload)} bytes, and at most {MAX_DIRECTORY_PAYLOAD} go")
    return _read(_canonical(payload, "payload"), len(payload))


def _canonical(data: bytes, what: str) -> Any:
    try:
        return canonical.decode(data)
    except CanonicalError as wrong:
        raise StatementError(f"{what}: {wrong.message}", remedy=wrong.remedy) from wrong


def _read(value: Any, size: int) -> Statement:
    try:
        statement = msgspec.convert(value, Statement)
    except msgspec.ValidationError as wrong:
        raise _wrong(f"payload: {wrong}") from wrong
    # msgspec fills in a missing `v` and takes null for `case`; the format has one spelling only.
    if "v" not in value:
        raise _wrong("payload: `v` is missing")
    for name in _OPTIONAL:
        if name in value and not value[name]:
            raise _wrong(f"payload: `{name}` is null or empty; leave it out")
    _check(statement, size)
    return statement


def _check(s: Statement, size: int) -> None:
    limit = MAX_DIRECTORY_PAYLOAD if s.kind == "directory" else MAX_PAYLOAD
    if size > limit:
        raise _wrong(f"payload of {size} bytes, and a {s.kind} has at most {limit}")
    if s.kind != "directory" and len(canonical.encode(s.body)) > MAX_BODY:
        raise _wrong(f"`body` has more than {MAX_BODY} bytes; put lists into an object")
    read_time(s.time)
    if (s.seq == 1) != (s.prev == ""):
        raise _wrong(f'`seq` {s.seq} with `prev` "{s.prev}": `prev` is "" at 1 and only there')
    _increasing(s.refs, "refs")
    _increasing(s.to, "to")
    _increasing([(o.id, o.sha256) for o in s.objects], "objects")
    _increasing([seen.origin for seen in s.seen], "seen")
    for o in s.objects:
        if not _coherent(o):
            raise _wrong(f"object {o.id} has type {o.type!r} and sha256 {o.sha256}, which disagree")
    for seen in s.seen:
        if len(unb64(seen.root, "seen.root")) != 32:
            raise _wrong(f"`seen.root` {seen.root} is not 32 bytes")
    if s.tlp == "RED" and not s.to:
        raise _wrong("RED names nobody; `to` needs at least one party")
    if s.kind in ROOT_KINDS and s.tlp != "CLEAR":
        raise _wrong(f"a {s.kind} is always CLEAR, not {s.tlp}")
    if s.kind in ("withdraw", "cosign") and not s.refs:
        raise _wrong(f"a {s.kind} names in `refs` what it is about")
    _check_body(s)


def _increasing(items: Sequence[Any], name: str) -> None:
    for before, after in pairwise(items):
        if not before < after:
            raise _wrong(f"`{name}` is not sorted and unique at {after!r}")


def _coherent(o: ObjectRef) -> bool:
    if o.id.startswith("urn:sha256:"):
        return o.id == f"urn:sha256:{o.sha256}" and "/" in o.type
    return o.id.partition("--")[0] == o.type


def read_time(text: str) -> datetime:
    """The instant that a statement's 20 characters name.

    Raises:
        StatementError: another form, or no real date and time (30 February, hour 24, second 60).
    """
    if re.search(TIME_PATTERN, text) is None:
        raise _wrong(f"{text!r} is not of the form 2026-11-22T08:30:00Z")
    # By hand: from Python 3.14 on `fromisoformat` takes hour 24.
    numbers = [int(part) for part in re.split("[-T:Z]", text)[:6]]
    try:
        return datetime(*numbers[:6], tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError as wrong:
        raise _wrong(f"{text!r} is no date and time: {wrong}") from wrong


# --- the body, by kind (unknown keys are kept and ignored) ---------------------------------------


class _Via(Struct, frozen=True, kw_only=True):
    door: str
    party: PartyId


class _Say(Struct, frozen=True, kw_only=True):
    via: _Via | msgspec.UnsetType = msgspec.UNSET
    persons: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    reason: str = ""


class _Head(Struct, frozen=True, kw_only=True):
    author: PartyId
    seq: Annotated[int, Meta(ge=1, le=MAX_SEQ)]
    head: Hex64


class _Ack(Struct, frozen=True, kw_only=True):
    heads: tuple[_Head, ...]


class _Cosign(Struct, frozen=True, kw_only=True):
    manifest_sha256: Hex64
    capacity: Literal["author", "co-author", "endorses", "no-objection"] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    refuse: bool = False


class _Compare(Struct, frozen=True, kw_only=True):
    step: str


class KeyBody(Struct, frozen=True, kw_only=True):
    """Body of a `key` statement: this party says that this key may sign these kinds for it."""

    keyid: Hex64
    public: str
    """32 bytes, standard base64."""
    kinds: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Sorted, unique, ordinary kinds only: root keys sign `key`, `revoke`, `directory`."""


class RevokeBody(Struct, frozen=True, kw_only=True):
    """Body of a `revoke` statement: from here on this key signs nothing for this party."""

    keyid: Hex64
    reason: str
    suspect_since: TimeText | msgspec.UnsetType = msgspec.UNSET
    """Statements from this time on are shown as suspect."""


_BODIES: dict[str, type[Struct]] = {
    "say": _Say,
    "withdraw": _Say,
    "ack": _Ack,
    "cosign": _Cosign,
    "compare": _Compare,
    "key": KeyBody,
    "revoke": RevokeBody,
}
# An `act` with a missing or mistyped field is void, kept and shown (respond.md §1): no check here.


def _check_body(s: Statement) -> None:
    if s.kind == "directory":
        from tocsin.record.directory import read_directory

        read_directory(s.body)
        return
    shape = _BODIES.get(s.kind)
    if shape is None:
        return
    try:
        body = msgspec.convert(s.body, shape)
    except msgspec.ValidationError as wrong:
        raise _wrong(f"body of a {s.kind}: {wrong}") from wrong
    if isinstance(body, _Say):
        _increasing(body.persons, "body.persons")
    elif isinstance(body, _Cosign):
        if body.refuse == (body.capacity is not msgspec.UNSET):
            raise _wrong("body of a cosign: either `capacity` or `refuse`: true, not both")
    elif isinstance(body, RevokeBody):
        if isinstance(body.suspect_since, str):
            read_time(body.suspect_since)
    elif isinstance(body, KeyBody):
        enrolled(body.keyid, body.public)
        _increasing(body.kinds, "body.kinds")
        for kind in body.kinds:
            if kind not in ORDINARY_KINDS:
                raise _wrong(f"body of a key: {kind!r} is no kind that an ordinary key signs")


def enrolled(keyid: str, public: str) -> keys.PublicKey:
    """Check a key that is to be enrolled: base64, canonical point of prime order, its own id.

    Raises:
        StatementError: any of that fails.
    """
    try:
        found = keys.PublicKey.of(unb64(public, "public"))
    except SignatureError as wrong:
        raise StatementError(wrong.message, remedy=wrong.remedy) from wrong
    if found.keyid != keyid:
        raise _wrong(f"key {keyid} has the id {found.keyid}")
    return found


# --- the envelope -------------------------------------------------------------------------------


class Signature(Struct, frozen=True, kw_only=True):
    """One signature of an envelope; `keyid` is a hint until the payload or directory bears it."""

    keyid: str
    sig: bytes
    """64 bytes."""


class Envelope(Struct, frozen=True, kw_only=True):
    """A DSSE envelope as received, opened but not verified."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]
    """Sorted by keyid, unique, 1 to 16."""
    raw: bytes
    id: str
    """64 hex digits, see `statement_id`."""


class Verified(Struct, frozen=True, kw_only=True):
    """A statement that `admit` has let in. Never build one by hand."""

    id: str
    raw: bytes
    statement: Statement

    @property
    def audience(self) -> Audience:
        """Who is meant to read it."""
        return self.statement.audience


class ChainHead(Struct, frozen=True, kw_only=True):
    """The newest statement held of one author's chain in one case."""

    seq: int
    head: str


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """What is signed: DSSE v1 pre-authentication encoding."""
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


def assemble(payload: bytes, signatures: Mapping[str, bytes]) -> bytes:
    """The envelope of `payload` with signatures collected from elsewhere, {keyid: 64 bytes}.

    Raises:
        StatementError: as `sign`. No signature is verified here.
    """
    raw = canonical.encode(
        {
            "payload": canonical.b64encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {"keyid": keyid, "sig": canonical.b64encode(signatures[keyid])}
                for keyid in sorted(signatures)
            ],
        }
    )
    _bind(open_envelope(raw), parse(payload))
    return raw


def open_envelope(raw: bytes) -> Envelope:
    """Open an envelope's bytes, which must be canonical; nothing is verified yet.

    Raises:
        StatementError: too large, not canonical, or not of the one shape.
    """
    if len(raw) > MAX_DIRECTORY_ENVELOPE:
        raise _wrong(f"envelope of {len(raw)} bytes, and at most {MAX_DIRECTORY_ENVELOPE} go")
    value = _canonical(raw, "envelope")
    if type(value) is not dict or value.keys() != {"payload", "payloadType", "signatures"}:
        raise _wrong("an envelope has `payload`, `payloadType`, `signatures`, and nothing else")
    if value["payloadType"] != PAYLOAD_TYPE:
        raise _wrong(f"payload type {value['payloadType']!r}, and a statement has {PAYLOAD_TYPE}")
    listed = value["signatures"]
    if type(listed) is not list or not 1 <= len(listed) <= MAX_SIGNATURES:
        raise _wrong(f"an envelope has 1 to {MAX_SIGNATURES} signatures")
    signatures = tuple(_signature(item) for item in listed)
    _increasing([s.keyid for s in signatures], "signatures")
    payload = unb64(value["payload"], "payload")
    return Envelope(
        payload=payload,
        payload_type=PAYLOAD_TYPE,
        signatures=signatures,
        raw=raw,
        id=statement_id(raw),
    )


def _signature(item: Any) -> Signature:
    if type(item) is not dict or item.keys() != {"keyid", "sig"}:
        raise _wrong("a signature has `keyid` and `sig`, and nothing else")
    name = item["keyid"]
    if type(name) is not str or len(name) != 64 or set(name) - set("0123456789abcdef"):
        raise _wrong(f"keyid {name!r} is not 64 lower-case hex digits")
    sig = unb64(item["sig"], "sig")
    if len(sig) != keys.SIGNATURE_BYTES:
        raise _wrong(f"a signature of {len(sig)} bytes, and Ed25519 has {keys.SIGNATURE_BYTES}")
    return Signature(keyid=name, sig=sig)


def _bind(envelope: Envelope, s: Statement) -> None:
    """What payload and envelope must agree on: sizes, number of signatures, the first key."""
    limit = MAX_DIRECTORY_ENVELOPE if s.kind == "directory" else MAX_ENVELOPE
    if len(envelope.raw) > limit:
        raise _wrong(f"envelope of {len(envelope.raw)} bytes, and a {s.kind} has at most {limit}")
    if s.kind not in ROOT_KINDS and len(envelope.signatures) != 1:
        raise _wrong(f"{len(envelope.signatures)} signatures, and a {s.kind} has exactly one")
    if envelope.signatures[0].keyid != s.key:
        raise _wrong(f"the first signature is by {envelope.signatures[0].keyid}, `key` is {s.key}")


def open_statement(raw: bytes) -> tuple[Envelope, Statement]:
    """Envelope and payload, checked against each other; signatures are not verified.

    Raises:
        StatementError: any rule of size, canonical form or schema is broken.
    """
    envelope = open_envelope(raw)
    statement = parse(envelope.payload)
    _bind(envelope, statement)
    return envelope, statement


def unb64(text: Any, name: str) -> bytes:
    """Decode standard base64 in its one spelling.

    Raises:
        StatementError: not text, or another spelling.
    """
    if type(text) is not str:
        raise _wrong(f"`{name}` is not text")
    try:
        return canonical.b64decode(text)
    except CanonicalError as wrong:
        raise _wrong(f"`{name}` is {wrong.message}") from wrong


def commitment(raw: bytes) -> bytes:
    """32 bytes: SHA-256("tocsin/commit/v1\\n" || envelope). All that the log holds of it."""
    return hashlib.sha256(b"tocsin/commit/v1\n" + raw).digest()


def statement_id(raw: bytes) -> str:
    """The statement's id: its commitment in hex."""
    return commitment(raw).hex()


def entry(raw: bytes) -> bytes:
    """The log entry, 33 bytes: 0x01 || commitment."""
    return b"\x01" + commitment(raw)


def leaf(raw: bytes) -> bytes:
    """The leaf hash of its entry, 32 bytes: SHA-256(0x00 || entry) (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x00" + entry(raw)).digest()


# --- admission ----------------------------------------------------------------------------------


def admit(
    raw: bytes,
    *,
    keyring: KeyRing,
    chain: ChainHead | None,
    index: int | None,
    markings: Callable[[str], Audience | None],
) -> Verified:
    """Let one envelope in, or say why not; cheapest checks first, signatures last.

    Size, canonical form, schema; author and key in the directory; chain; marking; signatures.
    Whether it is held already is the caller's question (`statement_id`), between schema and key.

    Args:
        keyring: the keys as the log knows them.
        chain: head of (author, case) as held; None if nothing of that chain is held.
        index: place in the log at which to judge the key; None: at its present end.
        markings: audience of the statement with this id, None if it is not held. Where its
            author has since said the same objects wider, the wider one.

    Raises:
        StatementError: size, canonical form or schema.
        SignatureError: author or key unknown, key may not sign this, too few or bad signatures.
        DirectoryError: a directory that does not follow the one before.
        ChainError: does not follow `chain`.
        MarkingError: looser than what it refers to.
    """
    envelope, statement = open_statement(raw)
    signed = keyring.signers(envelope, statement, index)
    check_chain(statement, chain)
    check_markings(statement, markings)
    message = pae(envelope.payload)
    for public, signature in signed:
        keys.verify(public, signature, message)
    return Verified(id=envelope.id, raw=raw, statement=statement)


def check_chain(s: Statement, chain: ChainHead | None) -> None:
    """Return if `s` is the next of its chain.

    Raises:
        ChainError: it is not; the error says what the next must carry.
    """
    seq, head = (1, "") if chain is None else (chain.seq + 1, chain.head)
    if (s.seq, s.prev) == (seq, head):
        return
    where = f"in {s.case}" if s.case else "in its open chain"
    raise ChainError(
        f"{s.author} signed number {s.seq} after {s.prev or 'nothing'} {where}, and the next "
        f"here is number {seq} after {head or 'nothing'}",
        remedy="fetch the author's chain, and sign again on top of its head",
        seq=seq,
        head=head,
    )


def check_markings(s: Statement, markings: Callable[[str], Audience | None]) -> None:
    """Return if `s` is marked at least as strictly as everything it refers to.

    One way down: the originator says its own objects again with the wider marking.

    Raises:
        MarkingError: names the reference and both markings.
    """
    for ref in s.refs:
        above = markings(ref)
        if above is None or TLP_RANK[s.tlp] >= TLP_RANK[above.tlp]:
            continue
        if s.kind == "say" and s.objects and above.author == s.author:
            continue
        raise MarkingError(
            f"TLP:{s.tlp} is looser than TLP:{above.tlp} of {ref}, which it refers to",
            remedy=f"mark it TLP:{above.tlp}, or ask {above.author} to say it again wider",
        )


def equivocates(a: Verified, b: Verified) -> bool:
    """Whether the two prove that one author signed two statements for one place in its chain.

    Of the kinds that carry several signatures, anybody can drop one and so make another id over
    the same payload; that proves nothing against the author.
    """
    x, y = a.statement, b.statement
    if a.id == b.id or (x.author, x.case, x.seq) != (y.author, y.case, y.seq):
        return False
    return x.kind not in ROOT_KINDS or x != y


def key_body(public: bytes, kinds: Sequence[str] = ORDINARY_KINDS) -> dict[str, Any]:
    """The body of a `key` statement that lets this key sign these kinds.

    Raises:
        SignatureError: the key is not acceptable (`keys.check_public`).
    """
    found = keys.PublicKey.of(public)
    return {
        "keyid": found.keyid,
        "public": canonical.b64encode(public),
        "kinds": sorted(set(kinds)),
    }


def revoke_body(
    keyid: str, reason: str, suspect_since: str | datetime | None = None
) -> dict[str, Any]:
    """The body of a `revoke` statement."""
    body: dict[str, Any] = {"keyid": keyid, "reason": reason}
    if suspect_since is not None:
        body["suspect_since"] = (
            suspect_since if isinstance(suspect_since, str) else time_text(suspect_since)
        )
    return body


def _wrong(message: str) -> StatementError:
    return StatementError(message, remedy=_RESEND)
