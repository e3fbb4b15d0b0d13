"""The TAXII 2.1 server's door: HTTP in, a desk asked, HTTP out.

It knows bytes, versions and addresses, and nothing of what it carries: who may open what, and what
becomes of what is sent, is the desk's business. Order of every request: address and media type,
credential, then whatever costs something; a body is read last, and never past the limit.

Spec: TAXII 2.1 §3 to §5; exchange.md §2.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin.errors import (
    BundleSizeError,
    CredentialError,
    ForbiddenError,
    MediaTypeError,
    MethodError,
    NotFoundError,
    RateError,
    TocsinError,
)
from tocsin.taxii import wire
from tocsin.taxii.wire import Ask, Collection, Item, Status, Target

log = logging.getLogger("tocsin.taxii")

BODY_SECONDS = 120
"""For the whole of a request's body: whoever drips one byte a second is let go."""
CHALLENGE = 'Basic realm="taxii", charset="UTF-8", Bearer realm="taxii"'


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

    def collections(self, who: Any) -> Sequence[Collection]:
        """What this reader may open."""
        ...

    def collection(self, who: Any, name: str) -> Collection:
        """One of them, by id or alias. Raises NotFoundError for unknown and forbidden alike."""
        ...

    def page(self, who: Any, collection: Collection, ask: Ask) -> Page:
        """The next objects of a collection."""
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
    door = _Door(desk, secure)
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return [
        Route(wire.BASE.rstrip("/"), door.answer, methods=methods),
        Route(wire.BASE + "{rest:path}", door.answer, methods=methods),
    ]


