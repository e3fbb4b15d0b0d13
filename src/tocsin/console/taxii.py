"""The TAXII server's desk on this node: whose credential it is, and what the flow then gives.

A password costs a tenth of a second to check, so one that was right is remembered for a few
minutes, by a keyed hash and only in memory; whether the account still stands is looked up at every
request. What was wrong is never remembered, and counted.

Who a credential stands for and what they may open is worked out once for one state of this node:
the store's generation, which any change of it by anybody ends, and its directory. Nothing of it
outlives that state (`_Seats`).

Spec: exchange.md §2 "Auth".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from starlette.routing import BaseRoute

from tocsin.console import auth, problems
from tocsin.console.auth import Doors, Rates
from tocsin.errors import CredentialError, RateError, TocsinError
from tocsin.flows import taxii, taxii_users
from tocsin.flows.node import Node
from tocsin.flows.shares import Share
from tocsin.flows.taxii import Opened, Who
from tocsin.flows.taxii_users import User
from tocsin.policy import ANONYMOUS, may_act
from tocsin.record.directory import Directory
from tocsin.store.interface import Page
from tocsin.taxii import server, wire
from tocsin.taxii.wire import Ask, Collection, Status

REMEMBER = 300.0
"""Seconds for which a password that was right need not be hashed again."""
REMEMBERED = 10_000
FAILURES = 10
"""Wrong credentials a minute, of one user and from one address."""
HASHING = 2
"""Passwords hashed at a time: each takes 32 MiB."""
SEATED = 10_000
"""Credentials known at a time."""
AGAIN = timedelta(minutes=1)
"""After this a credential is looked up again: its last use is noted, its end comes."""


def routes(
    node: Node,
    rates: Rates,
    *,
    anonymous: bool = False,
    share: Share = Share(),  # noqa: B008  # frozen
    secure: bool = False,
) -> list[BaseRoute]:
    """The TAXII server of one node, for `app.build(extra=…)`.

    Args:
        anonymous: whoever shows no credential may read what is CLEAR.
        share: what an account may put in within a day.
        secure: a TLS proxy stands in front.
    """
    doors = Doors(node.store, clock=node.clock, rng=node.rng)
    desk = Desk(node, doors, rates, anonymous=anonymous, share=share)
    return server.routes(desk, secure=secure)


class Desk:
    """`taxii.server.Desk` for one node. Its own state is what it remembers of credentials."""

    def __init__(
        self,
        node: Node,
        doors: Doors,
        rates: Rates,
        *,
        anonymous: bool = False,
        share: Share = Share(),  # noqa: B008  # frozen
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._doors = doors
        self._rates = rates
        self._anonymous = anonymous
        self._share = share
        key = node.rng(32)
        self._known = _Known(key, monotonic)
        self._seats = _Seats(node, key)
        self._title: tuple[Directory | None, str] = None, ""
        self._failures = _Failures(monotonic)
        self._hashing = threading.BoundedSemaphore(HASHING)
        self.secret = taxii.secret(node)

    @property
    def title(self) -> str:
        """The party's name, as the directory has it."""
        directory = self._node.directory
        if self._title[0] is not directory:
            self._title = directory, self._node.party_entry(self._node.party).name
        return self._title[1]

    def status_of(self, error: TocsinError) -> int:
        """By the console's one table."""
        return problems.status_of(error)

    # --- credentials --------------------------------------------------------------------------

    def known(self, authorization: str | None, address: str) -> _Seat | None:
        """Whose credential this is, where it was looked up in this state of the node."""
        if authorization is None:
            return self.who(authorization, address)
        seat = self._seats.find(authorization)
        if seat is not None:
            self._hold_up(seat.who)
        return seat

    def who(self, authorization: str | None, address: str) -> _Seat:
        """Whose credential this is. Raises CredentialError, RateError."""
        if authorization is None:
            if not self._anonymous:
                raise _unknown()
            seat = _Seat(who=Who(name=f"- {address}", reader=ANONYMOUS))
        else:
            keep = self._seats.keeper()  # taken before anything is read
            seat = self._of(authorization, address)
            keep(authorization, seat)
        self._hold_up(seat.who)
        return seat

    def _hold_up(self, who: Who) -> None:
        """Raises RateError."""
        seconds = self._rates.wait(who.name, "taxii")
        if seconds:
            raise auth.too_often("taxii", seconds)

    def _of(self, authorization: str, address: str) -> _Seat:
        until = self._node.clock() + AGAIN
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() in ("bearer", "token"):  # taxii2client's own word, OpenCTI's with it
            found, ends = self._bearer(value.strip())
            until = min(until, ends or until)
            key = "t " + value.strip()[:19]
        else:
            user, password = _basic(value) if scheme.lower() == "basic" else ("", "")
            key = f"u {user}"
            row = taxii_users.find(self._node, user)
            left = self._known.left(user, password, row[1]) if row is not None else 0.0
            if row is not None and left > 0:
                until = min(until, self._node.clock() + timedelta(seconds=left))
                return _Seat(who=self._who(row[0]), until=until)
            self._failures.check(key, address)
            found = self._checked(row, user, password)
        if found is None:
            self._failures.check(key, address)
            self._failures.note(key, address)
            raise _unknown()
        return _Seat(who=found, until=until)

    def _checked(self, row: tuple[User, int] | None, name: str, password: str) -> Who | None:
        """The account, if this is its password. As long for a name there is not as for one."""
        kept, version = row or (User(name="", party="", salt=bytes(16)), -1)
        with self._hashing:
            made = taxii_users.hashed(password[:1_024], kept.salt)
        if not kept.password or not hmac.compare_digest(made, kept.password):
            return None
        self._known.keep(name, password, version)
        return self._who(kept)

    def _who(self, user: User) -> Who:
        reader = self._node.reader(user.party, person=user.name, role="reader")
        return Who(
            name=user.name,
            reader=reader,
            writes=user.write and reader.party is not None,
            bound=frozenset(user.collections) or None,
            tlp=user.tlp,
            to=user.to,
        )

    def _bearer(self, text: str) -> tuple[Who | None, datetime | None]:
        """Whose token this is, and when that ends."""
        token = self._doors.token(text)
        if token is None:
            return None, None
        if token.label == taxii_users.LABEL:
            row = taxii_users.find(self._node, token.person.name)
            return (self._who(row[0]) if row is not None else None), token.until
        signed = auth.Signed(
            person=token.person, by="token", key=token.id, scopes=frozenset(token.scopes)
        )
        actor = auth.actor(signed, self._node.reader)
        reads, writes = may_act(actor, "taxii:read"), may_act(actor, "taxii:write")
        if not reads and not writes:
            return None, None
        who = Who(name=f"token {token.id}", reader=actor.reader, reads=reads, writes=writes)
        return who, token.until

    # --- what the flow gives ------------------------------------------------------------------

    def listing(self, who: _Seat, *, wait: bool) -> bytes | None:
        """What this reader may open."""
        if who.listing is None and wait:
            found = [one.shown() for one in taxii.collections(self._node, who.who)]
            who.listing = wire.collections(found)
        return who.listing

    def collection(self, who: _Seat, name: str) -> Collection:
        """One of them."""
        found = taxii.collection(self._node, who.who, name)
        if len(who.opened) < OPENED:
            allowed = taxii.allowed(self._node, who.who, found)
            who.opened[name] = _Open(collection=found, allowed=allowed)
        return found

    def opened(self, who: _Seat, name: str) -> Collection | None:
        """One of them that was opened in this state of the node."""
        found = who.opened.get(name)
        return found.collection if found is not None else None

    def page(self, who: _Seat, collection: Collection, ask: Ask) -> Page:
        """Its next objects."""
        return taxii.page(self._node, who.who, _opened(collection), ask)

    def glance(self, who: _Seat, collection: Collection, ask: Ask) -> Page | None:
        """One object of a collection that `opened` gave."""
        for found in who.opened.values():
            if found.collection is collection:
                return taxii.glance(self._node, found.collection, found.allowed, ask)
        return None

    def add(self, who: _Seat, collection: Collection, body: bytes) -> Status:
        """Objects put in; noted in the local audit."""
        return taxii.add(self._node, who.who, body, self._share)

    def delete(self, who: _Seat, collection: Collection, id: str, versions: Sequence[str]) -> None:
        """An object taken back; noted in the local audit."""
        taxii.delete(self._node, who.who, _opened(collection), id, versions)
        self._note(who.who, "taxii-delete", id)

    def status(self, who: _Seat, id: str) -> Status:
        """What became of an `add`."""
        return taxii.status(self._node, who.who, id)

    def _note(self, who: Who, act: str, ref: str) -> None:
        self._node.store.append_audit(
            self._node.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            who.name,
            act,
            ref[:200],
        )


