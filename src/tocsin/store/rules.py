"""What every store does alike, without a line of SQL: what it lets in, what it checks before it
hands anything out, and which version of an object it chooses.

Shared, because two stores that differ here would give two answers to one reader.
"""

from __future__ import annotations

import binascii
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from tocsin.errors import (
    ChainError,
    ConflictError,
    NotFoundError,
    PurgedError,
    RecordError,
    RollbackError,
    StatementError,
    StoreError,
)
from tocsin.policy import TLP_RANK, Audience, Tlp
from tocsin.record.envelope import commitment, sealed_entry
from tocsin.record.ports import HeadLike, Keepable
from tocsin.store.federation import Absent
from tocsin.store.interface import (
    Chain,
    Head,
    Holding,
    Kept,
    KeptObject,
    KeptSealed,
    Pending,
    Purge,
    Purged,
    Saying,
    What,
)

if TYPE_CHECKING:
    from tocsin.record.envelope import Verified
    from tocsin.record.seal import Sealed, VerifiedSeal
    from tocsin.record.statement import ObjectRef, Statement

Row: TypeAlias = tuple[Any, ...]

# `live` of `said`: how a reader of its audience may see the object. The SQL of the
# stores spells these numbers out: a partial index is used only where the query has its very words.
PENDING = 0
LIVE = 1
ON_RECORD = 2
"""Withdrawn, and still shown because it is a claim, evidence, a challenge or a link."""
GONE = 3
PURGED = 4
"""Its bytes were dropped. A later saying may bring them back; this one stays without them."""
PURGED_GONE = 5
"""Purged and withdrawn, in either order."""


# --- what is let in -------------------------------------------------------------------------

Place = tuple[str, str]
"""(SHA-256 in hex, id) of an object."""


class Arrival(NamedTuple):
    """A statement to keep, with the objects that came with it, checked by `brought`."""

    verified: Verified | VerifiedSeal
    brought: Mapping[Place, Keepable]
    audience: Audience
    object_audiences: Mapping[str, Audience]


def brought(statement: Statement | Sealed, objects: Sequence[Keepable]) -> dict[Place, Keepable]:
    """The objects by (digest, id), once it is certain that they are what the statement names.

    Raises:
        StatementError: one is not named, or is not what it is named.
    """
    if not objects:
        return {}
    says = () if statement.kind == "withdraw" else statement.objects
    named = {(ref.sha256, ref.id): ref.type for ref in says}
    found: dict[Place, Keepable] = {}
    for item in objects:
        if named.get((item.sha256, item.id)) != item.type:
            raise StatementError(
                f"object {item.id} ({item.sha256}) comes with a statement that does not say it",
                remedy="bring exactly the objects that the statement names",
            )
        if not isinstance(item, Absent) and hashlib.sha256(item.raw).hexdigest() != item.sha256:
            raise StatementError(
                f"the bytes of {item.id} do not have SHA-256 {item.sha256}",
                remedy="send the exact bytes that were signed for",
            )
        found[item.sha256, item.id] = item
    return found


def purged_error(what: str) -> PurgedError:
    """The refusal of something that was purged here and comes again."""
    return PurgedError(
        f"{what} was purged on this node, and is not kept again",
        remedy="leave it out; or have an admin allow it: tocsin purge ID --lift --why TEXT",
    )


def check_growth(
    found: tuple[str, int, bytes] | None, new: Head, count: int, expected: HeadLike | None
) -> int:
    """The size from which a log may grow by `count`: compare-and-set on its head.

    Args:
        found: (origin, size, root) as the store has it.
        new: the head that the checkpoint names.
        expected: the head it was computed from.

    Raises:
        ConflictError: the head is another, or the checkpoint is not over exactly this growth.
    """
    wanted = None if expected is None else (expected.origin, expected.size, expected.root)
    if found != wanted:
        raise ConflictError(
            f"the log's head is {_head_text(found)}, not {_head_text(wanted)}",
            remedy="reopen the log from the store; another process may have written to it",
        )
    size = 0 if expected is None else expected.size
    if new.size != size + count or (expected is not None and new.origin != expected.origin):
        raise ConflictError(
            f"{count} statements after {size} do not make {new.origin} {new.size}",
            remedy="sign a checkpoint over exactly what is appended",
        )
    return size


