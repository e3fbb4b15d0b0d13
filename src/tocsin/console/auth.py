"""Who is at the door: sign-in links, sessions, API tokens, and how often each may knock.

Secrets are kept hashed, as local rows of the store; every change is compare-and-set, so that a
link is spent once however many try. What somebody may do is asked of `policy.py`, never here.

Spec: console.md §5.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import msgspec
from msgspec import Struct

from tocsin.errors import ConflictError, ForbiddenError, NotFoundError, RateError, UsageError
from tocsin.policy import SCOPES, Actor, Reader, UserRole
from tocsin.store.interface import AuditRow, LocalRow

if TYPE_CHECKING:  # the command line makes sign-in links without loading a web framework
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

LINK_FOR = timedelta(minutes=10)
IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=7)
SEEN_EVERY = timedelta(minutes=5)
TOKEN_FOR = timedelta(days=365)

COOKIE = "__Host-tocsin"
PLAIN_COOKIE = "tocsin"
"""For a browser that refuses `__Host-` on http; only ever set on loopback."""

_TOKEN = re.compile(
    r"tocsin_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})_(?P<crc>[0-9a-f]{8})"
)


class SessionStore(Protocol):
    """The part of a store that doors use."""

    def local(self, kind: str, key: str) -> LocalRow | None: ...
    def keep_local(self, kind: str, key: str, value: bytes | None, expected: int | None) -> int: ...
    def list_local(self, kind: str, prefix: str = "") -> list[LocalRow]: ...
    def append_audit(self, time: str, actor: str, act: str, ref: str) -> AuditRow: ...


class Person(Struct, frozen=True, kw_only=True):
    """Somebody who may sign in here: a name, the party they belong to, their user role."""

    name: str
    party: str
    role: UserRole = "reader"


class Link(Struct, frozen=True, kw_only=True):
    """A sign-in link that has not been spent."""

    person: Person
    until: datetime


class Session(Struct, frozen=True, kw_only=True):
    """A signed-in browser."""

    key: str
    """SHA-256 of the id that the cookie carries."""
    person: Person
    since: datetime
    seen: datetime

    def over(self, now: datetime) -> bool:
        """Whether the session has ended by its age or by silence."""
        return now >= self.since + ABSOLUTE or now >= self.seen + IDLE


class Token(Struct, frozen=True, kw_only=True):
    """An API token, without its secret."""

    id: str
    secret_sha256: str
    person: Person
    scopes: tuple[str, ...]
    until: datetime
    label: str = ""
    used: datetime | None = None


class Signed(Struct, frozen=True, kw_only=True):
    """Who a request comes from, once the door has looked."""

    person: Person
    by: Literal["session", "token"]
    key: str
    """What rates and streams are counted by: the session's or token's key."""
    scopes: frozenset[str] | None = None


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _secret(rng: Callable[[int], bytes], size: int) -> str:
    return base64.urlsafe_b64encode(rng(size)).decode().rstrip("=")


def _stamp(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Doors:
    """Sign-in, sessions and tokens over one store."""

    def __init__(
        self,
        store: SessionStore,
        *,
        clock: Callable[[], datetime],
        rng: Callable[[int], bytes],
        member: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`member`: whether a party may still come in; what one has that may not, ends."""
        self._member = member
        self._store = store
        self._clock = clock
        self._rng = rng

    # --- sign-in links ------------------------------------------------------------------------

    def link(self, person: Person) -> str:
        """The path of a fresh sign-in link: valid ten minutes, once."""
        token = _secret(self._rng, 16)
        until = self._clock() + LINK_FOR
        value = msgspec.json.encode(Link(person=person, until=until))
        self._store.keep_local("enter", _sha(token), value, None)
        return f"/enter/{token}"

    def spend(self, token: str) -> str:
        """Spend a sign-in link; gives the id of a new session.

        Raises:
            NotFoundError: unknown, spent or too old: one answer for all.
        """
        row = self._store.local("enter", _sha(token))
        gone = NotFoundError(
            "this sign-in link is spent or too old",
            remedy="print a fresh one: tocsin token link",
        )
        if row is None:
            raise gone
        link = msgspec.json.decode(row.value, type=Link)
        try:
            # Whoever deletes the row has spent the link; a second one finds another version.
            self._store.keep_local("enter", row.key, None, row.version)
        except ConflictError:
            raise gone from None
        if self._clock() >= link.until or not self._member(link.person.party):
            raise gone
        return self.open_session(link.person)

    # --- sessions -----------------------------------------------------------------------------

    def open_session(self, person: Person) -> str:
        """A new session; gives the id for the cookie. The store sees only its hash."""
        session_id = _secret(self._rng, 32)
        now = self._clock()
        session = Session(key=_sha(session_id), person=person, since=now, seen=now)
        self._store.keep_local("session", session.key, msgspec.json.encode(session), None)
        self._audit(person.name, "sign-in", session.key[:12])
        return session_id

    def session(self, session_id: str) -> Session | None:
        """The session of a cookie, if it has not ended. Notes that it is in use."""
        row = self._store.local("session", _sha(session_id))
        if row is None:
            return None
        session = msgspec.json.decode(row.value, type=Session)
        now = self._clock()
        if session.over(now) or not self._member(session.person.party):
            self._drop("session", row)
            return None
        if now - session.seen >= SEEN_EVERY:
            used = msgspec.structs.replace(session, seen=now)
            try:
                self._store.keep_local("session", row.key, msgspec.json.encode(used), row.version)
            except ConflictError:
                return session  # another request of this browser has noted it, or it has ended
            return used
        return session

    def alive(self, signed: Signed) -> bool:
        """Whether a session or token still holds, without counting as use of it."""
        now = self._clock()
        row = self._store.local(signed.by, signed.key)
        if row is None:
            return False
        if not self._member(signed.person.party):
            return False
        if signed.by == "token":
            return now < msgspec.json.decode(row.value, type=Token).until
        return not msgspec.json.decode(row.value, type=Session).over(now)

    def close_session(self, key: str) -> None:
        """Sign out. Ending a session that has ended is no error."""
        row = self._store.local("session", key)
        if row is not None:
            person = msgspec.json.decode(row.value, type=Session).person
            self._drop("session", row)
            self._audit(person.name, "sign-out", key[:12])

    def sweep(self) -> int:
        """Drop sessions and links that have ended; gives how many.

        Tokens stay until revoked, but for those of a party that has left the directory.
        """
        now = self._clock()
        ended = (
            [
                ("session", row)
                for row in self._store.list_local("session")
                if (session := msgspec.json.decode(row.value, type=Session)).over(now)
                or not self._member(session.person.party)
            ]
            + [
                ("token", row)
                for row in self._store.list_local("token")
                if not self._member(msgspec.json.decode(row.value, type=Token).person.party)
            ]
            + [
                ("enter", row)
                for row in self._store.list_local("enter")
                if now >= (link := msgspec.json.decode(row.value, type=Link)).until
                or not self._member(link.person.party)
            ]
        )
        return sum(self._drop(kind, row) for kind, row in ended)

    # --- API tokens ---------------------------------------------------------------------------

    def make_token(
        self, person: Person, scopes: Iterable[str], lifetime: timedelta, label: str = ""
    ) -> str:
        """A new API token; the only time its secret is shown.

        Raises:
            UsageError: a scope there is not, or a lifetime over 365 days.
        """
        wanted = tuple(sorted(set(scopes)))
        strange = [scope for scope in wanted if scope not in SCOPES]
        if strange or not wanted:
            raise UsageError(
                f"no such scope: {', '.join(strange) or 'none given'}",
                remedy="scopes are " + " ".join(SCOPES),
            )
        if not timedelta(0) < lifetime <= TOKEN_FOR:
            raise UsageError(
                f"a token for {lifetime.days} days", remedy="at most 365 days; rotate it then"
            )
        token_id = self._rng(6).hex()
        secret = _secret(self._rng, 32)
        token = Token(
            id=token_id,
            secret_sha256=_sha(secret),
            person=person,
            scopes=wanted,
            until=self._clock() + lifetime,
            label=label,
        )
        self._store.keep_local("token", token_id, msgspec.json.encode(token), None)
        self._audit(person.name, "token", token_id)
        stem = f"tocsin_{token_id}_{secret}"
        return f"{stem}_{binascii.crc32(stem.encode()):08x}"

    def token(self, text: str) -> Token | None:
        """The token a request carries, if it is one of ours and still valid."""
        found = _TOKEN.fullmatch(text)
        if found is None or binascii.crc32(text[:-9].encode()) != int(found["crc"], 16):
            return None
        row = self._store.local("token", found["id"])
        if row is None:
            return None
        token = msgspec.json.decode(row.value, type=Token)
        now = self._clock()
        # A digest of a 256-bit secret: comparing it byte by byte tells a guesser nothing.
        if token.secret_sha256 != _sha(found["secret"]) or now >= token.until:
            return None
        if not self._member(token.person.party):
            # For good: were the party taken in again, it would get another.
            self._drop("token", row)
            return None
        if token.used is None or now - token.used >= SEEN_EVERY:
            used = msgspec.structs.replace(token, used=now)
            try:
                self._store.keep_local("token", row.key, msgspec.json.encode(used), row.version)
            except ConflictError:
                return token
        return token

    def tokens(self) -> list[Token]:
        """All tokens, by id."""
        rows = self._store.list_local("token")
        return [msgspec.json.decode(row.value, type=Token) for row in rows]

    def revoke_token(self, token_id: str, by: str) -> None:
        """End a token. Raises NotFoundError."""
        row = self._store.local("token", token_id)
        if row is None:
            raise NotFoundError(f"no token {token_id}", remedy="it may have been revoked already")
        self._drop("token", row)
        self._audit(by, "token-revoke", token_id)

    # --- requests -----------------------------------------------------------------------------

    def who(self, request: HTTPConnection) -> Signed | None:
        """Who sends this request: a bearer token, else a session's cookie; None: nobody known."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = self.token(value.strip())
            # A token of the TAXII server's is nobody's at any other door.
            if token is None or all(scope.startswith("taxii:") for scope in token.scopes):
                return None
            return Signed(
                person=token.person, by="token", key=token.id, scopes=frozenset(token.scopes)
            )
        names = (COOKIE, PLAIN_COOKIE) if _on_loopback(request) else (COOKIE,)
        for name in names:
            session_id = request.cookies.get(name)
            session = self.session(session_id) if session_id else None
            if session is not None:
                return Signed(person=session.person, by="session", key=session.key)
        return None

    def _drop(self, kind: str, row: LocalRow) -> bool:
        try:
            self._store.keep_local(kind, row.key, None, row.version)
        except ConflictError:
            return False
        return True

    def _audit(self, actor: str, act: str, ref: str) -> None:
        self._store.append_audit(_stamp(self._clock()), actor, act, ref)

    def audit(self, signed: Signed | None, act: str, ref: str) -> None:
        """Note an act in the local audit: who, what, on which object."""
        self._audit(signed.person.name if signed else "-", act, ref)


def actor(signed: Signed, reader: Callable[..., Reader]) -> Actor:
    """What policy is asked with. `reader` is `Node.reader`."""
    person = signed.person
    return Actor(
        reader=reader(person.party, person=person.name, role=person.role),
        role=person.role,
        scopes=signed.scopes,
    )


def require(allowed: bool, verb: str) -> None:
    """Raise ForbiddenError unless `policy.may_act` has said yes."""
    if not allowed:
        raise ForbiddenError(
            f"your user role does not allow “{verb}” here",
            remedy="ask whoever runs this node for a link with a higher role",
        )


# --- cookies ----------------------------------------------------------------------------------


def _on_loopback(request: HTTPConnection) -> bool:
    name = request.url.hostname or ""
    return request.url.scheme == "http" and name in ("127.0.0.1", "localhost", "::1", "[::1]")


def set_cookie(response: Response, request: HTTPConnection, session_id: str) -> None:
    """Give the browser its session.

    `__Host-` needs `Secure`, which Chromium and Firefox take on loopback http. One that does not
    is served by the second cookie, which is never set off loopback.
    """
    common: dict[str, Any] = {"httponly": True, "samesite": "lax", "path": "/"}
    seconds = int(ABSOLUTE.total_seconds())
    response.set_cookie(COOKIE, session_id, max_age=seconds, secure=True, **common)
    if _on_loopback(request) and _drops_secure(request.headers.get("user-agent", "")):
        response.set_cookie(PLAIN_COOKIE, session_id, max_age=seconds, **common)


def _drops_secure(agent: str) -> bool:
    """Safari refuses `Secure` cookies on loopback http; so may what we do not know."""
    return not any(word in agent for word in ("Chrome/", "Chromium/", "Firefox/", "Edg/"))


def clear_cookies(response: Response) -> None:
    """Take both cookies back."""
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    response.delete_cookie(PLAIN_COOKIE, httponly=True, samesite="lax", path="/")


# --- rates ------------------------------------------------------------------------------------

Cost = Literal["read", "write", "ingest", "sign-in", "public", "witness", "peer", "taxii"]

RATES: dict[Cost, tuple[float, float]] = {
    "read": (50.0, 200.0),
    "write": (5.0, 20.0),
    "ingest": (20 / 60, 20.0),
    "sign-in": (5 / 60, 5.0),
    # By address: whoever audits a log of a million entries fetches eight thousand tiles.
    "public": (200.0, 2000.0),
    "witness": (50.0, 200.0),
    # By party: objects that do not fit into a page are asked for one by one.
    "peer": (100.0, 1000.0),
    # By credential: whoever fetches a million objects asks for ten thousand pages.
    "taxii": (500.0, 5000.0),
}
"""Cost class → (tokens per second, burst)."""


class Rates:
    """Token buckets per (actor, cost class). Guarded by its own lock; kept in memory only."""

    def __init__(self, monotonic: Callable[[], float], *, keep: int = 10_000) -> None:
        self._now = monotonic
        self._keep = keep
        self._lock = threading.Lock()
        self._buckets: OrderedDict[tuple[str, Cost], tuple[float, float]] = OrderedDict()

    def wait(self, who: str, cost: Cost) -> int:
        """Take one; gives 0, or the whole seconds after which to ask again (`Retry-After`)."""
        rate, burst = RATES[cost]
        now = self._now()
        with self._lock:
            left, at = self._buckets.pop((who, cost), (burst, now))
            left = min(burst, left + (now - at) * rate)
            if left < 1:
                self._buckets[(who, cost)] = (left, now)
                return max(1, math.ceil((1 - left) / rate))
            self._buckets[(who, cost)] = (left - 1, now)
            while len(self._buckets) > self._keep:
                self._buckets.popitem(last=False)
        return 0


def too_often(cost: Cost, seconds: int) -> RateError:
    """The refusal of a request that `Rates.wait` asked to come again after `seconds`."""
    rate, burst = RATES[cost]
    return RateError(
        f"asked too often: of this kind ({cost}) {burst:g} are taken at once, then {60 * rate:g} "
        "a minute",
        remedy=f"wait {seconds} s",
        seconds=seconds,
    )


def role(name: str) -> UserRole:
    """A user role by name. Raises UsageError for one there is not."""
    if name not in ("reader", "analyst", "lead", "signer", "admin"):
        raise UsageError(
            f"there is no user role {name!r}", remedy="reader, analyst, lead, signer or admin"
        )
    return cast("UserRole", name)
