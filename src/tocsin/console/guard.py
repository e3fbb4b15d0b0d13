"""What every request passes before it reaches a route: pure ASGI, no state of a request kept.

`Guard` looks at the headers once: a name that is ours, an own page, a size that is taken; then come
gzip and the routes. A forged call ends here and learns nothing.

Spec: console.md §5 and its traps.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.console.problems import problem_response
from tocsin.taxii import wire

log = logging.getLogger("tocsin.console")

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)
HSTS: Final = ("strict-transport-security", "max-age=31536000")
_PLAIN: Final = [(name.encode(), value.encode()) for name, value in HEADERS]
_OVER_TLS: Final = [*_PLAIN, (HSTS[0].encode(), HSTS[1].encode())]
_FIXED: Final = frozenset(name for name, _ in _OVER_TLS)

HEADER_BYTES: Final = 16 * 1024
BODY_BYTES: Final = 1024 * 1024
DIRECTORY_BYTES: Final = 3 * 512 * 1024
INGEST_BYTES: Final = 64 * 1024 * 1024
SEALED_BYTES: Final = 16 * 1024 * 1024
PAGE_BYTES: Final = 24 * 1024 * 1024
"""A page of statements is 1 MiB; a single sealed one goes alone."""
TAXII_BYTES: Final = 32 * 1024 * 1024
WITNESS_BYTES: Final = 160 * 1024
"""A note of 128 KiB under 63 proof lines."""
BODY_SECONDS: Final = 60.0
BODY_RATE: Final = 16 * 1024
"""Bytes a second that a body has to come with once `BODY_SECONDS` have passed."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def header(scope: Scope, name: bytes) -> str | None:
    """The one value of a request header; several different ones are joined, so they match none."""
    values = {value.decode("latin-1") for key, value in scope["headers"] if key == name}
    return ", ".join(sorted(values)) if values else None


def logged_path(path: str) -> str:
    """A path fit for a log file: a sign-in token is not."""
    return "/enter/***" if path.startswith("/enter/") else path


def refusal(scope: Scope, status: int, name: str, title: str, *, remedy: str) -> Response:
    """A refusal in the form of the door that was knocked at."""
    if not scope["path"].startswith("/taxii2"):
        return problem_response(status, name, title, remedy=remedy)
    body = wire.error(status, title, title, remedy, scope["state"]["request_id"])
    return Response(body, status, media_type=wire.MEDIA_TYPE)