OPENED = 100
"""Collections remembered of one credential."""


class _Open(Struct, frozen=True, kw_only=True):
    collection: Opened
    allowed: frozenset[int]


class _Seat(Struct, kw_only=True):
    """Somebody whose credential holds, and what has been worked out for them in this state."""

    who: Who
    until: datetime | None = None
    """Looked up again by then."""
    listing: bytes | None = None
    opened: dict[str, _Open] = {}
    """By the name that was asked for."""


class _Seats:
    """Credentials of one state of the node, by a keyed hash and in memory. Any thread may ask.

    A state is the store's generation and the directory. Whatever changes an account, a token, an
    audience, a case or who is listed changes one of them, also where another process does it: then
    everything here is forgotten. What was read is put here only if the state is still that of
    before the first read.
    """

    def __init__(self, node: Node, key: bytes) -> None:
        self._node = node
        self._key = key
        self._state: tuple[int, Directory] | None = None
        self._seats: dict[bytes, _Seat] = {}
        self._lock = threading.Lock()  # of these two

    def find(self, authorization: str) -> _Seat | None:
        """Whose this is, if that was looked up in the state there is now."""
        now = self._now()
        with self._lock:
            if now is None or now != self._state:
                return None
            seat = self._seats.get(self._mac(authorization))
        if seat is None or seat.until is None or self._node.clock() >= seat.until:
            return None
        return seat

    def keeper(self) -> Callable[[str, _Seat], None]:
        """Keeps what is read from now on, unless the state changes meanwhile."""
        before = self._now()

        def keep(authorization: str, seat: _Seat) -> None:
            if before is None or before != self._now():
                return
            with self._lock:
                if self._state != before or len(self._seats) >= SEATED:
                    self._state, self._seats = before, {}
                self._seats[self._mac(authorization)] = seat

        return keep

    def _now(self) -> tuple[int, Directory] | None:
        generation = self._node.store.generation()
        return None if generation is None else (generation, self._node.directory)

    def _mac(self, authorization: str) -> bytes:
        # With a key of its own (RFC 7693 §2.5): of every request, and a tenth of an HMAC.
        return hashlib.blake2b(authorization.encode(), key=self._key, digest_size=32).digest()


