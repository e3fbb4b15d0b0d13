"""What a store owes: small Protocols, and the plain values that pass through them.

`Store` is their sum. A store keeps bytes and answers filtered reads. It decides nothing: who may
read arrives as `allowed`, the numbers of the audiences a reader belongs to (`policy.allowed` over
`Reads.audiences()`), and every read takes it. For a reader, hidden and unknown are one answer.

Times are RFC 3339 text, ids and digests 64 lower-case hex digits, roots and commitments 32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec
import orjson
from msgspec import Struct

from tocsin import canonical
from tocsin.claims.model import EXTENSION_ID, ROLE_TYPE
from tocsin.policy import Audience, Tlp
from tocsin.record import ports
from tocsin.record.ports import Keepable
from tocsin.store.federation import Federation

if TYPE_CHECKING:
    from tocsin.record.seal import Sealed
    from tocsin.record.statement import Statement

_AS_SAID: Mapping[str, Audience] = MappingProxyType({})

RECORD_TYPES = frozenset(ROLE_TYPE.values())
"""STIX types that can carry a claim, evidence, a challenge or a link. Withdrawn, these stay
readable and are marked; all else stops."""


# --- what goes in ---------------------------------------------------------------------------


class Attachment(Struct, frozen=True, kw_only=True):
    """Bytes that are no STIX object: `id` is `urn:sha256:<sha256>`, `type` a media type."""

    raw: bytes
    sha256: str
    id: str
    type: str
    spec_version: str | None = None
    created: str | None = None
    modified: str | None = None

    @classmethod
    def of(cls, raw: bytes, media_type: str) -> Attachment:
        """The attachment that holds `raw`."""
        digest = hashlib.sha256(raw).hexdigest()
        return cls(raw=raw, sha256=digest, id=f"urn:sha256:{digest}", type=media_type)


# --- what comes out -------------------------------------------------------------------------


class Head(Struct, frozen=True, kw_only=True):
    """The log as it stands in the store, which is the truth about it."""

    origin: str
    size: int
    root: bytes
    """32 bytes."""
    checkpoint: bytes
    """The signed note over (origin, size, root), as it was given to `append`."""


class Chain(Struct, frozen=True, kw_only=True):
    """The end of one of an author's chains (`Statement.chain`)."""

    seq: int
    head: str
    """Id of the statement with this `seq`, of a sealed one the id inside: the next names it."""


class Pending(Struct, frozen=True, kw_only=True):
    """A statement that is durable and not yet in the log. No read shows it."""

    id: str
    raw: bytes
    kind: str
    author: str
    case: str | None
    seq: int
    audience: Audience


class Kept(Struct, frozen=True, kw_only=True):
    """A logged statement, with its envelope to the byte."""

    id: str
    index: int
    """Its place in this node's log."""
    raw: bytes
    kind: str
    author: str
    case: str | None
    seq: int
    audience: Audience
    withdrawn: bool = False
    """Its author has taken back all of it. The envelope stays: chains and proofs need it."""


class KeptSealed(Struct, frozen=True, kw_only=True):
    """A logged sealed statement: what can be read of it without opening it."""

    id: str
    """What the log holds, made of its author and `inside` (`record.envelope.sealed_entry`)."""
    inside: str
    """Id of the statement inside, by its author's word: others may have sealed under the same."""
    index: int
    author: str
    case: str | None
    seq: int
    tlp: Tlp
    """As it is marked. `audience` is narrower: those who can open it."""
    audience: Audience
    withdrawn: bool = False

    @property
    def readers(self) -> tuple[str, ...]:
        """The parties it is sealed for, and its author."""
        return tuple(sorted({*self.audience.to, self.author}))


