"""Stand-ins for what a node keeps: an in-memory store that passes the contract of every store.

Written from the words of `store/interface.py`, not from the SQL: where both agree, both are right
or both misread it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any, TypeVar

import orjson
from tests.unit.fakes_federation import MemoryFederation

from tocsin import canonical
from tocsin.canonical import MAX_INTEGER
from tocsin.claims.model import EXTENSION_ID
from tocsin.errors import (
    ChainError,
    ConflictError,
    NotFoundError,
    PurgedError,
    StatementError,
    TocsinError,
)
from tocsin.policy import Audience, Reader, allowed
from tocsin.record.envelope import Verified, sign, statement_id
from tocsin.record.hpke import HpkeKey
from tocsin.record.keys import Signer
from tocsin.record.ports import NO_AUDIENCES, HeadLike, Keepable, Keeping
from tocsin.record.seal import Sealed, VerifiedSeal, open_sealed, seal
from tocsin.record.statement import ObjectRef, Statement, chain_of, compose, parse
from tocsin.store import words
from tocsin.store.federation import Absent
from tocsin.store.feeds import New, dated
from tocsin.store.interface import (
    Attachment,
    AuditRow,
    Chain,
    Entry,
    Head,
    Holding,
    Kept,
    KeptObject,
    KeptSealed,
    LocalRow,
    Log,
    Page,
    Pending,
    Purge,
    Purged,
    Reads,
    Saying,
    What,
    audit_hash,
    collections_of,
    instant_text,
    maker_of,
    microseconds,
    new_head,
    spec_version_of,
    stays_on_record,
    version_key,
)

V = TypeVar("V", Verified, VerifiedSeal)


@dataclass
class _Saying:
    """One object in one statement: whether it still counts, and for whom."""

    item: Keepable
    audience: int
    taken_back: bool = False
    cut_off: bool = False
    """Taken back, and said again narrower: even the record is for the narrower circle."""
    purged: bool = False


@dataclass
class _Row:
    verified: Verified | VerifiedSeal
    audience: int
    index: int | None = None
    withdrawn: bool = False
    again: int = MAX_INTEGER
    """Its index in the log that was given up."""
    purged: bool = False
    says: list[_Saying] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)

    @property
    def statement(self) -> Statement | Sealed:
        return self.verified.statement

    @property
    def name(self) -> str:
        """What others refer to it by."""
        return self.verified.inside or self.verified.id

    @property
    def hidden(self) -> bool:
        """No read of plain statements gives it."""
        return self.purged or isinstance(self.verified, VerifiedSeal)


@dataclass(frozen=True)
class _Entered:
    """An object in a collection, for one audience."""

    added: int
    item: Keepable
    audience: int


class MemoryStore(MemoryFederation):
    """`Store` in plain dicts and lists. Nothing survives it."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._feeds: dict[str, list[_Entered]] = {}
        self._lasts: dict[str, int] = {}
        self._lock = RLock()
        self._rows: dict[str, _Row] = {}  # in order of arrival
        self._audiences: list[Audience] = []
        self._head: Head | None = None
        self._edge: list[bytes] = []
        self._local: dict[tuple[str, str], LocalRow] = {}
        self._local_version = 0
        self._audit: list[AuditRow] = []
        self._checkpoints: dict[tuple[str, int], bytes] = {}
        self._purges: dict[tuple[str, str], Purge] = {}
        super().__init__()

    def close(self) -> None:
        """Nothing to let go of."""

    # --- Log ----------------------------------------------------------------------------------

    def keep_pending(
        self,
        verified: Verified | VerifiedSeal,
        objects: Sequence[Keepable],
        audience: Audience,
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> None:
        with self._lock:
            statement = verified.statement
            held = self._rows.get(verified.id)
            if held is not None and _place(held.statement) == _place(statement):
                return
            self._check_place(statement)
            self._check_bound(verified.inside or verified.id, statement)
            if held is not None:
                raise ConflictError("its id is taken", remedy="keep both")
            row = _Row(verified=verified, audience=0)
            saying = statement.kind != "withdraw"
            named = {(o.sha256, o.id, o.type) for o in statement.objects} if saying else set()
            for item in objects:
                if (item.sha256, item.id, item.type) not in named:
                    raise StatementError(f"{item.id} is not said", remedy="bring what is said")
                absent = isinstance(item, Absent)
                if not absent and hashlib.sha256(item.raw).hexdigest() != item.sha256:
                    raise StatementError(f"{item.id} has other bytes", remedy="bring its bytes")
            away = {(item.sha256, item.id) for item in objects if isinstance(item, Absent)}
            for ref in statement.objects if saying else ():
                if (ref.sha256, ref.id) in away:
                    continue
                if ("object", ref.sha256) in self._purges:
                    raise PurgedError(f"{ref.id} was purged", remedy="leave it out")
            brought = {(item.sha256, item.id): item for item in objects}
            said = [
                (ref, brought.get((ref.sha256, ref.id)) or self._said_before(statement, ref))
                for ref in (statement.objects if saying else ())
                if (ref.sha256, ref.id) not in away
            ]
            row.audience = self._number(audience)
            for ref, item in said:
                own = object_audiences.get(ref.sha256, audience)
                row.says.append(_Saying(item=item, audience=self._number(own)))
            row.absent = [item for item in objects if isinstance(item, Absent)]
            self._bind(statement)
            self._rows[verified.id] = row

    def complete(
        self,
        statement: str,
        objects: Sequence[Keepable],
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> None:
        with self._lock:
            row = self._rows[statement]
            for item in objects:
                place = (item.sha256, item.id)
                if place in {(a.sha256, a.id) for a in row.absent}:
                    row.absent = [a for a in row.absent if (a.sha256, a.id) != place]
                    own = object_audiences.get(item.sha256)
                    number = row.audience if own is None else self._number(own)
                    row.says.append(_Saying(item=item, audience=number))
            if row.index is not None:
                self._take_effect(statement, row)
                self._enter_feeds()

    def keep_pending_many(self, items: Sequence[Keeping]) -> list[TocsinError | None]:
        outcomes: list[TocsinError | None] = []
        for verified, objects, audience, object_audiences in items:
            try:
                self.keep_pending(verified, objects, audience, object_audiences)
            except TocsinError as wrong:
                outcomes.append(wrong)
            else:
                outcomes.append(None)
        return outcomes

    def pending(self) -> list[Pending]:
        return [
            Pending(
                id=id,
                raw=b"" if row.hidden else row.verified.raw,
                kind=row.statement.kind,
                author=row.statement.author,
                case=row.statement.case,
                seq=row.statement.seq,
                audience=self._audiences[row.audience],
            )
            for id, row in sorted(self._rows.items(), key=lambda item: item[1].again)
            if row.index is None
        ]

    def waiting(self) -> list[Pending]:
        return self.pending()

    def append(
        self,
        batch: Sequence[str],
        edge: Sequence[bytes],
        checkpoint: bytes,
        expected: HeadLike | None,
    ) -> None:
        with self._lock:
            new = new_head(checkpoint)
            held = self._head and (self._head.origin, self._head.size, self._head.root)
            if held != (expected and (expected.origin, expected.size, expected.root)):
                raise ConflictError("the head is another", remedy="reopen the log")
            size = expected.size if expected else 0
            if new.size != size + len(batch) or (expected and new.origin != expected.origin):
                raise ConflictError("not a checkpoint of this batch", remedy="sign it again")
            waiting = {id for id, row in self._rows.items() if row.index is None}
            if len(set(batch)) != len(batch) or not waiting.issuperset(batch):
                raise ConflictError("not pending", remedy="reopen the log")
            for index, id in enumerate(batch, start=size):
                row = self._rows[id]
                row.index = index
                self._take_effect(id, row)
            self._enter_feeds()
            self._head, self._edge = new, list(edge)

    def head(self) -> Head | None:
        return self._head

    def entries(self, start: int, count: int) -> list[bytes]:
        start = max(start, 0)
        return [bytes.fromhex(id) for id, _ in self._logged()[start : start + max(count, 0)]]

    def edge(self) -> list[bytes]:
        return list(self._edge)

    def chain(self, author: str, chain: str) -> Chain | None:
        links = [
            (row.statement.seq, row.name)
            for row in self._rows.values()
            if (row.statement.author, row.statement.chain) == (author, chain)
        ]
        if not links:
            return None
        seq, head = max(links)
        return Chain(seq=seq, head=head)

    def place(self, statement: str) -> int | None:
        row = self._rows.get(statement)
        return row.index if row else None

    def restart_log(self) -> None:
        with self._lock:
            for row in self._rows.values():
                row.again = MAX_INTEGER if row.index is None else row.index
                row.index, row.withdrawn = None, False
                for saying in row.says:
                    saying.taken_back = saying.cut_off = False
            self._feeds.clear()
            self._head, self._edge = None, []

    def keep_checkpoint(self, size: int, note: bytes) -> None:
        self._checkpoints[note.split(b"\n")[0].decode(), size] = note

    def checkpoints(self) -> list[tuple[int, bytes]]:
        return [
            (size, note)
            for (origin, size), note in sorted(self._checkpoints.items())
            if self._head and origin == self._head.origin
        ]

    # --- Reads --------------------------------------------------------------------------------

    def generation(self) -> int | None:
        return None

    def audiences(self) -> dict[int, Audience]:
        return dict(enumerate(self._audiences))

    def statement(self, id: str, allowed: frozenset[int]) -> Kept | None:
        row = self._rows.get(id)
        if row is None or row.index is None or row.hidden or row.audience not in allowed:
            return None
        return self._kept(id, row)

    def sealed(self, id: str, allowed: frozenset[int]) -> tuple[KeptSealed, bytes] | None:
        found = next((one for one in self.sealed_in(allowed) if one.id == id), None)
        return (found, self._rows[id].verified.raw) if found else None

    def sealed_in(
        self, allowed: frozenset[int], *, case: str | None = None, inside: str | None = None
    ) -> list[KeptSealed]:
        return [
            KeptSealed(
                id=one,
                inside=row.name,
                index=row.index,
                author=row.statement.author,
                case=row.statement.case,
                seq=row.statement.seq,
                tlp=row.statement.tlp,
                audience=self._audiences[row.audience],
                withdrawn=row.withdrawn,
            )
            for one, row in self._logged()
            if isinstance(row.verified, VerifiedSeal)
            and row.index is not None
            and not row.purged
            and row.audience in allowed
            and case in (None, row.statement.case)
            and inside in (None, row.name)
        ]

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
        kept = [
            self._kept(id, row)
            for id, row in self._logged()
            if row.audience in allowed and not row.hidden
        ]
        found = [
            k
            for k in kept
            if k.index > after_index
            and case in (None, k.case)
            and author in (None, k.author)
            and kind in (None, k.kind)
        ]
        return found[: _limit(limit)]

    def object(self, sha256: str, allowed: frozenset[int]) -> KeptObject | None:
        same = [v for v in self._versions(allowed) if v.sha256 == sha256]
        return min(same, key=lambda v: v.id.startswith("urn:sha256:"), default=None)

    def versions(self, stix_id: str, allowed: frozenset[int]) -> list[KeptObject]:
        return [v for v in self._versions(allowed) if v.id == stix_id]

    def held(self, stix_ids: Sequence[str], allowed: frozenset[int]) -> frozenset[str]:
        return frozenset(v.id for v in self._versions(allowed)).intersection(stix_ids)

    def select(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[KeptObject]:
        newest = self._newest(allowed, case)
        found = [
            newest[place]
            for place in sorted(newest)
            if (after is None or place > after)
            and (place[0] in types if types is not None else not _is_attachment(place[1]))
        ]
        return found[: _limit(limit)]

    def count(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
    ) -> int:
        return len(self.select(allowed, types=types, case=case))

    def search(self, words_: str, allowed: frozenset[int], limit: int = 100) -> list[KeptObject]:
        wanted = set(words.asked(words_))
        if not wanted:
            return []
        newest = self._newest(allowed)
        found = [v for _, v in sorted(newest.items()) if wanted <= words.words_of(v)]
        found.sort(key=version_key, reverse=True)
        return found[:limit]

    # --- Exchange -----------------------------------------------------------------------------

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
        return None

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
        seen: dict[tuple[str, str], _Entered] = {}
        for row in self._feeds.get(collection, []):
            if row.audience in allowed:
                seen.setdefault((row.item.sha256, row.item.id), row)
        wanted = [
            row
            for row in seen.values()
            if row.added > after
            and (ids is None or row.item.id in ids)
            and (types is None or row.item.type in types)
            and (
                spec_versions is None
                or spec_version_of(row.item.spec_version, row.item.created) in spec_versions
            )
            and _is_version(row, list(seen.values()), versions)
        ]
        fitting: list[_Entered] = []
        for row in wanted[: max(limit, 1)]:
            if fitting and sum(len(r.item.raw) for r in [*fitting, row]) > most_bytes:
                break
            fitting.append(row)
        more = len(fitting) < len(wanted)
        return Page(
            entries=tuple(
                Entry(
                    added=row.added,
                    raw=row.item.raw,
                    sha256=row.item.sha256,
                    id=row.item.id,
                    type=row.item.type,
                    spec_version=spec_version_of(row.item.spec_version, row.item.created),
                    created=row.item.created,
                    modified=row.item.modified,
                )
                for row in fitting
            ),
            position=fitting[-1].added if fitting else after,
            more=more,
        )

    def _said_in(self) -> dict[str, dict[tuple[str, str, int], Keepable]]:
        """What each collection is to hold, for whom."""
        found: dict[str, dict[tuple[str, str, int], Keepable]] = {}
        for _, row in self._logged():
            for saying in sorted(row.says, key=lambda s: s.item.id):
                item = saying.item
                if saying.taken_back or saying.purged or _is_attachment(item.id):
                    continue
                for feed in collections_of(row.statement):
                    place = (item.sha256, item.id, saying.audience)
                    found.setdefault(feed, {}).setdefault(place, item)
        return found

    def _leave_feeds(self) -> None:
        said = self._said_in()
        for feed, rows in self._feeds.items():
            rows[:] = [
                r for r in rows if (r.item.sha256, r.item.id, r.audience) in said.get(feed, {})
            ]

    def _enter_feeds(self) -> None:
        self._leave_feeds()
        now = microseconds(self._clock())
        for feed, said in self._said_in().items():
            rows = self._feeds.setdefault(feed, [])
            held = {(r.item.sha256, r.item.id, r.audience) for r in rows}
            last, items = self._lasts.get(feed, 0), list(said.items())
            new = [  # in log order; within a statement by id
                New(0, last, place[2], n, item.type)
                for n, (place, item) in enumerate(items)
                if place not in held
            ]
            for _, added, n, audience, _ in dated(new, now):
                rows.append(_Entered(added=added, item=items[n][1], audience=audience))
                self._lasts[feed] = max(self._lasts.get(feed, 0), added)
            rows.sort(key=lambda row: row.added)

    # --- Purges -------------------------------------------------------------------------------

    def holdings(self, id: str, allowed: frozenset[int]) -> list[Holding]:
        found = []
        readable = [(one, row) for one, row in self._logged() if row.audience in allowed]
        named = [(one, row) for one, row in readable if one == id]
        for one, row in named or [(one, row) for one, row in readable if row.name == id]:
            live = not row.withdrawn
            found.append(
                Holding(
                    what="statement",
                    id=one,
                    name=row.name,
                    type=row.statement.kind,
                    size=0 if row.purged else len(row.verified.raw),
                    said_by=(Saying(statement=row.name, author=row.statement.author, live=live),),
                    purge=self._purges.get(("statement", one)),
                )
            )
        objects: dict[tuple[str, str], tuple[Keepable, bool, list[Saying]]] = {}
        for one, row in self._logged():
            for saying in row.says:
                item = saying.item
                if id in (item.sha256, item.id) and saying.audience in allowed:
                    place = (item.sha256, item.id)
                    if place not in objects or not saying.purged:
                        sayings = objects[place][2] if place in objects else []
                        objects[place] = (item, saying.purged, sayings)
                    live = not saying.taken_back and not saying.purged
                    objects[place][2].append(
                        Saying(statement=one, author=row.statement.author, live=live)
                    )
        return found + [
            Holding(
                what="object",
                id=item.sha256,
                name=item.id,
                type=item.type,
                size=0 if purged else len(item.raw),
                said_by=tuple(sayings),
                purge=self._purges.get(("object", item.sha256)),
            )
            for item, purged, sayings in objects.values()
        ]

    def purge(self, one: Purge, rows: Sequence[tuple[str, str]] = ()) -> bool:
        with self._lock:
            dropped = held = False
            if one.what == "statement":
                row = self._rows.get(one.id)
                if row is not None and row.index is not None:
                    held = True
                    dropped, row.purged = not row.purged, True
            for row in self._rows.values():
                for saying in row.says:
                    if one.what == "object" and saying.item.sha256 == one.id:
                        held = True
                        dropped |= not saying.purged
                        saying.purged = True
            self._leave_feeds()
            if not held:
                raise NotFoundError(f"{one.id} is not in the log", remedy="check the id")
            for place in rows:
                dropped |= self._local.pop(place, None) is not None
            if dropped:
                self._purges[one.what, one.id] = one
                self.append_audit(one.time, one.actor, "purge", f"{one.what} {one.id}: {one.why}")
            return dropped

    def lift(self, one: Purge) -> bool:
        lifted = self._purges.pop((one.what, one.id), None) is not None
        if lifted:
            self.append_audit(one.time, one.actor, "purge.lift", f"{one.what} {one.id}: {one.why}")
        return lifted

    def purge_of(self, what: What, id: str) -> Purge | None:
        return self._purges.get((what, id))

    def purged(self, allowed: frozenset[int], *, case: str | None = None) -> list[Purged]:
        return [
            Purged(
                id=id,
                index=row.index,
                kind=row.statement.kind,
                author=row.statement.author,
                case=row.statement.case,
                seq=row.statement.seq,
                audience=self._audiences[row.audience],
                purge=self._purges["statement", id],
            )
            for id, row in self._logged()
            if row.purged
            and row.index is not None
            and row.audience in allowed
            and case in (None, row.statement.case)
        ]

    # --- Local --------------------------------------------------------------------------------

    def local(self, kind: str, key: str) -> LocalRow | None:
        return self._local.get((kind, key))

    def keep_local(self, kind: str, key: str, value: bytes | None, expected: int | None) -> int:
        with self._lock:
            row = self._local.get((kind, key))
            if (row.version if row else None) != expected:
                raise ConflictError(f"{kind} {key!r} has changed", remedy="read it again")
            self._local_version += 1
            if value is None:
                self._local.pop((kind, key), None)
            else:
                version = self._local_version
                self._local[kind, key] = LocalRow(key=key, value=value, version=version)
            return self._local_version

    def list_local(self, kind: str, prefix: str = "") -> list[LocalRow]:
        rows = [r for (k, _), r in self._local.items() if k == kind and r.key.startswith(prefix)]
        return sorted(rows, key=lambda row: row.key)

    def append_audit(self, time: str, actor: str, act: str, ref: str) -> AuditRow:
        with self._lock:
            before = self._audit[-1].hash if self._audit else ""
            row = AuditRow(
                n=len(self._audit) + 1,
                time=time,
                actor=actor,
                act=act,
                ref=ref,
                hash=audit_hash(before, time, actor, act, ref),
            )
            self._audit.append(row)
            return row

    def keep_noted(
        self, kind: str, key: str, value: bytes, *, time: str, actor: str, act: str, ref: str
    ) -> int:
        version = self.keep_local(kind, key, value, None)
        self.append_audit(time, actor, act, ref)
        return version

    def audit(self, limit: int | None = None) -> list[AuditRow]:
        skipped = 0 if limit is None else max(len(self._audit) - max(limit, 0), 0)
        return self._audit[skipped:]

    # --- inside -------------------------------------------------------------------------------

    def _number(self, audience: Audience) -> int:
        if audience not in self._audiences:
            self._audiences.append(audience)
        return self._audiences.index(audience)

    def _logged(self) -> list[tuple[str, _Row]]:
        logged = [(row.index, id) for id, row in self._rows.items() if row.index is not None]
        return [(id, self._rows[id]) for _, id in sorted(logged)]

    def _kept(self, id: str, row: _Row) -> Kept:
        assert row.index is not None
        return Kept(
            id=id,
            index=row.index,
            raw=row.verified.raw,
            kind=row.statement.kind,
            author=row.statement.author,
            case=row.statement.case,
            seq=row.statement.seq,
            audience=self._audiences[row.audience],
            withdrawn=row.withdrawn,
        )

    def _check_place(self, new: Statement | Sealed) -> None:
        chain = {
            row.statement.seq: row.name
            for row in self._rows.values()
            if (row.statement.author, row.statement.chain) == (new.author, new.chain)
        }
        if new.seq in chain or chain.get(new.seq - 1, new.prev) != new.prev:
            last = max(chain)
            raise ChainError("the place is taken", remedy="go on", seq=last, head=chain[last])

    def _said_before(self, statement: Statement | Sealed, ref: ObjectRef) -> Keepable:
        for row in self._rows.values():
            for saying in row.says if row.statement.author == statement.author else ():
                if (saying.item.sha256, saying.item.id) == (ref.sha256, ref.id):
                    if saying.purged:
                        raise PurgedError(f"{ref.id} was purged", remedy="leave it out")
                    return saying.item
        raise StatementError(f"{ref.id} did not come", remedy="bring it")

    def _take_effect(self, id: str, row: _Row) -> None:
        statement = row.statement
        if statement.kind == "withdraw":
            for one, target in self._logged():
                if target.name in statement.refs:
                    self._take_back(one, target, statement)
            return
        if statement.kind == "say":
            self._cut_off(row)
        for _, other in self._logged():
            if other.statement.kind == "withdraw" and row.name in other.statement.refs:
                self._take_back(id, row, other.statement)

    def _take_back(self, id: str, row: _Row, withdrawal: Statement | Sealed) -> None:
        if row.statement.author != withdrawal.author or row.statement.kind == "withdraw":
            return
        part = {o.sha256 for o in withdrawal.objects}
        for saying in row.says:
            if not part or saying.item.sha256 in part:
                saying.taken_back = True
        lacks = any(a.sha256 not in part for a in row.absent)
        gone = bool(row.says) and all(s.taken_back for s in row.says) and not lacks
        row.withdrawn |= not part or gone
        for _, again in self._logged():
            if again.statement.kind == "say" and id in again.statement.refs:
                self._cut_off(again)

    def _cut_off(self, again: _Row) -> None:
        """What `again` says anew, and its author has taken back, is gone for the wider circle."""
        for ref in again.statement.refs:
            old = self._rows.get(ref)
            if old is None or old.statement.author != again.statement.author:
                continue
            for saying in old.says:
                said_again = any(_same(saying.item, new.item) for new in again.says)
                saying.cut_off |= saying.taken_back and said_again

    def _newest(
        self, allowed: frozenset[int], case: str | None = None
    ) -> dict[tuple[str, str], KeptObject]:
        """Of each object the newest version by whoever made the one that was logged first."""
        makers: dict[tuple[str, str], str] = {}
        for item, _, said in sorted(self._found(allowed, case), key=lambda f: (f[1], f[0].sha256)):
            makers.setdefault(self._object(item, said).cursor, maker_of(item.raw))
        found = reversed(self._versions(allowed, case))
        return {v.cursor: v for v in found if maker_of(v.raw) == makers[v.cursor]}

    def _versions(self, allowed: frozenset[int], case: str | None = None) -> list[KeptObject]:
        """Everything readable; of one id the newest first."""
        ordered = sorted(
            sorted(self._found(allowed, case), key=lambda f: f[0].sha256),
            key=lambda f: (version_key(f[0]), -f[1] if version_key(f[0]) else f[1]),
            reverse=True,
        )
        return [self._object(item, said) for item, _, said in ordered]

    def _object(self, item: Keepable, said: Iterable[tuple[str, bool]]) -> KeptObject:
        everywhere = [id for id, _ in said]
        live = [id for id, is_live in said if is_live]
        narrowed = {}
        for id in live or everywhere:
            row = self._rows[id]
            [own] = {self._audiences[x.audience] for x in row.says if _same(x.item, item)}
            if own != self._audiences[row.audience]:
                narrowed[id] = own
        return KeptObject(
            raw=item.raw,
            sha256=item.sha256,
            id=item.id,
            type=item.type,
            spec_version=item.spec_version,
            created=item.created,
            modified=item.modified,
            said_by=tuple(live or everywhere),
            withdrawn=not live,
            narrowed=narrowed,
        )

    def _found(
        self, allowed: frozenset[int], case: str | None
    ) -> list[tuple[Keepable, int, list[tuple[str, bool]]]]:
        """Everything readable: the object, where it was logged first, who says it."""
        found: dict[tuple[str, str], tuple[Keepable, int, list[tuple[str, bool]]]] = {}
        for id, row in self._logged():
            if case not in (None, row.statement.case):
                continue
            for saying in row.says:
                on_record = stays_on_record(saying.item) and not saying.cut_off
                if saying.purged:
                    continue
                if saying.audience in allowed and (not saying.taken_back or on_record):
                    assert row.index is not None
                    place = (saying.item.sha256, saying.item.id)
                    entry = found.setdefault(place, (saying.item, row.index, []))
                    entry[2].append((id, not saying.taken_back))
        return list(found.values())


def _place(statement: Statement | Sealed) -> tuple[str, str, int]:
    return statement.author, statement.chain, statement.seq


def _is_version(row: _Entered, seen: Sequence[_Entered], versions: Sequence[str]) -> bool:
    if "all" in versions or _age(row) in versions:
        return True
    same = [r for r in seen if r.item.id == row.item.id]
    maker = maker_of(min(same, key=lambda r: r.added).item.raw)
    own = [r for r in same if maker_of(r.item.raw) == maker]
    first = min(own, key=lambda r: (_age(r), r.added))
    last = max(own, key=lambda r: (_age(r), -r.added))
    return ("first" in versions and row is first) or ("last" in versions and row is last)


def _age(row: _Entered) -> str:
    if version_key(row.item):
        return version_key(row.item)
    at = Attachment(raw=b"", sha256="", id="", type="", created=instant_text(row.added))
    return version_key(at)


def _same(a: Keepable, b: Keepable) -> bool:
    return (a.sha256, a.id) == (b.sha256, b.id)


def _is_attachment(id: str) -> bool:
    return id.startswith("urn:sha256:")


def _limit(limit: int | None) -> int | None:
    return None if limit is None else max(limit, 0)


# --- things to keep ---------------------------------------------------------------------------

ORIGIN = "cert.northland.example/log"
EVERYBODY = "everybody"


class Author:
    """A party that signs: each call is its next statement in that case's chain."""

    def __init__(self, party: str) -> None:
        self.party = party
        self.signer = Signer.from_seed(hashlib.sha256(party.encode()).digest(), party)
        self._chains: dict[str, tuple[int, str]] = {}
        self._salts = 0

    def say(
        self,
        *objects: Keepable,
        kind: str = "say",
        case: str | None = None,
        tlp: str = "GREEN",
        to: Sequence[str] = (),
        refs: Sequence[str] = (),
        body: Mapping[str, Any] | None = None,
    ) -> Verified:
        """A signed statement, the next of its chain."""
        chain = chain_of(kind, case)
        seq, prev = self._chains.get(chain, (0, ""))
        self._salts += 1
        payload = compose(
            author=self.party,
            key=self.signer.keyid,
            kind=kind,
            seq=seq + 1,
            prev=prev,
            time="2026-11-22T08:30:00Z",
            salt=f"{self._salts:032x}",
            tlp=tlp,
            body=body or {},
            case=case,
            objects=[ObjectRef(id=o.id, sha256=o.sha256, type=o.type) for o in objects],
            refs=refs,
            to=to,
        )
        raw = sign(payload, [self.signer])
        id = statement_id(raw)
        self._chains[chain] = (seq + 1, id)
        return Verified(id=id, raw=raw, statement=parse(payload))

    def seals(self, *to: str, case: str | None = None) -> VerifiedSeal:
        """Its next statement in that chain, sealed for these, as `admit_sealed` gives it."""
        said = self.say(case=case, tlp="AMBER", to=sorted(to))
        readers = {
            party: HpkeKey(hashlib.sha256(party.encode()).digest()).public
            for party in sorted({self.party, *to})
        }
        raw = seal(said.raw, {}, readers, self.signer, bytes)
        return VerifiedSeal(raw=raw, statement=open_sealed(raw)[1])

    def goes_on(self, last: Chain | None, chain: str = "") -> None:
        """Go on behind this statement, as after a restart."""
        self._chains[chain] = (last.seq, last.head) if last else (0, "")

    def withdraw(self, said: Verified | VerifiedSeal, *part: Keepable, **more: Any) -> Verified:
        """Take back a statement, or part of it."""
        return self.say(*part, kind="withdraw", refs=[said.inside or said.id], **more)


def thing(
    type: str, n: int, *, modified: str | None = "2026-11-22T08:00:00.000Z", **properties: Any
) -> Attachment:
    """A STIX object as a store takes it. The same `n` is the same id."""
    data: dict[str, Any] = {"type": type, "spec_version": "2.1"}
    data["id"] = id = f"{type}--00000000-0000-4000-8000-{n:012d}"
    if modified is not None:
        data |= {"created": "2026-11-22T08:00:00.000Z", "modified": modified}
    raw = orjson.dumps(data | properties)
    return Attachment(
        raw=raw,
        sha256=hashlib.sha256(raw).hexdigest(),
        id=id,
        type=type,
        spec_version="2.1",
        created=data.get("created"),
        modified=modified,
    )


def claim(n: int, *, type: str = "note", **properties: Any) -> Attachment:
    """A thing with the claim carrier's extension, which stays on record when withdrawn."""
    extensions = {EXTENSION_ID: {"extension_type": "property-extension", "claim": "x"}}
    return thing(type, n, extensions=extensions, **properties)


def checkpoint(origin: str, size: int, root: bytes) -> bytes:
    """A note whose signatures are none: a store reads its first three lines."""
    return f"{origin}\n{size}\n{canonical.b64encode(root)}\n\n— nobody AAAA\n".encode()


def root_of(entries: Sequence[bytes]) -> bytes:
    """Stands for a tree's root: another for other entries."""
    return hashlib.sha256(b"".join(entries)).digest()


def enter(store: Log, *batch: str, origin: str = ORIGIN) -> None:
    """Append these pending statements, as the sequencer would."""
    head = store.head()
    size = head.size if head else 0
    entries = [*store.entries(0, size), *(bytes.fromhex(id) for id in batch)]
    root = root_of(entries)
    store.append(batch, [root], checkpoint(origin, len(entries), root), head)


def publish(
    store: Log,
    verified: V,
    *objects: Keepable,
    narrowed: Mapping[str, Audience] = NO_AUDIENCES,
) -> V:
    """Keep and enter at once."""
    store.keep_pending(verified, objects, verified.audience, narrowed)
    enter(store, verified.id)
    return verified


def seen_by(store: Reads, party: str | None, **more: Any) -> frozenset[int]:
    """What this party may read; EVERYBODY stands for the node itself, which holds it all."""
    if party == EVERYBODY:
        return frozenset(store.audiences())
    return allowed(Reader(party=party, **more), store.audiences())