class _Door:
    def __init__(self, desk: Desk, secure: bool) -> None:
        self._desk = desk
        self._secure = secure

    async def answer(self, request: Request) -> Response:
        """Any request below `/taxii2/`."""
        error_id = request.scope.get("state", {}).get("request_id") or secrets.token_hex(8)
        try:
            target = wire.target(request.method, request.url.path)
            wire.check_accept(_header(request, "accept"))
            if target.op == "add":
                return await self._take(request, target)
            return await run_in_threadpool(self._give, request, target)
        except ClientDisconnect:
            raise
        except TocsinError as error:
            return self._refusal(error, error_id)
        except Exception:  # the door's last: the client gets TAXII's error body, not a trace
            log.exception("failed", extra={"path": request.url.path})
            body = wire.error(
                500,
                "Something failed inside this node",
                "Nothing was changed by this request",
                "tell whoever runs this node the number of the error",
                error_id,
            )
            return Response(body, 500, media_type=wire.MEDIA_TYPE)

    # --- reading ------------------------------------------------------------------------------

    def _give(self, request: Request, target: Target) -> Response:
        who = self._who(request)
        if target.op == "discovery":
            return _json(wire.discovery(self._desk.title, self._origin(request)))
        if target.op == "root":
            return _json(wire.root(self._desk.title))
        if target.op == "collections":
            return _json(wire.collections(self._desk.collections(who)))
        if target.op == "status":
            return _json(wire.status(self._desk.status(who, target.id)))
        opened = self._desk.collection(who, target.collection)
        if target.op == "collection":
            return _json(wire.collection(opened))
        query = request.query_params.multi_items()
        if target.op == "delete":
            asked = wire.ask(query, self._desk.secret, opened.id).filters
            self._desk.delete(who, opened, target.id, asked.version or ("all",))
            return _json(b"{}")
        if not opened.can_read:
            raise wire.nothing()
        if target.op in ("object", "versions"):
            return self._one(who, opened, target, query)
        write = wire.manifest if target.op == "manifest" else wire.envelope
        ask = wire.ask(query, self._desk.secret, opened.id)
        return self._page(self._desk.page(who, opened, ask), ask, opened.id, write)

    def _one(
        self, who: Any, opened: Collection, target: Target, query: Sequence[tuple[str, str]]
    ) -> Response:
        """An object by its id, or its versions: 404 where the reader may see none of it."""
        scope = f"{opened.id} {target.op} {target.id}"
        # Its id is in the address; a filter on it, or on what it is, is for collections.
        query = [(name, value) for name, value in query if name not in ("match[id]", "match[type]")]
        ask = wire.ask(query, self._desk.secret, scope)
        of_it = wire.Filters(
            id=(target.id,),
            spec_version=ask.filters.spec_version,
            version=("all",) if target.op == "versions" else ask.filters.version,
        )
        page = self._desk.page(who, opened, Ask(after=ask.after, limit=ask.limit, filters=of_it))
        if not page.entries:
            any_ = wire.Filters(id=(target.id,), version=("all",))
            if not self._desk.page(who, opened, Ask(after=-1, limit=1, filters=any_)).entries:
                raise wire.nothing()
        write = wire.versions if target.op == "versions" else wire.envelope
        return self._page(page, ask, scope, write)

    def _page(
        self,
        page: Page,
        ask: Ask,
        scope: str,
        write: Callable[[Sequence[Item], str | None], bytes],
    ) -> Response:
        cursor = None
        if page.more:
            cursor = wire.write_cursor(page.position, ask.filters, self._desk.secret, scope)
        return _json(write(page.entries, cursor), headers=wire.dates(page.entries))

    # --- writing ------------------------------------------------------------------------------

    async def _take(self, request: Request, target: Target) -> Response:
        # All that can be refused is refused before a byte of the body is waited for.
        wire.check_content(_header(request, "content-type"))
        who, opened = await run_in_threadpool(self._may_write, request, target)
        body = await _body(request)
        status = await run_in_threadpool(self._desk.add, who, opened, body)
        return _json(wire.status(status), 202)

    def _may_write(self, request: Request, target: Target) -> tuple[Any, Collection]:
        who = self._who(request)
        opened = self._desk.collection(who, target.collection)
        if not opened.can_write:
            raise ForbiddenError(
                f"this credential may not write to the collection {target.collection}",
                remedy="write to one whose can_write is true, or ask for another credential",
            )
        return who, opened

    # --- small things -------------------------------------------------------------------------

    def _who(self, request: Request) -> Any:
        address = request.client.host if request.client else "-"
        return self._desk.who(_header(request, "authorization"), address)

    def _origin(self, request: Request) -> str:
        scheme = "https" if self._secure else request.url.scheme
        return f"{scheme}://{request.headers.get('host', '')}"

    def _refusal(self, error: TocsinError, error_id: str) -> Response:
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
        if isinstance(error, MediaTypeError | BundleSizeError):
            headers["connection"] = "close"  # what is left of the body is not read
        # One answer for hidden and unknown, whatever was asked.
        told = wire.nothing() if isinstance(error, NotFoundError) else error
        body = wire.error(status, title(status), told.message, told.remedy, error_id)
        return Response(body, status, headers, media_type=wire.MEDIA_TYPE)


_TITLES: Mapping[int, str] = {
    400: "The request cannot be understood",
    401: "No credential that holds",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not for this address",
    406: "No media type that this server makes",
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


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type=wire.MEDIA_TYPE)


def _header(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    return ", ".join(values) if values else None


async def _body(request: Request) -> bytes:
    """The body, at most `wire.MAX_CONTENT` bytes of it, within `BODY_SECONDS`."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > wire.MAX_CONTENT:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > wire.MAX_CONTENT:
                    raise _too_large()
                parts.append(part)
    except TimeoutError:
        raise RateError(
            f"the body has not come within {BODY_SECONDS} s",
            remedy="send fewer objects at once",
            seconds=60,
        ) from None
    return b"".join(parts)


def _too_large() -> BundleSizeError:
    return BundleSizeError(
        f"a body of more than {wire.MAX_CONTENT} bytes",
        remedy=f"send at most {wire.MAX_CONTENT} bytes at once (max_content_length)",
    )
