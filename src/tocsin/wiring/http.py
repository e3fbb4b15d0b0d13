"""How a running node speaks HTTP: the server's settings, and what a connection may cost.

A connection on which no request has begun, or whose headers never end, is no request yet: nothing
behind the server sees it, and it would hold its place for ever.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
"""For all headers of a request, from its first byte or from the connection's beginning."""
MAX_CONNECTIONS = 1_024
"""At a time; fewer where the system allows fewer open files, which the store needs too."""
_LATE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def settings(app: Any, *, head_seconds: float = HEAD_SECONDS, most: int = 0) -> uvicorn.Config:
    """The server's settings for an application.

    Args:
        head_seconds: how long a request's headers may take.
        most: connections at a time; 0: as many as this system allows.
    """
    bound = most or _most()

    class Bounded(_Protocol):
        seconds = head_seconds
        most = bound

    return uvicorn.Config(
        app,
        http=Bounded,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=3,
        access_log=False,
        server_header=False,
        date_header=False,
    )


def _most() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 else max(32, min(MAX_CONNECTIONS, soft // 2))


class _Protocol(HttpToolsProtocol):
    """One connection. Only the event loop calls it."""

    seconds = HEAD_SECONDS
    most = MAX_CONNECTIONS
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        full = len(self.connections) >= self.most
        super().connection_made(transport)
        if full:
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._come()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # Blank lines before a request begin none, and stop the server's own timer all the same.
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._come()
        super().on_headers_complete()

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.seconds, self._give_up)

    def _come(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait()  # the request before is still being answered
            return
        self.transport.write(_LATE)
        self.transport.close()
