"""The exchange of the in-memory store: `tocsin.store.federation` in plain dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from tocsin.errors import ChainError
from tocsin.store.federation import (
    MAX_QUARANTINED,
    MAX_QUARANTINED_BYTES,
    Absent,
    Given,
    HeldBack,
    Outgoing,
    Quarantined,
)


@dataclass
class _Peer:
    looked_at: set[tuple[str, int]] = field(default_factory=set)
    """(statement, its audience) that are in the outbox already."""
    rows: list[str] = field(default_factory=list)
    at: dict[str, str] = field(default_factory=dict)
    came: set[str] = field(default_factory=set)
    quarantine: dict[str, Quarantined] = field(default_factory=dict)


class MemoryFederation:
    """`Federation`, for `MemoryStore`."""

    _rows: dict[str, Any]

    def __init__(self) -> None:
        self._peers: dict[str, _Peer] = {}
        self._bound: dict[tuple[str, str, int], str] = {}
        self._named: dict[tuple[str, str, int], dict[str, str]] = {}

    def _logged(self) -> list[tuple[str, Any]]:
        raise NotImplementedError

    def _peer(self, peer: str) -> _Peer:
        return self._peers.setdefault(peer, _Peer())

    # --- outboxes ---------------------------------------------------------------------------

    def fill(self, peer: str, allowed: frozenset[int], limit: int = 1_000) -> bool:
        box = self._peer(peer)
        new = [
            id
            for id, row in self._logged()
            if id not in box.rows and (row.audience in allowed or self._unsays(box, row))
        ]
        for id in new[:limit]:
            box.rows += [one for one in [id, *self._unsaying(id)] if one not in box.rows]
        return len(new) > limit

    def _unsays(self, box: _Peer, row: Any) -> bool:
        s = row.statement
        return s.kind == "withdraw" and any(
            self._rows[one].name in s.refs and self._rows[one].statement.author == s.author
            for one in box.rows
        )

    def _unsaying(self, id: str) -> Iterator[str]:
        target = self._rows[id]
        for one, row in self._logged():
            s = row.statement
            same = s.author == target.statement.author
            if s.kind == "withdraw" and target.name in s.refs and same:
                yield one

    def outbox(
        self, peer: str, after: int = 0, limit: int = 1_000, *, kind: str | None = None
    ) -> list[Outgoing]:
        box = self._peers.get(peer, _Peer())
        found = [self._outgoing(box, n) for n in range(after + 1, len(box.rows) + 1)]
        return [row for row in found if kind in (None, row.kind)][:limit]

    def _outgoing(self, box: _Peer, n: int) -> Outgoing:
        id = box.rows[n - 1]
        s = self._rows[id].statement
        before = [
            self._rows[one].statement.seq
            for one in box.rows
            if not self._rows[one].purged
            and (self._rows[one].statement.author, self._rows[one].statement.chain)
            == (s.author, s.chain)
        ]
        return Outgoing(
            n=n,
            id=id,
            kind=s.kind,
            author=s.author,
            chain=s.chain,
            seq=s.seq,
            behind=max((seq for seq in before if seq < s.seq), default=0),
            came=id in box.came,
            present=not self._rows[id].purged,
        )

    def outbox_end(self, peer: str) -> tuple[int, str]:
        rows = self._peers.get(peer, _Peer()).rows
        return (len(rows), rows[-1]) if rows else (0, "")

    def outbox_lag(self, peer: str) -> int:
        box = self._peers.get(peer, _Peer())
        return sum(id not in box.at and id not in box.came for id in box.rows)

    def wanted(self, peer: str, prefixes: Sequence[bytes]) -> list[Outgoing]:
        return [
            row
            for row in self.outbox(peer, 0, 1 << 30)
            if any(bytes.fromhex(row.id).startswith(prefix) for prefix in prefixes)
        ]

    def receipt(self, peer: str, n: int, time: str) -> None:
        box = self._peer(peer)
        for id in box.rows[:n]:
            box.at.setdefault(id, time)

    def given(self, statement: str) -> list[Given]:
        return [
            Given(
                peer=peer,
                n=box.rows.index(statement) + 1,
                at=box.at.get(statement, ""),
                came=statement in box.came,
            )
            for peer, box in sorted(self._peers.items())
            if statement in box.rows
        ]

    def exchanged(self, peer: str, *, theirs: bool) -> list[bytes]:
        box = self._peers.get(peer, _Peer())
        if not theirs:
            return [bytes.fromhex(id) for id in box.rows]
        has = {id for id in box.rows if id in box.at} | box.came
        return sorted(bytes.fromhex(id) for id in has)

    # --- what came ----------------------------------------------------------------------------

    def came(self, peer: str, statements: Sequence[str]) -> None:
        self._peer(peer).came.update(id for id in statements if id in self._rows)

    def absent(self, statement: str) -> list[Absent]:
        row = self._rows.get(statement)
        return sorted(row.absent, key=lambda a: (a.id, a.sha256)) if row else []

    def places(self, author: str, chain: str, first: int, last: int) -> dict[int, str]:
        found = {
            seq: id
            for (a, c, seq), id in self._bound.items()
            if (a, c) == (author, chain) and first <= seq <= last
        }
        for row in self._rows.values():
            s = row.statement
            if (s.author, s.chain) == (author, chain) and first <= s.seq <= last:
                found[s.seq] = row.name
        return found

    def withhold(self, peer: str, author: str, chain: str, named: Mapping[int, str]) -> None:
        held = self.places(author, chain, 1, 1 << 53)
        for seq, id in named.items():
            if peer:
                self._named.setdefault((author, chain, seq), {})[peer] = id
            elif seq not in held:
                self._bound[author, chain, seq] = id

    def named(self, author: str, chain: str, first: int, last: int) -> dict[int, dict[str, str]]:
        return {
            seq: dict(said)
            for (a, c, seq), said in self._named.items()
            if (a, c) == (author, chain) and first <= seq <= last
        }

    def _check_bound(self, id: str, s: Any) -> None:
        """As `keep_pending`: what a place is bound to stands there; and binds the one before."""
        here = self.places(s.author, s.chain, s.seq - 1, s.seq)
        if here.get(s.seq, id) != id or (s.seq > 1 and here.get(s.seq - 1, s.prev) != s.prev):
            raise ChainError("bound to another", remedy="-", seq=s.seq - 1, head=s.prev)

    def _bind(self, s: Any) -> None:
        if s.seq > 1:
            self.withhold("", s.author, s.chain, {s.seq - 1: s.prev})

    def quarantine(self, one: Quarantined) -> bool:
        kept = self._peer(one.peer).quarantine
        others = [len(q.item) for id, q in kept.items() if id != one.id]
        if len(others) >= MAX_QUARANTINED or sum(others) + len(one.item) > MAX_QUARANTINED_BYTES:
            return False
        since = kept[one.id].since if one.id in kept else one.since
        kept[one.id] = replace(one, since=since, waits=tuple(sorted(set(one.waits))))
        return True

    def held_back(
        self, peer: str | None = None, *, waiting: Sequence[str] | None = None
    ) -> list[HeldBack]:
        names = HeldBack.__struct_fields__
        return [
            HeldBack(**{name: getattr(q, name) for name in names})
            for q in self.quarantined(peer, waiting=waiting)
        ]

    def held_back_counts(self) -> dict[str, int]:
        return {name: len(box.quarantine) for name, box in self._peers.items() if box.quarantine}

    def quarantined(
        self,
        peer: str | None = None,
        *,
        waiting: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[Quarantined]:
        found = [
            q
            for name, box in self._peers.items()
            if peer in (None, name)
            for q in box.quarantine.values()
            if waiting is None or not set(waiting).isdisjoint(q.waits)
            if ids is None or q.id in ids
        ]
        return sorted(found, key=lambda q: (q.since, q.author, q.chain, q.seq, q.id, q.peer))

    def expire(self, before: str) -> list[str]:
        gone = [q for q in self.quarantined() if q.since < before]
        for one in gone:
            self.release(one.peer, [one.id])
        return sorted({one.peer for one in gone})

    def release(self, peer: str, ids: Sequence[str]) -> None:
        for id in ids:
            self._peer(peer).quarantine.pop(id, None)
