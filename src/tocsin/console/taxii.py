"""The TAXII server's desk on this node: whose credential it is, and what the flow then gives.

A password costs a tenth of a second to check, so one that was right is remembered for a few
minutes, by a keyed hash and only in memory; whether the account still stands is looked up at every
request. What was wrong is never remembered, and counted.

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

from starlette.routing import BaseRoute

from tocsin.console import auth, problems
from tocsin.console.auth import Doors, Rates
from tocsin.errors import CredentialError, RateError, TocsinError
from tocsin.flows import taxii, taxii_users
from tocsin.flows.node import Node
from tocsin.flows.taxii import Opened, Who
from tocsin.flows.taxii_users import User
from tocsin.policy import ANONYMOUS, may_act
from tocsin.store.interface import Page
from tocsin.taxii import server
from tocsin.taxii.wire import Ask, Collection, Status

REMEMBER = 300.0
"""Seconds for which a password that was right need not be hashed again."""
REMEMBERED = 10_000
FAILURES = 10
"""Wrong credentials a minute, of one user and from one address."""
HASHING = 2
"""Passwords hashed at a time: each takes 32 MiB."""


def routes(
    node: Node, rates: Rates, *, anonymous: bool = False, secure: bool = False
) -> list[BaseRoute]:
    """The TAXII server of one node, for `app.build(extra=…)`.

    Args:
        anonymous: whoever shows no credential may read what is CLEAR.
        secure: a TLS proxy stands in front.
    """
    doors = Doors(node.store, clock=node.clock, rng=node.rng)
    desk = Desk(node, doors, rates, anonymous=anonymous)
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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._doors = doors
        self._rates = rates
        self._anonymous = anonymous
        self._known = _Known(node.rng(32), monotonic)
        self._failures = _Failures(monotonic)
        self._hashing = threading.BoundedSemaphore(HASHING)
        self.secret = taxii.secret(node)

    @property
    def title(self) -> str:
        """The party's name, as the directory has it."""
        return self._node.party_entry(self._node.party).name

    def status_of(self, error: TocsinError) -> int:
        """By the console's one table."""
        return problems.status_of(error)

    # --- credentials --------------------------------------------------------------------------

    def who(self, authorization: str | None, address: str) -> Who:
        """Whose credential this is. Raises CredentialError, RateError."""
        if authorization is None:
            if not self._anonymous:
                raise _unknown()
            who = Who(name=f"- {address}", reader=ANONYMOUS)
        else:
            who = self._of(authorization, address)
        seconds = self._rates.wait(who.name, "taxii")
        if seconds:
            raise auth.too_often("taxii", seconds)
        return who

    def _of(self, authorization: str, address: str) -> Who:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            found = self._bearer(value.strip())
            key = "t " + value.strip()[:19]
        else:
            user, password = _basic(value) if scheme.lower() == "basic" else ("", "")
            key = f"u {user}"
            row = taxii_users.find(self._node, user)
            if row is not None and self._known.holds(user, password, row[1]):
                return self._who(row[0])
            self._failures.check(key, address)
            found = self._checked(row, user, password)
        if found is None:
            self._failures.check(key, address)
            self._failures.note(key, address)
            raise _unknown()
        return found

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

    def _bearer(self, text: str) -> Who | None:
        token = self._doors.token(text)
        if token is None:
            return None
        if token.label == taxii_users.LABEL:
            row = taxii_users.find(self._node, token.person.name)
            return self._who(row[0]) if row is not None else None
        signed = auth.Signed(
            person=token.person, by="token", key=token.id, scopes=frozenset(token.scopes)
        )
        actor = auth.actor(signed, self._node.reader)
        reads, writes = may_act(actor, "taxii:read"), may_act(actor, "taxii:write")
        if not reads and not writes:
            return None
        return Who(name=f"token {token.id}", reader=actor.reader, reads=reads, writes=writes)

    # --- what the flow gives ------------------------------------------------------------------

    def collections(self, who: Who) -> Sequence[Collection]:
        """What this reader may open."""
        return [one.shown() for one in taxii.collections(self._node, who)]

    def collection(self, who: Who, name: str) -> Collection:
        """One of them."""
        return taxii.collection(self._node, who, name)

    def page(self, who: Who, collection: Collection, ask: Ask) -> Page:
        """Its next objects."""
        return taxii.page(self._node, who, _opened(collection), ask)

    def add(self, who: Who, collection: Collection, body: bytes) -> Status:
        """Objects put in; noted in the local audit."""
        status = taxii.add(self._node, who, body)
        self._note(who, "taxii-add", status.id)
        return status

    def delete(self, who: Who, collection: Collection, id: str, versions: Sequence[str]) -> None:
        """An object taken back; noted in the local audit."""
        taxii.delete(self._node, who, _opened(collection), id, versions)
        self._note(who, "taxii-delete", id)

    def status(self, who: Who, id: str) -> Status:
        """What became of an `add`."""
        return taxii.status(self._node, who, id)

    def _note(self, who: Who, act: str, ref: str) -> None:
        self._node.store.append_audit(
            self._node.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            who.name,
            act,
            ref[:200],
        )


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

    def holds(self, user: str, password: str, version: int) -> bool:
        """Whether this was right a moment ago, and the account is still the same."""
        with self._lock:
            until, kept = self._until.get(self._mac(user, password), (0.0, -1))
        return self._now() < until and version >= 0 and kept == version

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