def _head_text(head: tuple[str, int, bytes] | None) -> str:
    return "none" if head is None else f"{head[0]} {head[1]} {head[2].hex()[:16]}…"


def not_pending(ids: Sequence[bytes], entered: int) -> ConflictError:
    """The refusal of a batch of which only `entered` were waiting."""
    return ConflictError(
        f"{len(ids) - entered} of {len(ids)} statements, among them one of "
        f"{ids[0].hex()} … {ids[-1].hex()}, are not pending",
        remedy="reopen the log from the store",
    )


def place_taken(s: Statement | Sealed, last: Chain) -> ChainError:
    """The refusal of a second statement at one place of a chain."""
    return ChainError(
        f"{s.author} has said number {s.seq} here, or what it follows, "
        f"otherwise: its last is {last.seq}, {last.head}",
        remedy="sign it again behind the last one",
        seq=last.seq,
        head=last.head,
    )


def name_taken(
    verified: Verified | VerifiedSeal, row: tuple[str, str, int] | None
) -> ConflictError:
    """The refusal of an id that something else bears here: (kind, author, seq), if it is known."""
    by = f"as {row[0]} number {row[2]} of {row[1]}" if row else "already"
    return ConflictError(
        f"{verified.id} stands here {by}, and this is {verified.statement.kind} number "
        f"{verified.statement.seq} of {verified.statement.author}",
        remedy="keep both: what one of them holds is not what it says",
    )


def left_behind(where: str, count: int) -> StoreError:
    """What is said of a store from before `sealed_entry`: what is in a log stays as it is."""
    return StoreError(
        f"{where} was written by an older tocsin, and this one cannot go on with it: {count} "
        "sealed statements are in its log under ids that anybody could take",
        remedy="keep it, export its cases with that one, and begin a new folder",
    )


def not_brought(ref: ObjectRef) -> StatementError:
    """The refusal of an object that is named and did not come. Another's, which is held, and one
    that is unknown are refused in the same words."""
    return StatementError(
        f"object {ref.id} ({ref.sha256}) is said, and its bytes did not come",
        remedy="bring the object with the statement",
    )


def row_changed(kind: str, key: str, found: int | None, expected: int | None) -> ConflictError:
    """The refusal of a change to a local row that is not the one that was read."""
    now = "gone" if found is None else f"at version {found}"
    was = "new" if expected is None else f"at version {expected}"
    return ConflictError(
        f"{kind} {key!r} is {now}, and this change takes it to be {was}",
        remedy="read it again and repeat the change",
    )


def not_logged(one: Purge) -> NotFoundError:
    """The refusal to purge what the log does not have."""
    return NotFoundError(
        f"{one.what} {one.id} is not in the log of this node", remedy="check the id"
    )


def entry(
    id: bytes, envelope: bytes | None, index: int, without: int, author: str, inside: bytes | None
) -> bytes:
    """What the log holds, if what stands beside it is still that.

    Args:
        without: 1 where there need be no envelope: it was purged, or the statement is sealed.
        inside: of a sealed statement the id of what is inside; of others None.

    The log is read whole at every start, so that bytes changed in the store show then.
    """
    if inside is not None:
        fits = bool(without) and sealed_entry(author, inside) == id
    else:
        fits = bool(without) if envelope is None else commitment(envelope) == id
    if not fits:
        raise RollbackError(
            f"the store holds other bytes at index {index} than were logged there",
            remedy="restore the newest store from its backup; keep this one, it was altered",
        )
    return id


# --- what is checked ------------------------------------------------------------------------
# Before anything is handed out: an object's bytes have the digest they are named by, an envelope
# is the one its id commits to, and the columns beside it say what it says.


class _Envelope(Struct):
    payload: str


class _Payload(Struct):
    author: str
    kind: str
    seq: int
    tlp: Tlp
    body: msgspec.Raw
    case: str = ""
    to: tuple[str, ...] = ()