def _opened(collection: Collection) -> Opened:
    assert isinstance(collection, Opened)  # what `collection` gave comes back
    return collection


def _unknown() -> CredentialError:
    return CredentialError(
        "no credential that holds came with this request",
        remedy="send a user and password (Basic) or a token (Bearer): tocsin taxii user add",
    )


def _basic(value: str) -> tuple[str, str]:
    """User and password; two empty ones of anything else (RFC 7617)."""
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    user, _, password = text.partition(":")
    return user, password


class _Known:
    """Passwords that were right, by a keyed hash. Guarded by its own lock."""

    def __init__(self, key: bytes, monotonic: Callable[[], float]) -> None:
        self._key = key
        self._now = monotonic
        self._lock = threading.Lock()
        self._until: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def left(self, user: str, password: str, version: int) -> float:
        """For how many seconds this still counts as right; 0: it does not, or is another now."""
        with self._lock:
            until, kept = self._until.get(self._mac(user, password), (0.0, -1))
        return max(0.0, until - self._now()) if version >= 0 and kept == version else 0.0

    def keep(self, user: str, password: str, version: int) -> None:
        with self._lock:
            self._until[self._mac(user, password)] = (self._now() + REMEMBER, version)
            while len(self._until) > REMEMBERED:
                self._until.popitem(last=False)

    def _mac(self, user: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{user}\0{password}".encode(), hashlib.sha256)


class _Failures:
    """Wrong credentials of the last minute, by user and by address. Guarded by its own lock."""

    def __init__(self, monotonic: Callable[[], float], *, keep: int = 10_000) -> None:
        self._now = monotonic
        self._keep = keep
        self._lock = threading.Lock()
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, user: str, address: str) -> None:
        """Return if this user and this address may try. Raises RateError."""
        now = self._now()
        with self._lock:
            for key in self._keys(user, address):
                times = self._times.get(key)
                if times is None:
                    continue
                while times and now - times[0] >= 60:
                    times.popleft()
                if len(times) >= FAILURES:
                    seconds = max(1, int(60 - (now - times[0])) + 1)
                    raise RateError(
                        f"more than {FAILURES} wrong credentials within a minute",
                        remedy=f"wait {seconds} s, then send the right one",
                        seconds=seconds,
                    )

    def note(self, user: str, address: str) -> None:
        """One more that was wrong."""
        with self._lock:
            for key in self._keys(user, address):
                times = self._times.setdefault(key, deque(maxlen=FAILURES))
                times.append(self._now())
                self._times.move_to_end(key)
            while len(self._times) > self._keep:
                self._times.popitem(last=False)

    @staticmethod
    def _keys(user: str, address: str) -> Iterable[str]:
        return (user[:80], f"@ {address}") if user else (f"@ {address}",)
