"""The TAXII 2.1 server's door: HTTP in, a desk asked, HTTP out.

It knows bytes, versions and addresses, and nothing of what it carries: who may open what, and what
becomes of what is sent, is the desk's business. Order of every request: address and media type,
credential, then whatever costs something; a body is read last, and never past the limit.

Most of what clients ask is small: is there something new, and this one object. What the desk knows
already is answered where the request came in, without a thread: one look at the store's generation
and at most one indexed read of a bounded number of rows (`Exchange.glance`), together some 100
microseconds, which is less than the way to a thread and back costs. With four clients and a writer
at work, on two busy cores, the event loop was late by 7 ms at the 99th percentile either way; the
answer came after 0.3 ms instead of 3.5 (median), 14 instead of 21 (99th). Everything else, and
whatever may wait, goes to a thread: passwords that are hashed, pages, a store that is elsewhere.

Spec: TAXII 2.1 §3 to §5; exchange.md §2.
"""

from __future__ import annotations

import logging
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl

import anyio
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tocsin.errors import (
    BundleSizeError,
    CredentialError,
    ForbiddenError,
    MediaTypeError,
    MethodError,
    NotFoundError,
    RateError,
    SlowBodyError,
    TocsinError,
)
from tocsin.taxii import wire
from tocsin.taxii.wire import Ask, Collection, Item, Status, Target, takes_gzip

log = logging.getLogger("tocsin.taxii")

BODY_SECONDS = 120
"""For the whole of a request's body: whoever drips one byte a second is let go."""
CHALLENGE = 'Basic realm="taxii", charset="UTF-8", Bearer realm="taxii"'
PACK_BYTES = 500
"""An answer of this size is packed where the client takes gzip."""
PACK_ELSEWHERE = 128 * 1024
"""From this size on in a thread."""

Query: TypeAlias = Sequence[tuple[str, str]]


class Page(Protocol):
    """A part of a collection: `store.interface.Page` is one."""

    @property
    def entries(self) -> Sequence[Item]: ...
    @property
    def position(self) -> int: ...
    @property
    def more(self) -> bool: ...


class Desk(Protocol):
    """What the server asks. `Who` is the desk's own; here it is only handed back."""

    @property
    def title(self) -> str:
        """How the server calls itself."""
        ...

    @property
    def secret(self) -> bytes:
        """What cursors are sealed with."""
        ...

    def who(self, authorization: str | None, address: str) -> Any:
        """Whose credential this is.

        Raises:
            CredentialError: nobody's.
            RateError: this user or address has tried too often, or asks too often.
        """
        ...

    def known(self, authorization: str | None, address: str) -> Any:
        """The same as `who` where nothing has to be waited for; None: ask `who`.

        Raises:
            CredentialError, RateError: as `who`.
        """
        ...

    def listing(self, who: Any, *, wait: bool) -> bytes | None:
        """What this reader may open, as `wire.collections` writes it.

        Args:
            wait: it may be worked out; else None unless it is known.
        """
        ...

    def collection(self, who: Any, name: str) -> Collection:
        """One of them, by id or alias. Raises NotFoundError for unknown and forbidden alike."""
        ...

    def opened(self, who: Any, name: str) -> Collection | None:
        """The same where it is known; None: ask `collection`."""
        ...

    def page(self, who: Any, collection: Collection, ask: Ask) -> Page:
        """The next objects of a collection."""
        ...

    def glance(self, who: Any, collection: Collection, ask: Ask) -> Page | None:
        """The same for one id where that needs no wait; None: ask `page`."""
        ...

    def add(self, who: Any, collection: Collection, body: bytes) -> Status:
        """Take objects in. Raises BundleError where nothing of it can be taken."""
        ...

    def delete(self, who: Any, collection: Collection, id: str, versions: Sequence[str]) -> None:
        """Take back an object. Raises NotFoundError, or ForbiddenError if another put it in."""
        ...

    def status(self, who: Any, id: str) -> Status:
        """What became of an `add` of this credential's. Raises NotFoundError."""
        ...

    def status_of(self, error: TocsinError) -> int:
        """The HTTP status that an error becomes."""
        ...