class _Body(Struct):
    persons: tuple[str, ...] = ()


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_PAYLOAD = msgspec.json.Decoder(_Payload)
_BODY = msgspec.json.Decoder(_Body)


def check_envelope(id: bytes, raw: bytes) -> None:
    """Return if this is the envelope that the statement's id commits to.

    Raises:
        StoreError: the store has been altered or is damaged; names the statement.
    """
    if commitment(raw) != id:
        raise altered("a statement's envelope", id)


def check_beside(
    id: bytes, raw: bytes, kind: str, author: str, case: str, seq: int, audience: Audience
) -> None:
    """Return if the envelope is the one its id commits to, and the columns beside it say the same.

    Costs about 6 us for an envelope of 1 kB, a fifth of what opening it does.

    Raises:
        StoreError: the store has been altered or is damaged; names the statement.
    """
    check_envelope(id, raw)
    s = _PAYLOAD.decode(binascii.a2b_base64(_ENVELOPE.decode(raw).payload))
    persons = _BODY.decode(s.body).persons if s.kind in ("say", "withdraw") else ()
    signed = Audience(author=s.author, tlp=s.tlp, to=frozenset(s.to), persons=frozenset(persons))
    if (s.kind, s.author, s.case, s.seq, signed) != (kind, author, case, seq, audience):
        raise altered("what stands beside a statement's envelope", id)


def kept_sealed(row: Row, audiences: Mapping[int, Audience]) -> KeptSealed:
    """The row of a sealed statement."""
    id, inside, index, author, case, seq, tlp, number, withdrawn = row
    return KeptSealed(
        id=id.hex(),
        inside=(inside or b"").hex(),
        index=index,
        author=author,
        case=case or None,
        seq=seq,
        tlp=tlp,
        audience=audiences[number],
        withdrawn=bool(withdrawn),
    )


def check_sealed(kept: KeptSealed, raw: bytes) -> None:
    """Return if the sealed file is the one its columns say; what is inside nobody here can see.

    Raises:
        StoreError: the store has been altered or is damaged; names the statement.
    """
    # Only where somebody seals: no start and no other read waits for it.
    from tocsin.record.seal import open_sealed

    digest = bytes.fromhex(kept.id)
    try:
        _, found = open_sealed(raw)
    except RecordError as wrong:
        raise altered("a sealed statement", digest) from wrong
    if (kept.id, kept.inside, kept.author, kept.case, kept.seq, kept.tlp, kept.audience) != (
        *(found.entry, found.commitment, found.author, found.case, found.seq, found.tlp),
        found.audience,
    ):
        raise altered("what stands beside a sealed statement", digest)


def _check_narrowed(version: Version, audience_of: Callable[[int], Audience]) -> None:
    """Return if no statement gives the object to a wider circle than its own."""
    for statement, own, whole in version.narrowed:
        inner, outer = audience_of(own), audience_of(whole)
        wider = TLP_RANK[inner.tlp] < TLP_RANK[outer.tlp]
        if wider or inner.author not in ("", outer.author):
            raise altered(f"who may read object {version.id} by a statement", statement)


def altered(what: str, named: bytes) -> StoreError:
    """What is said where a store does not hold what it was given."""
    return StoreError(
        f"{what} is not what {named.hex()} names: the store was altered, or its disk is failing",
        remedy="keep this data folder as it is, and restore the newest store from its backup",
    )


# --- which version -------------------------------------------------------------------------


class Version:
    """One version of one object while it is being chosen."""

    __slots__ = ("first", "id", "n", "narrowed", "said", "sha256", "type", "version")

    def __init__(self, row: Row) -> None:
        self.n: int = row[0]
        self.sha256: bytes = row[1]
        self.id: str = row[2]
        self.type: str = row[3]
        self.version: str = row[4]
        self.first: int = row[5]
        self.said: list[tuple[bytes, int]] = []  # (statement, live), in log order
        # (statement, the object's audience, the statement's) where they differ
        self.narrowed: list[tuple[bytes, int, int]] = []

    def age(self) -> tuple[str, int]:
        """Greatest is newest: see `Reads.select`."""
        return self.version, -self.first if self.version else self.first


