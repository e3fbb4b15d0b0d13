"""How a running node speaks HTTP: the server's settings, and what a connection may cost.

A connection on which no request has begun, or whose headers never end, is no request yet: nothing
behind the server sees it, and it would hold its place for ever. Nor does anything behind the server
see an answer that nobody reads: it would be held for ever too.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
"""For all headers of a request, from its first byte or from the connection's beginning."""
MAX_CONNECTIONS = 1_024
"""At a time; fewer where the system allows fewer open files, which the store needs too."""
READ_SECONDS = 30.0
"""Within this time a client reads `READ_BYTES` of its answer, or the rest of it is dropped."""
READ_BYTES = 64 * 1024
MAX_UNREAD = 512 * 1024 * 1024
"""Bytes of answers that wait for their readers, all together. Over it, of the address that leaves
most unread, whoever has read nothing for the longest time is let go: many connections of one client
cost no other client its answer."""
SEND_BUFFER = 128 * 1024
"""Bytes the system keeps of an answer, so that what waits is seen here and counted."""
_LATE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def settings(
    app: Any,
    *,
    head_seconds: float = HEAD_SECONDS,
    read_seconds: float = READ_SECONDS,
    unread: int = MAX_UNREAD,
    most: int = 0,
) -> uvicorn.Config:
    """The server's settings for an application.

    Args:
        head_seconds: how long a request's headers may take.
        read_seconds: how long a client may leave `READ_BYTES` of its answer unread.
        unread: bytes that wait for their readers, all together.
        most: connections at a time; 0: as many as this system allows.
    """
    bound = most or _most()

    class Bounded(_Protocol):
        pass

    Bounded.seconds, Bounded.most = head_seconds, bound
    Bounded.read_seconds, Bounded.unread = read_seconds, unread

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


def _looked_at(connection: _Protocol) -> float:
    return connection._stalled.when() if connection._stalled is not None else 0.0


class _Protocol(HttpToolsProtocol):
    """One connection. Only the event loop calls it."""

    seconds = HEAD_SECONDS
    most = MAX_CONNECTIONS
    read_seconds = READ_SECONDS
    unread = MAX_UNREAD
    _late: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _waiting = 0
    """Bytes that waited for the reader when it was last looked at."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        full = len(self.connections) >= self.most
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if full:
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._come()
        self._read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._waiting = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self.read_seconds, self._look)
        self._make_room()

    def resume_writing(self) -> None:
        self._read()
        super().resume_writing()

    def _read(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _look(self) -> None:
        """Has the client read on? A server that closes waits for that, too."""
        left = self.transport.get_write_buffer_size()
        if self._waiting - left < READ_BYTES:
            self._stalled = None
            self.transport.abort()
            return
        self._waiting = left
        self._stalled = self.loop.call_later(self.read_seconds, self._look)

    def _make_room(self) -> None:
        slow = [c for c in self.connections if isinstance(c, _Protocol) and c._stalled is not None]
        waits = {one: one.transport.get_write_buffer_size() for one in slow}
        total = sum(waits.values())
        if total <= self.unread:
            return
        held = Counter[str]()
        for one, size in waits.items():
            held[one._address] += size
        waits.pop(self, None)  # it has only just begun
        while total > self.unread and waits:
            one = min(waits, key=lambda c: (-held[c._address], _looked_at(c)))
            size = waits.pop(one)
            total -= size
            held[one._address] -= size
            one.transport.abort()

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

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
