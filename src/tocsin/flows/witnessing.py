"""What a node keeps of witnessing, its own and others', and how pages are shown it."""

from __future__ import annotations

from contextlib import suppress
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from tocsin.errors import ConflictError
from tocsin.record.witness import Held
from tocsin.store.interface import Local

AlarmKind = Literal["fork", "unexplained", "behind", "rollback", "directory", "split", "opening"]

T = TypeVar("T", bound=Struct)


class Alarm(Struct, frozen=True, kw_only=True):
    """Something is wrong with a log, and a person has to look."""

    key: str
    kind: AlarmKind
    """`fork`: proven. `unexplained`: contradicts, without proof. `behind`: a log shows less than it
    has signed. `rollback`: others hold more of our own log than we do. `directory`: registrars have
    signed two versions of one number. `split`: an author has signed two statements for one place.
    `opening`: two parties say that they opened one case."""
    origin: str
    """The log it is about; "" where it is about none."""
    detail: str
    remedy: str
    since: str
    """RFC 3339, UTC."""
    statement: str | None = None
    """Of our log: the one that holds the proof, or that names what contradicts."""


class WitnessRow(Struct, frozen=True, kw_only=True):
    """One witness of this node's log."""

    name: str
    """As in the policy."""
    key: str
    """The name under which it signs."""
    url: str
    size: int | None
    """Of our log, as it last said; None: it has not said."""
    lag: int | None
    """Entries of our log that it has not cosigned; below 0, it has cosigned more than we hold."""
    time: str | None
    """Of its newest cosignature, by its own clock."""
    error: str | None
    """Why it last did not answer as it should; None where it did."""


class WitnessedLog(Struct, frozen=True, kw_only=True):
    """A log that this node witnesses."""

    origin: str
    size: int
    """That we cosigned last; 0: none yet."""
    time: str | None
    stopped: bool
    """We cosign it no more: a fork of it is proven."""


class PeerRow(Struct, frozen=True, kw_only=True):
    """Another node, as the last round of gossip found it."""

    party: str
    url: str
    time: str | None
    """When it last answered all that was asked."""
    error: str | None


class ForkRow(Struct, frozen=True, kw_only=True):
    """A proven fork."""

    origin: str
    sizes: tuple[int, int]
    since: str
    statement: str | None
    """The statement of our log that holds the proof; None: it could not be said yet, or the log is
    our own."""


class Witnessing(Struct, frozen=True, kw_only=True):
    """Who witnesses this log, and which logs this node witnesses."""

    quorum: str
    """Of our policy: the name of a witness or group, or `none`."""
    policy_error: str | None
    """Why the policy file on disk was not taken over; the one before it is in force."""
    witnesses: tuple[WitnessRow, ...]
    logs: tuple[WitnessedLog, ...]
    peers: tuple[PeerRow, ...]
    forks: tuple[ForkRow, ...]


class Rows(Generic[T]):
    """The local rows of one kind, as structs."""

    def __init__(self, store: Local, kind: str, type: type[T]) -> None:
        self._store = store
        self._kind = kind
        self._type = type

    def get(self, key: str) -> T | None:
        """One row's value."""
        row = self._store.local(self._kind, key)
        return msgspec.msgpack.decode(row.value, type=self._type) if row is not None else None

    def items(self, prefix: str = "") -> list[tuple[str, T]]:
        """(key, value) by key."""
        return [
            (row.key, msgspec.msgpack.decode(row.value, type=self._type))
            for row in self._store.list_local(self._kind, prefix)
        ]

    def put(self, key: str, value: T) -> None:
        """Write, whatever was there. Two threads that write at once: one of both stays."""
        data = msgspec.msgpack.encode(value)
        for _ in range(3):
            row = self._store.local(self._kind, key)
            with suppress(ConflictError):
                self._store.keep_local(self._kind, key, data, row.version if row else None)
                return

    def drop(self, key: str) -> None:
        """Remove, if it is there."""
        row = self._store.local(self._kind, key)
        if row is not None:
            with suppress(ConflictError):  # somebody else has dropped or renewed it
                self._store.keep_local(self._kind, key, None, row.version)


class LocalWitnessState:
    """What our witness has cosigned, as rows of this node's own: durable, compare-and-set.

    `record.witness.WitnessState` is the port.
    """

    KIND = "witness"

    def __init__(self, store: Local) -> None:
        self._store = store

    def read(self, origin: str) -> Held | None:
        """The newest note we cosigned of this log."""
        row = self._store.local(self.KIND, origin)
        return msgspec.msgpack.decode(row.value, type=Held) if row is not None else None

    def origins(self) -> list[str]:
        """Every log we ever cosigned, those that have left the directory too."""
        return [row.key for row in self._store.list_local(self.KIND)]

    def advance(self, new: Held, expected: Held | None) -> None:
        """Replace `expected` by `new`, durably. Raises ConflictError if it is no longer there."""
        row = self._store.local(self.KIND, new.origin)
        now = msgspec.msgpack.decode(row.value, type=Held) if row is not None else None
        if now != expected:
            raise ConflictError(
                f"{new.origin} has been cosigned at size {now.size if now else 0} meanwhile",
                remedy="send the checkpoint again",
            )
        value = msgspec.msgpack.encode(new)
        self._store.keep_local(self.KIND, new.origin, value, row.version if row else None)