class KeptObject(Struct, frozen=True, kw_only=True):
    """One version of one object, as this reader may see it."""

    raw: bytes
    sha256: str
    id: str
    type: str
    spec_version: str | None
    created: str | None
    modified: str | None
    said_by: tuple[str, ...]
    """The statements that give this reader the object, in log order; live ones only, unless
    all of them are withdrawn."""
    withdrawn: bool = False
    """Every statement that gave this reader the object has been withdrawn."""
    narrowed: Mapping[str, Audience] = _AS_SAID
    """Of `said_by`: those that give it to fewer than may read them, as its own marking says, and
    to whom. Every other gives it to its own readers."""

    @property
    def data(self) -> dict[str, Any]:
        """The object decoded anew at each call; of an attachment, nothing."""
        if self.id.startswith("urn:sha256:"):
            return {}
        data: dict[str, Any] = orjson.loads(self.raw)
        return data

    @property
    def cursor(self) -> tuple[str, str]:
        """Give it to `Reads.select` as `after` to go on behind this object."""
        return self.type, self.id


class LocalRow(Struct, frozen=True, kw_only=True):
    """A row of this node's own: a draft, an account, a session, a cursor."""

    key: str
    value: bytes
    version: int
    """Rises with every write in the store, and never comes twice: give it back to change the
    row."""


class AuditRow(Struct, frozen=True, kw_only=True):
    """One line of the local audit, chained to the one before. It never enters the log."""

    n: int
    time: str
    actor: str
    act: str
    ref: str
    hash: str


What: TypeAlias = Literal["object", "statement"]


class Purge(Struct, frozen=True, kw_only=True):
    """Who had the bytes of something dropped from this node, and why. It is local."""

    what: What
    id: str
    """SHA-256 of the object's bytes, or the statement's id."""
    time: str
    actor: str
    why: str


class Saying(Struct, frozen=True, kw_only=True):
    """A statement that names an object."""

    statement: str
    author: str
    live: bool
    """Not taken back."""


class Holding(Struct, frozen=True, kw_only=True):
    """What is held under an id, taken back or not, or purged."""

    what: What
    id: str
    """SHA-256 of the object's bytes, or the statement's id."""
    name: str
    """The object's id; the statement's again, of a sealed one the id inside."""
    type: str
    """STIX type or media type; the kind of a statement."""
    size: int
    """Bytes; 0 once purged."""
    said_by: tuple[Saying, ...]
    purge: Purge | None = None


class Purged(Struct, frozen=True, kw_only=True):
    """A logged statement whose envelope was purged: its place in log and chain is left."""

    id: str
    index: int
    kind: str
    author: str
    case: str | None
    seq: int
    audience: Audience
    purge: Purge


class Entry(Struct, frozen=True, kw_only=True):
    """A row of a collection: one version of one object, and when it came in for its readers."""

    added: int
    """Microseconds since 1970, UTC: unique within the collection, and rising."""
    raw: bytes
    sha256: str
    id: str
    type: str
    spec_version: str
    """`spec_version_of` it."""
    created: str | None
    modified: str | None


class Page(Struct, frozen=True, kw_only=True):
    """A part of a collection, by `added`."""

    entries: tuple[Entry, ...]
    position: int
    """Give it to `Exchange.page` as `after` to go on behind this page."""
    more: bool
    """There is, or may be, more behind `position`; where no entry came with it, ask on."""


# --- the Protocols --------------------------------------------------------------------------


class Log(ports.Log, Protocol):
    """What the sequencer asks for (`record.ports.Log`), and what everybody else learns by it."""

    def pending(self) -> list[Pending]:
        """What is kept and not yet logged, in the order in which it came.

        After `restart_log`, first what was logged, in the order of that log.
        """
        ...

    def head(self) -> Head | None:
        """The newest head; None before the first append."""
        ...


class History(Protocol):
    """How far authors have come, and how a log begins anew."""

    def chain(self, author: str, chain: str) -> Chain | None:
        """The last statement of this author in this chain (`chain_of`), pending too."""
        ...

    def restart_log(self) -> None:
        """Let every statement wait for a log that begins anew: no head, no edge, nothing read.

        For a log of a new origin, after this one's keys are lost or it has shown two histories.
        """
        ...