def routes(desk: Desk, *, secure: bool = False) -> list[BaseRoute]:
    """The server's addresses, for `console.app.build(extra=…)`.

    Args:
        secure: a TLS proxy stands in front: the addresses given out begin with https.
    """
    door = Door(desk, secure)
    return [
        Route(wire.BASE.rstrip("/"), door),
        Route(wire.BASE + "{rest:path}", door),
    ]


class _Given(Struct):
    """What of a request's headers is read, and its query."""

    accept: str | None = None
    authorization: str | None = None
    content_type: str | None = None
    content_length: str = ""
    host: str = ""
    packs: bool = False
    """The client takes gzip."""
    address: str = "-"
    query: Query = ()


class Answer(Struct):
    """What goes back, of TAXII's media type."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}


class Door:
    """Any request at or below `/taxii2`, as an ASGI application of its own: it packs too."""

    def __init__(self, desk: Desk, secure: bool) -> None:
        self._desk = desk
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = _given(scope)
        answer = await self._answer(scope, receive, given)
        body = answer.body
        headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers.items()]
        packed = len(body) >= PACK_BYTES and given.packs
        if packed and len(body) >= PACK_ELSEWHERE:
            body = await run_in_threadpool(_pack, body)
        elif packed:
            body = _pack(body)
        headers.append((b"content-length", b"%d" % len(body)))
        headers.append(_MEDIA_TYPE)
        if len(answer.body) >= PACK_BYTES:
            headers.append((b"vary", b"Accept-Encoding"))
        if packed:
            headers.append((b"content-encoding", b"gzip"))
        status = answer.status
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive, given: _Given) -> Answer:
        error_id = scope.get("state", {}).get("request_id") or secrets.token_hex(8)
        try:
            target = wire.target(scope["method"], scope["path"])
            wire.check_accept(given.accept)
            if target.op == "add":
                return await self._take(scope, receive, given, target)
            who = self._desk.known(given.authorization, given.address)
            if who is not None:
                answer = self._at_once(given, scope["scheme"], target, who)
                if answer is not None:
                    return answer
            return await run_in_threadpool(self._give, given, scope["scheme"], target, who)
        except ClientDisconnect:
            raise
        except TocsinError as error:
            return self._refusal(error, error_id)
        except Exception:  # the door's last: the client gets TAXII's error body, not a trace
            log.exception("failed", extra={"path": scope["path"]})
            body = wire.error(
                500,
                "Something failed inside this node",
                "Nothing was changed by this request",
                "tell whoever runs this node the number of the error",
                error_id,
            )
            return Answer(body, 500)

    # --- reading ------------------------------------------------------------------------------

    def _at_once(self, given: _Given, scheme: str, target: Target, who: Any) -> Answer | None:
        """What can be answered without waiting; None: the rest, `_give` answers it."""
        if target.op == "discovery":
            return Answer(wire.discovery(self._desk.title, self._origin(given, scheme)))
        if target.op == "root":
            return Answer(wire.root(self._desk.title))
        if target.op == "collections":
            listing = self._desk.listing(who, wait=False)
            return None if listing is None else Answer(listing)
        if target.op in ("status", "delete"):
            return None
        opened = self._desk.opened(who, target.collection)
        if opened is None:
            return None
        if target.op == "collection":
            return Answer(wire.collection(opened))
        if not opened.can_read:
            raise wire.nothing()
        ask, scope, write = self._asked(given.query, opened, target)
        if ask.filters.id is None or len(ask.filters.id) != 1:
            return None
        page = self._desk.glance(who, opened, ask)
        return None if page is None else self._page(page, ask, scope, write)

    def _give(self, given: _Given, scheme: str, target: Target, who: Any) -> Answer:
        if who is None:
            who = self._desk.who(given.authorization, given.address)
        if target.op == "discovery":
            return Answer(wire.discovery(self._desk.title, self._origin(given, scheme)))
        if target.op == "root":
            return Answer(wire.root(self._desk.title))
        if target.op == "collections":
            return Answer(self._desk.listing(who, wait=True) or b"")
        if target.op == "status":
            return Answer(wire.status(self._desk.status(who, target.id)))
        opened = self._desk.collection(who, target.collection)
        if target.op == "collection":
            return Answer(wire.collection(opened))
        if target.op == "delete":
            asked = wire.ask(given.query, self._desk.secret, opened.id).filters
            self._desk.delete(who, opened, target.id, asked.version or ("all",))
            return Answer(b"{}")
        if not opened.can_read:
            raise wire.nothing()
        ask, scope, write = self._asked(given.query, opened, target)
        page = self._desk.page(who, opened, ask)
        if not page.entries and target.op in ("object", "versions"):
            # 404 where the reader may see none of it (TAXII 2.1 §5.6).
            any_ = wire.Filters(id=(target.id,), version=("all",))
            if not self._desk.page(who, opened, Ask(after=-1, limit=1, filters=any_)).entries:
                raise wire.nothing()
        return self._page(page, ask, scope, write)

    def _asked(self, query: Query, opened: Collection, target: Target) -> tuple[Ask, str, _Write]:
        """What a page is asked for, what its cursor is good for, and how it is written."""
        if target.op not in ("object", "versions"):
            write = wire.manifest if target.op == "manifest" else wire.envelope
            return wire.ask(query, self._desk.secret, opened.id), opened.id, write
        scope = f"{opened.id} {target.op} {target.id}"
        # Its id is in the address; a filter on it, or on what it is, is for collections.
        query = [(name, value) for name, value in query if name not in ("match[id]", "match[type]")]
        ask = wire.ask(query, self._desk.secret, scope)
        filters = wire.Filters(
            id=(target.id,),
            spec_version=ask.filters.spec_version,
            version=("all",) if target.op == "versions" else ask.filters.version,
        )
        write = wire.versions if target.op == "versions" else wire.envelope
        return Ask(after=ask.after, limit=ask.limit, filters=filters), scope, write

    def _page(self, page: Page, ask: Ask, scope: str, write: _Write) -> Answer:
        cursor = None
        if page.more:
            cursor = wire.write_cursor(page.position, ask.filters, self._desk.secret, scope)
        return Answer(write(page.entries, cursor), headers=wire.dates(page.entries))

    # --- writing ------------------------------------------------------------------------------

    async def _take(self, scope: Scope, receive: Receive, given: _Given, target: Target) -> Answer:
        # All that can be refused is refused before a byte of the body is waited for.
        wire.check_content(given.content_type)
        who = self._desk.known(given.authorization, given.address)
        known = None if who is None else self._desk.opened(who, target.collection)
        who, opened = (
            await run_in_threadpool(self._opened, given, target, who)
            if known is None
            else (who, known)
        )
        if not opened.can_write:
            raise ForbiddenError(
                f"this credential may not write to the collection {target.collection}",
                remedy="write to one whose can_write is true, or ask for another credential",
            )
        body = await _body(scope, receive, given)
        status = await run_in_threadpool(self._desk.add, who, opened, body)
        return Answer(wire.status(status), 202)

    def _opened(self, given: _Given, target: Target, who: Any) -> tuple[Any, Collection]:
        if who is None:
            who = self._desk.who(given.authorization, given.address)
        return who, self._desk.collection(who, target.collection)

    # --- small things -------------------------------------------------------------------------

    def _origin(self, given: _Given, scheme: str) -> str:
        return f"{'https' if self._secure else scheme}://{given.host}"

    def _refusal(self, error: TocsinError, error_id: str) -> Answer:
        status = self._desk.status_of(error)
        headers: dict[str, str] = {}
        if isinstance(error, CredentialError):
            headers["www-authenticate"] = CHALLENGE
        if isinstance(error, RateError):
            headers["retry-after"] = str(error.seconds)
        elif status == 503:
            headers["retry-after"] = "30"
        if isinstance(error, MethodError):
            headers["allow"] = ", ".join(error.methods)
        if isinstance(error, MediaTypeError | BundleSizeError | SlowBodyError):
            headers["connection"] = "close"  # what is left of the body is not read
        # One answer for hidden and unknown, whatever was asked.
        told = wire.nothing() if isinstance(error, NotFoundError) else error
        if status >= 500:
            log.warning("%s: %s", error_id, error.message)
        words = told.abroad if status >= 500 else told.message
        body = wire.error(status, title(status), words, told.remedy, error_id)
        return Answer(body, status, headers)


_Write: TypeAlias = Callable[[Sequence[Item], str | None], bytes]
_MEDIA_TYPE = (b"content-type", wire.MEDIA_TYPE.encode())
_TITLES: Mapping[int, str] = {
    400: "The request cannot be understood",
    401: "No credential that holds",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not for this address",
    406: "No media type that this server makes",
    408: "Too slow",
    410: "Purged",
    413: "Too large",
    415: "No media type that this server takes",
    422: "Not taken",
    429: "Too often",
    503: "Not now",
    507: "No room",
}


def title(status: int) -> str:
    """A short name for a status, for the error body."""
    return _TITLES.get(status, "Refused")


def elsewhere(error_id: str) -> bytes:
    """What a TAXII client is told at any address that is not TAXII's: where that is.

    The same with and without a credential, and whether or not there is something else here.
    """
    return wire.error(
        404,
        title(404),
        "TAXII is not at this address of the node",
        f"discovery: {wire.BASE}, API root: {wire.ROOT}, collections: {wire.ROOT}collections/",
        error_id,
    )


def _given(scope: Scope) -> _Given:
    """One pass over the headers. Of several of one name: all, in their order."""
    given = _Given()
    for key, value in scope["headers"]:
        text = value.decode("latin-1")
        if key == b"accept":
            given.accept = text if given.accept is None else f"{given.accept}, {text}"
        elif key == b"authorization":
            one = given.authorization
            given.authorization = text if one is None else f"{one}, {text}"
        elif key == b"content-type":
            given.content_type = (
                text if given.content_type is None else f"{given.content_type}, {text}"
            )
        elif key == b"content-length":
            given.content_length = text
        elif key == b"host":
            given.host = given.host or text
        elif key == b"accept-encoding":
            given.packs = given.packs or takes_gzip(text)
    client = scope.get("client")
    if client:
        given.address = client[0]
    if scope["query_string"]:
        given.query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return given


def _pack(body: bytes) -> bytes:
    made = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return made.compress(body) + made.flush()


async def _body(scope: Scope, receive: Receive, given: _Given) -> bytes:
    """The body, at most `wire.MAX_CONTENT` bytes of it, within `BODY_SECONDS`."""
    declared = given.content_length
    if declared.isdecimal() and int(declared[:20]) > wire.MAX_CONTENT:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for part in Request(scope, receive).stream():
                size += len(part)
                if size > wire.MAX_CONTENT:
                    raise _too_large()
                parts.append(part)
    except TimeoutError:
        raise SlowBodyError(
            f"the body has not come within {BODY_SECONDS} s", remedy="send fewer objects at once"
        ) from None
    return b"".join(parts)


def _too_large() -> BundleSizeError:
    return BundleSizeError(
        f"a body of more than {wire.MAX_CONTENT} bytes",
        remedy=f"send at most {wire.MAX_CONTENT} bytes at once (max_content_length)",
    )
