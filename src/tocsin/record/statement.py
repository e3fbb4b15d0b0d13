"""Statements: what a party signed, byte by byte.

A payload is canonical JSON of one shape, with one spelling of everything in it.
Spec: record.md, "Statement".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tocsin import canonical
from tocsin.errors import (
    CanonicalError,
    SignatureError,
    StatementError,
    TocsinError,
)
from tocsin.policy import Audience, Tlp
from tocsin.record import keys

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

KEY_CHAIN = " keys"
"""The chain of an author's root kinds (decisions/0021). A blank stands in no case id."""

MAX_BODY = 16 << 10
MAX_PAYLOAD = 64 << 10
MAX_DIRECTORY_PAYLOAD = 1 << 20
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


class ObjectRef(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One object a statement speaks of: a STIX object, or an attachment as `urn:sha256:<hex>`."""

    id: Annotated[str, Meta(pattern=OBJECT_ID_PATTERN)]
    sha256: Hex64
    """Of the object's own received bytes."""
    type: Annotated[str, Meta(pattern=OBJECT_TYPE_PATTERN)]
    """The STIX type, or the attachment's media type."""


class Seen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A checkpoint the author held when it signed: a lower bound for its time, and gossip."""

    origin: Annotated[str, Meta(pattern=ORIGIN_PATTERN)]
    root: Annotated[str, Meta(min_length=44, max_length=44)]
    """32 bytes, standard base64."""
    size: Annotated[int, Meta(ge=1, le=canonical.MAX_INTEGER)]


def chain_of(kind: str, case: str | None) -> str:
    """The chain of its author in which a statement counts.

    Returns:
        `KEY_CHAIN` for root kinds, else the case id; "" for the author's open chain.
    """
    return KEY_CHAIN if kind in ROOT_KINDS else case or ""


# `gc=False` here and below: what is decoded holds no cycle, and thousands that are on their way
# would be walked by every collection.
class Statement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
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
    def chain(self) -> str:
        """In which of its author's chains `seq` and `prev` count: see `chain_of`."""
        return chain_of(self.kind, self.case)

    @property
    def audience(self) -> Audience:
        """Who is meant to read this statement; ask `policy.may_read`."""
        persons = self.body.get("persons") if self.kind in ("say", "withdraw") else None
        if not self.to and not persons:
            return _everybody(self.author, self.tlp)
        return Audience(
            author=self.author,
            tlp=self.tlp,
            to=frozenset(self.to),
            persons=frozenset(persons or ()),
        )


@lru_cache(maxsize=1024)
def _everybody(author: str, tlp: Tlp) -> Audience:
    return Audience(author=author, tlp=tlp)


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
        seq: 1, 2, … in the chain of the author that `chain_of(kind, case)` names.
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
        DirectoryError: it is a directory, and its body breaks a directory's rules.
    """
    if len(payload) > MAX_DIRECTORY_PAYLOAD:
        raise refusal(f"payload of {len(payload)} bytes, and at most {MAX_DIRECTORY_PAYLOAD} go")
    return _plain(payload) or _read(decode(payload, "payload"), len(payload))


_ABSENT = msgspec.Raw()


class _Plain(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A payload without lists, read for its spelling. The fields stand in canonical order."""

    author: str
    body: dict[str, Any]
    key: str
    kind: Kind
    prev: str
    salt: str
    seq: int
    time: str
    tlp: Tlp
    v: Literal[1]
    case: str = ""
    seen: msgspec.Raw = _ABSENT


_PLAIN = msgspec.json.Decoder(_Plain)
_ANY = msgspec.json.Decoder(Statement)
_CANONICAL = msgspec.json.Encoder(order="sorted")
_PREV_AND_SALT = re.compile("(?:[0-9a-f]{64})?;[0-9a-f]{32}")


def _plain(payload: bytes) -> Statement | None:
    """The statement, if it is one of the plain form, as nearly all are: the same as by the long
    way, at a third of the time. None: take that; it also says what is wrong."""
    try:
        p = _PLAIN.decode(payload)
        seen = () if p.seen is _ABSENT else _seen(bytes(p.seen))
        # As `canonical` does it: what is read is written again, and must be the same bytes. The
        # two encoders agree on whatever `canonical.check` lets pass.
        canonical.check(p.body, depth=2)
    except (msgspec.MsgspecError, CanonicalError, StatementError, ValueError, RecursionError):
        return None
    if _CANONICAL.encode(p) != payload or not 1 <= p.seq <= MAX_SEQ:
        return None
    if _PREV_AND_SALT.fullmatch(f"{p.prev};{p.salt}") is None or not _fits(p.author, p.key, p.case):
        return None
    statement = _of(p, seen)
    try:
        _check(statement, len(payload))
    except TocsinError:
        return None
    return statement


def read_again(payload: bytes) -> Statement:
    """The statement in a payload that `parse` took, or `compose` made, in whichever process:
    nothing is checked."""
    try:
        p = _PLAIN.decode(payload)
    except msgspec.ValidationError:  # it has lists
        return _ANY.decode(payload)
    return _of(p, () if p.seen is _ABSENT else _seen(bytes(p.seen)))


def _of(p: _Plain, seen: tuple[Seen, ...]) -> Statement:
    return Statement(
        author=p.author,
        key=p.key,
        kind=p.kind,
        seq=p.seq,
        prev=p.prev,
        time=p.time,
        salt=p.salt,
        tlp=p.tlp,
        body=p.body,
        case=p.case or None,
        seen=seen,
    )


def _fits(author: str, key: str, case: str) -> bool:
    # The lengths first: what is remembered is bounded, also where strangers choose it.
    return len(author) <= 253 and len(key) == 64 and len(case) <= 128 and _forms(author, key, case)


@lru_cache(maxsize=1024)
def _forms(author: str, key: str, case: str) -> bool:
    """Whether these three, which many statements share, are of their forms; "": no case."""
    forms = (PARTY_PATTERN, author), (HEX64_PATTERN, key), (CASE_PATTERN, case or "-")
    return all(re.search(pattern, text) for pattern, text in forms)


@lru_cache(maxsize=1024)
def _seen(raw: bytes) -> tuple[Seen, ...]:
    """What many statements have seen, from its canonical bytes."""
    found: tuple[Seen, ...] = msgspec.convert(decode(raw, "seen"), _SEEN)
    if not found:
        raise refusal("payload: `seen` is null or empty; leave it out")
    return found


_SEEN = Annotated[tuple[Seen, ...], Meta(max_length=MAX_SEEN)]


def decode(data: bytes, what: str) -> Any:
    """Canonical JSON, decoded.

    Raises:
        StatementError: it is not canonical.
    """
    try:
        return canonical.decode(data)
    except CanonicalError as wrong:
        raise StatementError(f"{what}: {wrong.message}", remedy=wrong.remedy) from wrong


def _read(value: Any, size: int) -> Statement:
    try:
        statement = msgspec.convert(value, Statement)
    except msgspec.ValidationError as wrong:
        raise refusal(f"payload: {wrong}") from wrong
    # msgspec fills in a missing `v` and takes null for `case`; the format has one spelling only.
    if "v" not in value:
        raise refusal("payload: `v` is missing")
    for name in _OPTIONAL:
        if name in value and not value[name]:
            raise refusal(f"payload: `{name}` is null or empty; leave it out")
    _check(statement, size)
    return statement


def _check(s: Statement, size: int) -> None:
    limit = MAX_DIRECTORY_PAYLOAD if s.kind == "directory" else MAX_PAYLOAD
    if size > limit:
        raise refusal(f"payload of {size} bytes, and a {s.kind} has at most {limit}")
    # A body is shorter than the payload around it, and most payloads are short.
    if size > MAX_BODY and s.kind != "directory" and len(canonical.encode(s.body)) > MAX_BODY:
        raise refusal(f"`body` has more than {MAX_BODY} bytes; put lists into an object")
    read_time(s.time)
    if (s.seq == 1) != (s.prev == ""):
        raise refusal(f'`seq` {s.seq} with `prev` "{s.prev}": `prev` is "" at 1 and only there')
    increasing(s.refs, "refs")
    increasing(s.to, "to")
    if s.objects:
        increasing([(o.id, o.sha256) for o in s.objects], "objects")
    if len(s.seen) > 1:
        increasing([seen.origin for seen in s.seen], "seen")
    for o in s.objects:
        if not _coherent(o):
            raise refusal(
                f"object {o.id} has type {o.type!r} and sha256 {o.sha256}, which disagree"
            )
    for seen in s.seen:
        if not _is_root(seen.root):
            raise refusal(f"`seen.root` {seen.root} is not 32 bytes")
    if s.tlp == "RED" and not s.to:
        raise refusal("RED names nobody; `to` needs at least one party")
    if s.kind in ROOT_KINDS and s.tlp != "CLEAR":
        raise refusal(f"a {s.kind} is always CLEAR, not {s.tlp}")
    if s.kind in ROOT_KINDS and s.case is not None:
        raise refusal(f"a {s.kind} stands in {s.case}; it counts in the key chain, outside cases")
    if s.kind in ("withdraw", "cosign") and not s.refs:
        raise refusal(f"a {s.kind} names in `refs` what it is about")
    _check_body(s)


@lru_cache(maxsize=1024)
def _is_root(text: str) -> bool:
    return len(unb64(text, "seen.root")) == 32


def increasing(items: Sequence[Any], name: str) -> None:
    """Return if each is greater than the one before: a set of things has one spelling.

    Raises:
        StatementError: it is not.
    """
    for before, after in pairwise(items) if len(items) > 1 else ():
        if not before < after:
            raise refusal(f"`{name}` is not sorted and unique at {after!r}")


def _coherent(o: ObjectRef) -> bool:
    if o.id.startswith("urn:sha256:"):
        return o.id == f"urn:sha256:{o.sha256}" and "/" in o.type
    return o.id.partition("--")[0] == o.type


@lru_cache(maxsize=1024)  # what comes at once was mostly said at once
def read_time(text: str) -> datetime:
    """The instant that a statement's 20 characters name.

    Raises:
        StatementError: another form, or no real date and time (30 February, hour 24, second 60).
    """
    if re.search(TIME_PATTERN, text) is None:
        raise refusal(f"{text!r} is not of the form 2026-11-22T08:30:00Z")
    # By hand: from Python 3.14 on `fromisoformat` takes hour 24.
    numbers = [int(part) for part in re.split("[-T:Z]", text)[:6]]
    try:
        return datetime(*numbers[:6], tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError as wrong:
        raise refusal(f"{text!r} is no date and time: {wrong}") from wrong


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


RootVersion = Annotated[int, Meta(ge=1, le=canonical.MAX_INTEGER)]
"""The directory version whose root this party signs by. No older root of it signs from here on,
also where the older one would do: a root that lost a key, or asks for more of them."""


class KeyBody(Struct, frozen=True, kw_only=True):
    """Body of a `key` statement: this party says that this key may sign these kinds for it."""

    keyid: Hex64
    public: str
    """32 bytes, standard base64."""
    kinds: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Sorted, unique, ordinary kinds only: root keys sign `key`, `revoke`, `directory`."""
    directory: RootVersion | msgspec.UnsetType = msgspec.UNSET


class RevokeBody(Struct, frozen=True, kw_only=True):
    """Body of a `revoke` statement: from here on this key signs nothing for this party."""

    keyid: Hex64
    reason: str
    suspect_since: TimeText | msgspec.UnsetType = msgspec.UNSET
    """Statements from this time on are shown as suspect."""
    directory: RootVersion | msgspec.UnsetType = msgspec.UNSET


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
        raise refusal(f"body of a {s.kind}: {wrong}") from wrong
    if isinstance(body, _Say):
        increasing(body.persons, "body.persons")
    elif isinstance(body, _Cosign):
        if body.refuse == (body.capacity is not msgspec.UNSET):
            raise refusal("body of a cosign: either `capacity` or `refuse`: true, not both")
    elif isinstance(body, RevokeBody):
        if isinstance(body.suspect_since, str):
            read_time(body.suspect_since)
    elif isinstance(body, KeyBody):
        enrolled(body.keyid, body.public)
        increasing(body.kinds, "body.kinds")
        for kind in body.kinds:
            if kind not in ORDINARY_KINDS:
                raise refusal(f"body of a key: {kind!r} is no kind that an ordinary key signs")


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
        raise refusal(f"key {keyid} has the id {found.keyid}")
    return found


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


def unb64(text: Any, name: str) -> bytes:
    """Decode standard base64 in its one spelling.

    Raises:
        StatementError: not text, or another spelling.
    """
    if type(text) is not str:
        raise refusal(f"`{name}` is not text")
    try:
        return canonical.b64decode(text)
    except CanonicalError as wrong:
        raise refusal(f"`{name}` is {wrong.message}") from wrong


def refusal(message: str) -> StatementError:
    """The error for a payload or envelope that breaks a rule, with its one remedy."""
    return StatementError(message, remedy=_RESEND)