def host_name(host: str) -> str:
    """The name in a Host header, without port, in lower case: `[::1]:8470` gives `[::1]`."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower()


def same_origin(scope: Scope) -> bool:
    """Whether an unsafe request comes from our own page, or from no browser at all."""
    if scope["method"] in SAFE:
        return True
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = header(scope, b"origin")
    if origin is not None:
        return origin.lower() == f"{scope['scheme']}://{header(scope, b'host')}".lower()
    return header(scope, b"cookie") is None


def body_limit(scope: Scope) -> int:
    """How many bytes this path takes. Only what brings documents in takes more than 1 MiB."""
    path: str = scope["path"]
    if path in ("/ingest", "/api/v1/reports", "/api/v1/say") or path.startswith("/api/v1/objects/"):
        return INGEST_BYTES
    if path == "/api/v1/sealed":
        return SEALED_BYTES
    if path == "/peer/inbox":
        return PAGE_BYTES
    if path.startswith("/peer/objects/"):
        return INGEST_BYTES
    if path.startswith("/taxii2/"):
        return TAXII_BYTES
    if path.startswith(("/witness/", "/tlog/")):
        return WITNESS_BYTES
    return DIRECTORY_BYTES if path == "/api/v1/statements" else BODY_BYTES


class _TooLargeError(Exception):
    pass


class _TooSlowError(Exception):
    pass


class Guard:
    """Refuses what is not meant for this node, or is too large; hardens and logs every answer.

    In this order: a name this node was not told it has (421, DNS rebinding), what another site's
    page makes a browser send (403), large headers (431), a large body (413), whether it says its
    length or not, and one that drips in (408). Every answer gets the fixed headers and the number
    of its request.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str],
        limit: Callable[[Scope], int] = body_limit,
        *,
        seconds: float = BODY_SECONDS,
    ) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)
        self.limit = limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0
        limit = self.limit(scope)
        taken = 0
        # Of TAXII its own door sees to that, and answers in TAXII's words.
        comes = not scope["path"].startswith("/taxii2")

        async def hardened(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _with_fixed(scope, message, request_id)}
            await send(message)

        async def counted() -> Message:
            nonlocal taken, comes
            if comes:
                left = self.seconds + taken / BODY_RATE - (time.perf_counter() - started)
                try:
                    async with asyncio.timeout(max(0.0, left)):
                        message = await receive()
                except TimeoutError:
                    raise _TooSlowError from None
            else:
                message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    raise _TooLargeError
                comes = comes and message.get("more_body", False)
            return message

        try:
            refused = self._refused(scope, limit)
            if refused is not None:
                await refused(scope, receive, hardened)
                return
            try:
                await self.app(scope, counted, hardened)
            except _TooLargeError:
                if not status:
                    await _too_large(scope, limit)(scope, receive, hardened)
            except _TooSlowError:
                if not status:
                    await _too_slow(scope)(scope, receive, hardened)
        finally:
            if log.isEnabledFor(logging.INFO):
                log.info(
                    "request",
                    extra={
                        "method": scope["method"],
                        "path": logged_path(scope["path"]),
                        "status": status,
                        "request_id": request_id,
                        "ms": round((time.perf_counter() - started) * 1000, 1),
                    },
                )

    def _refused(self, scope: Scope, limit: int) -> Response | None:
        """Why this request goes no further, by its headers alone; None: it may."""
        host = length = b""
        size = hosts = lengths = 0
        for key, value in scope["headers"]:
            size += len(key) + len(value) + 4
            if key == b"host":
                host = value
                hosts += 1
            elif key == b"content-length":
                length = value
                lengths += 1
        name = host.decode("latin-1") if hosts == 1 else header(scope, b"host") or ""
        if host_name(name) not in self.hosts:
            return refusal(
                scope,
                421,
                "misdirected",
                "This address is not one of this node's",
                remedy="open the address that `tocsin up` printed",
            )
        if not same_origin(scope):
            return refusal(
                scope,
                403,
                "cross-site",
                "This request did not come from a page of this node",
                remedy="open the page on this node and send the form from there",
            )
        if size > HEADER_BYTES:
            return refusal(
                scope,
                431,
                "header-size",
                f"The request's headers are over {HEADER_BYTES} bytes",
                remedy="remove this site's cookies and try again",
            )
        if lengths:
            said = length.decode("latin-1") if lengths == 1 else header(scope, b"content-length")
            if said is not None and (not said.isdecimal() or int(said[:20]) > limit):
                return _too_large(scope, limit)
        return None


def _with_fixed(scope: Scope, message: Message, request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with the fixed ones; what it has of its own of them stays."""
    headers = list(message.get("headers", ()))
    present = {key.lower() for key, _ in headers}
    fixed = _OVER_TLS if scope["scheme"] == "https" else _PLAIN
    if present.isdisjoint(_FIXED):
        headers += fixed
    else:
        headers += [one for one in fixed if one[0] not in present]
    headers.append((b"x-request-id", request_id.encode()))
    return headers


def _too_slow(scope: Scope) -> Response:
    found = refusal(
        scope,
        408,
        "body-time",
        f"The request's body came with less than {BODY_RATE // 1024} KiB a second",
        remedy="send it again over a faster connection, or in parts",
    )
    found.headers["connection"] = "close"  # what is left of the body is not read
    return found


def _too_large(scope: Scope, limit: int) -> Response:
    return refusal(
        scope,
        413,
        "body-size",
        f"The request's body is over {limit} bytes",
        remedy="send it in parts, or use `tocsin ingest` on the node's own machine",
    )