class Reads(Protocol):
    """What everybody else asks for. `allowed` empty: nothing."""

    def generation(self) -> int | None:
        """A number that is another one after every change of the store, whoever made it.

        What was worked out from reads that began after it was taken holds for as long as it stays
        the same. A few microseconds, no wait. None: this store cannot say so cheaply, and nothing
        is kept from one request to the next.
        """
        ...

    def audiences(self) -> dict[int, Audience]:
        """All audiences by number. For `policy.allowed`, never for a reader."""
        ...

    def statement(self, id: str, allowed: frozenset[int]) -> Kept | None:
        """One logged statement."""
        ...

    def statements(
        self,
        allowed: frozenset[int],
        *,
        case: str | None = None,
        author: str | None = None,
        kind: str | None = None,
        after_index: int = -1,
        limit: int | None = None,
    ) -> list[Kept]:
        """Logged statements in log order, behind `after_index`. Absent filters let all pass."""
        ...

    def sealed(self, id: str, allowed: frozenset[int]) -> tuple[KeptSealed, bytes] | None:
        """One logged sealed statement by its `id`, and its sealed file; a purged one is not it."""
        ...

    def sealed_in(
        self, allowed: frozenset[int], *, case: str | None = None, inside: str | None = None
    ) -> list[KeptSealed]:
        """Logged sealed statements, without their files, in log order. Absent filters: all.

        Args:
            inside: the id of what is inside; several authors may have sealed under one.
        """
        ...

    def object(self, sha256: str, allowed: frozenset[int]) -> KeptObject | None:
        """One object, or attachment, by its bytes' digest."""
        ...

    def versions(self, stix_id: str, allowed: frozenset[int]) -> list[KeptObject]:
        """Every readable version under this id, newest first."""
        ...

    def held(self, stix_ids: Sequence[str], allowed: frozenset[int]) -> frozenset[str]:
        """Those of these ids under which `versions` would give anything: one question for many."""
        ...

    def select(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[KeptObject]:
        """The newest readable version of each object, ordered by (type, id).

        Only whoever made the version that was logged first makes newer ones (STIX 2.1 §3.6): under
        another `created_by_ref` it is another's object with a name that is taken. Of the rest the
        newest is the one with the latest `modified` (else `created`). Among versions with
        the same time the one that was logged first counts: nobody replaces another's version by
        saying other bytes under its name. Without any time, the one logged last. Within one
        statement, the smaller digest.

        Args:
            allowed: numbers of the reader's audiences.
            types: STIX types or media types. None: every STIX object, no attachment.
            case: only what was said in this case.
            after: `cursor` of the last object of the page before.
            limit: at most so many.
        """
        ...

    def count(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
    ) -> int:
        """How many `select` would give without a limit."""
        ...

    def search(self, words: str, allowed: frozenset[int], limit: int = 100) -> list[KeptObject]:
        """Objects whose newest readable version holds every one of the words.

        Whole words, in any case and Unicode form (`store.words`); newest version first, then by
        (type, id). The order knows nothing of rows the reader may not see.
        """
        ...


class Local(Protocol):
    """Rows of this node alone: nobody else's word, never in the log."""

    def local(self, kind: str, key: str) -> LocalRow | None:
        """One row."""
        ...

    def keep_local(self, kind: str, key: str, value: bytes | None, expected: int | None) -> int:
        """Write a row if it is still the one that was read; None as value deletes it.

        Args:
            kind: what it is, such as "draft".
            key: its name within the kind.
            value: its bytes; None: the row goes.
            expected: `version` of the row that was read; None: there must be none.

        Returns:
            The new version.

        Raises:
            ConflictError: the row has changed since, is there already, or is gone.
        """
        ...

    def list_local(self, kind: str, prefix: str = "") -> list[LocalRow]:
        """All rows of a kind whose key starts with `prefix`, by key."""
        ...

    def append_audit(self, time: str, actor: str, act: str, ref: str) -> AuditRow:
        """Note who did what to what, and when."""
        ...

    def keep_noted(
        self, kind: str, key: str, value: bytes, *, time: str, actor: str, act: str, ref: str
    ) -> int:
        """A new row, and who made it, in one transaction: `keep_local` and `append_audit`.

        Raises:
            ConflictError: there is such a row already; nothing is noted.
        """
        ...

    def audit(self, limit: int | None = None) -> list[AuditRow]:
        """The newest `limit` lines, oldest first. `broken_audit` checks them."""
        ...


EVERYTHING = ""
"""The collection of all objects. Others are named by a case's id, or by `put_by`."""


class Exchange(Protocol):
    """What others fetch by date: collections of STIX objects, in the order they became readable.

    An object is in `EVERYTHING`, in the collection of each case it was said in, and in `put_by` of
    the door and party that a statement's `body.via` names: once for each audience it was said to,
    as long as a live statement says it so there (`Log.append` puts it in and takes it out, in its
    transaction). Attachments are in none. `added` is max(the store's clock, the last of this
    collection + 1 µs), in log order and within a statement by id: a clock that goes back changes
    nothing. Said to an audience it was not
    said to before, it comes anew, with a later date: whoever could not read it has not passed it.
    """

    def page(
        self,
        collection: str,
        allowed: frozenset[int],
        *,
        after: int = -1,
        limit: int = 100,
        ids: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        spec_versions: Sequence[str] | None = None,
        versions: Sequence[str] = ("last",),
        most_bytes: int = 16 * 1024 * 1024,
    ) -> Page:
        """The next entries of a collection behind `after`, by `added`; unknown: none.

        What an audience of `allowed` was given is shown once, by the first of its entries that
        this reader may see. Time and answer do not depend on what the reader may not see.

        Args:
            collection: its name.
            allowed: numbers of the reader's audiences.
            after: `Page.position`, or an instant (as `Entry.added`): what came later than that.
            limit: entries, 1 or more.
            ids, types, spec_versions: any of them each; None: all.
            versions: any of "all", "first", "last", and `version_key`s of instants. First and last
                are of what the reader may see under one id in this collection: versions of whoever
                made the one that came in first, as in `Reads.select`; of one age the one that came
                in first. What bears no time has the key of its `added`.
            most_bytes: of all objects together; one larger object comes alone.
        """
        ...

    def glance(
        self,
        collection: str,
        allowed: frozenset[int],
        id: str,
        *,
        after: int = -1,
        spec_versions: Sequence[str] | None = None,
        versions: Sequence[str] = ("last",),
    ) -> Page | None:
        """The same as `page` for one id, where it is one small object and at hand.

        One indexed read of a bounded number of rows in this process, so that it may be done where
        nothing may wait. None: it is more than that, or nothing, or this store is elsewhere; then
        `page` has to say.
        """
        ...


class Purges(Protocol):
    """Dropping the bytes of what is logged, for spills and personal data (record.md, "Purge").

    The log, the chains and every proof stay as they are: they hold commitments only.
    """

    def holdings(self, id: str, allowed: frozenset[int]) -> list[Holding]:
        """What this reader may read, or might before it was taken back or purged.

        Args:
            id: a STIX id (every version of it), a SHA-256, or a statement's id. Where nothing
                has it that this reader may read, what is sealed under it.
        """
        ...

    def purge(self, one: Purge, rows: Sequence[tuple[str, str]] = ()) -> bool:
        """Drop the bytes of a logged statement or of an object, so that no file holds them.

        Rows, words, free pages, write-ahead log. Id and place stay; one line of the audit says
        who and why. A crash half-way is finished when the store opens.

        Args:
            rows: local rows (kind, key) that hold the same bytes, and go with it.

        Returns:
            Whether anything was dropped now; False: it was purged before.

        Raises:
            NotFoundError: nothing such is in the log.
            StorageFullError: no room to write the file anew; the bytes are out of reach, and
                still in the file until there is: purge it again then.
        """
        ...

    def lift(self, one: Purge) -> bool:
        """Let an object that was purged be said anew; False: it is not purged."""
        ...

    def purge_of(self, what: What, id: str) -> Purge | None:
        """The purge of this thing that is in force. For refusing it, never for an answer."""
        ...

    def purged(self, allowed: frozenset[int], *, case: str | None = None) -> list[Purged]:
        """Logged statements that were purged, in log order. No other read gives them."""
        ...


class Store(Log, History, Reads, Exchange, Federation, Local, Purges, Protocol):
    """Everything a node keeps."""

    def close(self) -> None:
        """Finish what is queued, then let go of the files and the lock."""
        ...


# --- rules that every store shares ----------------------------------------------------------


def audience_key(audience: Audience) -> bytes:
    """The one spelling under which an audience is interned."""
    return canonical.encode(
        {
            "author": audience.author,
            "persons": sorted(audience.persons),
            "tlp": audience.tlp,
            "to": sorted(audience.to),
            "unknown": audience.unknown,
        }
    )


def open_audience(key: bytes) -> Audience:
    """The audience that `audience_key` spelt."""
    data = orjson.loads(key)
    return Audience(
        author=data["author"],
        tlp=data["tlp"],
        to=frozenset(data["to"]),
        persons=frozenset(data["persons"]),
        unknown=data["unknown"],
    )


def stays_on_record(item: Keepable) -> bool:
    """Whether a withdrawn object stays readable: a claim, evidence, a challenge or a link."""
    if item.type not in RECORD_TYPES or EXTENSION_ID.encode() not in item.raw:
        return False
    try:
        data = orjson.loads(item.raw)
    except orjson.JSONDecodeError:
        return False
    extensions = data.get("extensions") if isinstance(data, dict) else None
    return isinstance(extensions, dict) and EXTENSION_ID in extensions


def version_key(item: Keepable) -> str:
    """Orders the versions of one object as text; empty where it bears no time.

    RFC 3339 allows any fraction, and as text `…:00Z` sorts behind `…:00.5Z`.
    """
    return time_key(item.modified or item.created or "")


def time_key(time: str) -> str:
    """The `version_key` of an object that bears this time."""
    if not time.endswith("Z"):
        return time
    whole, _, fraction = time[:-1].partition(".")
    return f"{whole}.{fraction:0<9}"


def put_by(door: str, party: str) -> str:
    """The collection of what `party` put in by this door (`body.via` of a `say`)."""
    return f"via {door} {party}"


def collections_of(statement: Statement | Sealed) -> tuple[str, ...]:
    """The collections that what this statement says comes into."""
    body: dict[str, Any] = getattr(statement, "body", {})  # a sealed one shows none
    via = body.get("via")
    found = [EVERYTHING, *([statement.case] if statement.case else [])]
    if isinstance(via, dict):
        found.append(put_by(str(via.get("door")), str(via.get("party"))))
    return tuple(found)


def spec_version_of(spec_version: str | None, created: str | None) -> str:
    """Which STIX an object is of: "2.1", "2.0" …; objects before 2.1 did not say (STIX 2.1 §3.2).

    A cyber-observable object of 2.1 need not say either, and bears no `created`.
    """
    return spec_version or ("2.0" if created else "2.1")


def microseconds(at: datetime) -> int:
    """An instant as `Entry.added` has it."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant_text(added: int) -> str:
    """`added` as RFC 3339 text with six digits (TAXII 2.1 §2)."""
    at = _EPOCH + timedelta(microseconds=added)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond:06d}Z"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Made(Struct, frozen=True):
    created_by_ref: Any = ""


def maker_of(raw: bytes) -> str:
    """The `created_by_ref` of an object's bytes; "" where it names nobody."""
    try:
        named = msgspec.json.decode(raw, type=_Made).created_by_ref
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return named if isinstance(named, str) else ""


def new_head(checkpoint: bytes) -> Head:
    """The head that a checkpoint's first three lines name; signatures are the log's business.

    Raises:
        ValueError: these are not three lines of a checkpoint (a fault of the caller's).
    """
    origin, size, root = checkpoint.split(b"\n", 3)[:3]
    return Head(
        origin=origin.decode(),
        size=int(size),
        root=canonical.b64decode(root.decode()),
        checkpoint=checkpoint,
    )


def audit_hash(before: str, time: str, actor: str, act: str, ref: str) -> str:
    """SHA-256 of the canonical JSON [hash before, time, actor, act, ref]; `before` is "" at 1."""
    return hashlib.sha256(canonical.encode([before, time, actor, act, ref])).hexdigest()


def broken_audit(rows: Sequence[AuditRow]) -> int | None:
    """`n` of the first line that does not follow from the one before it; None if all do.

    The first of `rows` is taken at its word, unless it is the first of all.
    """
    for before, row in zip((None, *rows), rows, strict=False):
        if before is None and row.n != 1:
            continue
        expected = audit_hash(before.hash if before else "", row.time, row.actor, row.act, row.ref)
        if row.hash != expected or (before is not None and row.n != before.n + 1):
            return row.n
    return None