MOST_STRETCHES = 20_000
"""Of an index, for one read: so many ids times audiences are looked up one by one."""


_ATTACHMENT = "urn:sha256:"


def looked_up(
    ids: Sequence[str], audiences: int
) -> tuple[list[tuple[str, str, str]], list[bytes]] | None:
    """How these ids are found among so many audiences without touching what others were given.

    Returns:
        (as `ranges` has them, the digests of attachments, whose ids tell no type). None: that
        would be too many stretches of an index; they are found by id, and filtered.
    """
    unique = list(dict.fromkeys(ids))
    if len(unique) * audiences > MOST_STRETCHES:
        return None
    # The type of an object begins its id (STIX 2.1 §2.9): no statement says otherwise.
    typed = [(id.partition("--")[0], id, id) for id in unique if not id.startswith(_ATTACHMENT)]
    digests = [digest(id[len(_ATTACHMENT) :]) for id in unique if id.startswith(_ATTACHMENT)]
    return typed, digests


def ranges(places: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Of (type, id) in order, for each type: (type, first id, last id)."""
    found: dict[str, tuple[str, str, str]] = {}
    for type, id in places:
        first = found[type][1] if type in found else id
        found[type] = (type, first, id)
    return list(found.values())


def versions_of(rows: Iterable[Row]) -> list[Version]:
    """Group rows of SAYINGS_*, which come in log order, by version.

    In the order of their digests, which decides between two of one age.
    """
    found: dict[int, Version] = {}
    for row in rows:
        version = found.get(row[0])
        if version is None:
            version = found[row[0]] = Version(row)
        version.said.append((row[6], row[7]))
        if row[8] != row[9]:
            version.narrowed.append((row[6], row[8], row[9]))
    return sorted(found.values(), key=lambda version: version.sha256)


def newest(
    versions: Iterable[Version], makers: Callable[[Sequence[Version]], Mapping[int, str]]
) -> dict[tuple[str, str], Version]:
    """By (type, id) the version that counts; see `Reads.select`.

    Args:
        makers: `Version.n` → who made it (`interface.maker_of`), for those given that name
            somebody. Asked only for what has several versions.
    """
    chosen: dict[tuple[str, str], Version] = {}
    several: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
    for version in versions:
        place = version.type, version.id
        first = chosen.setdefault(place, version)
        if first is not version:
            group = several[place]
            group.extend((version,) if group else (first, version))
    if several:
        made = makers([v for group in several.values() for v in group])
        for place, group in several.items():
            maker = made.get(_oldest(group).n)
            chosen[place] = max((v for v in group if made.get(v.n) == maker), key=Version.age)
    return chosen


def _oldest(group: Sequence[Version]) -> Version:
    """The one logged first; within one statement, the smaller digest, which comes first."""
    return min(group, key=lambda v: v.first)


# --- what comes out ------------------------------------------------------------------------


def opened(
    versions: Sequence[Version],
    found: Mapping[int, Row],
    audience_of: Callable[[int], Audience],
) -> list[KeptObject]:
    """These versions with their bytes, which are what they are named by.

    Args:
        found: `Version.n` → (raw, spec_version, created, modified).

    Raises:
        StoreError: the store has been altered or is damaged; names the object.
    """
    objects = []
    for version in versions:
        raw, spec_version, created, modified = found[version.n]
        if hashlib.sha256(raw).digest() != version.sha256:
            raise altered(f"object {version.id}, row {version.n} of `object`", version.sha256)
        live = [id.hex() for id, state in version.said if state == LIVE]
        said_by = tuple(live or [id.hex() for id, _ in version.said])
        narrowed: dict[str, Audience] = {}
        if version.narrowed:
            _check_narrowed(version, audience_of)
            fewer = {id.hex(): own for id, own, _ in version.narrowed}
            narrowed = {id: audience_of(fewer[id]) for id in said_by if id in fewer}
        objects.append(
            KeptObject(
                raw=raw,
                sha256=version.sha256.hex(),
                id=version.id,
                type=version.type,
                spec_version=spec_version,
                created=created,
                modified=modified,
                said_by=said_by,
                withdrawn=not live,
                narrowed=narrowed,
            )
        )
    return objects


def kept(row: Row, audience_of: Callable[[int], Audience]) -> Kept:
    """A logged statement, from (id, index, envelope, kind, author, case, seq, audience, withdrawn).

    Raises:
        StoreError: the store has been altered or is damaged; names the statement.
    """
    id, index, raw, kind, author, case, seq, number, withdrawn = row
    audience = audience_of(number)
    check_beside(id, raw, kind, author, case, seq, audience)
    return Kept(
        id=id.hex(),
        index=index,
        raw=raw,
        kind=kind,
        author=author,
        case=case or None,
        seq=seq,
        audience=audience,
        withdrawn=bool(withdrawn),
    )


def pending(row: Row, audience_of: Callable[[int], Audience]) -> Pending:
    """A waiting statement, from (id, envelope, kind, author, case, seq, audience).

    Raises:
        StoreError: the store has been altered or is damaged; names the statement.
    """
    id, raw, kind, author, case, seq, number = row
    if raw is not None:  # None: sealed; or purged, and waiting for a log begun anew
        check_envelope(id, raw)  # the rest is checked where it is read
    return Pending(
        id=id.hex(),
        raw=raw or b"",
        kind=kind,
        author=author,
        case=case or None,
        seq=seq,
        audience=audience_of(number),
    )


def holdings(
    asked: bytes,
    statements: Sequence[Row],
    objects: Iterable[Row],
    purge_of: Callable[[What, bytes], Purge | None],
) -> list[Holding]:
    """What is held under an id.

    Args:
        asked: the id, as bytes; empty where it is none of a statement.
        statements: (id, inside, author, kind, size, withdrawn) of what has it, or is sealed
            under it.
        objects: (n, sha256, id, type, size, statement, author, live), by n and log order.
    """
    found: list[Holding] = []
    # Where a statement here has the id, it is not what somebody has sealed under it.
    own = [row for row in statements if row[0] == asked]
    for id, inside, author, kind, size, withdrawn in own or statements:
        name = (inside or id).hex()
        found.append(
            Holding(
                what="statement",
                id=id.hex(),
                name=name,
                type=kind,
                size=size,
                said_by=(Saying(statement=name, author=author, live=not withdrawn),),
                purge=purge_of("statement", id),
            )
        )
    grouped: dict[int, tuple[bytes, str, str, int, list[Saying]]] = {}
    for n, sha256, named, type, size, statement, author, live in objects:
        one = grouped.setdefault(n, (sha256, named, type, size, []))
        one[4].append(Saying(statement=statement.hex(), author=author, live=live == LIVE))
    for sha256, named, type, size, sayings in grouped.values():
        found.append(
            Holding(
                what="object",
                id=sha256.hex(),
                name=named,
                type=type,
                size=size,
                said_by=tuple(sayings),
                purge=purge_of("object", sha256),
            )
        )
    return found


def purged(row: Row, audience_of: Callable[[int], Audience]) -> Purged:
    """From (id, index, kind, author, case, seq, audience, time, actor, why)."""
    id, index, kind, author, case, seq, number, time, actor, why = row
    return Purged(
        id=id.hex(),
        index=index,
        kind=kind,
        author=author,
        case=case or None,
        seq=seq,
        audience=audience_of(number),
        purge=Purge(what="statement", id=id.hex(), time=time, actor=actor, why=why),
    )


def purge_note(one: Purge) -> str:
    """What the audit says of a purge."""
    return f"{one.what} {one.id}: {one.why}"


# --- small things --------------------------------------------------------------------------


def limited(limit: int | None) -> int | None:
    return None if limit is None else max(limit, 0)


def digest(text: str) -> bytes:
    """The 32 bytes of an id; of anything else bytes that no row has."""
    try:
        return bytes.fromhex(text) if len(text) == 64 and text == text.lower() else b""
    except ValueError:
        return b""
