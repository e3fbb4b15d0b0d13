"""What is new, while a page is open: server-sent events. The one file here that knows the loop.

An event's `id` is a log index, so a browser that reconnects with `Last-Event-ID` misses nothing.
Only what the reader may read makes an event; a page is always whole from its own GET.

Spec: console.md §1, traps "Ctrl-C", "orphan streams", "lost events".
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import anyio
import msgspec
from anyio.to_thread import run_sync
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

log = logging.getLogger("tocsin.console")

HEARTBEAT: Final = 15.0
"""Seconds between comments on a silent stream."""
PER_SESSION: Final = 4
"""Streams of one session; a fifth closes the oldest."""
BEHIND: Final = 1000
"""So many events behind, a page is asked to reload instead."""
TICK: Final = 1.0
"""Seconds between looks at the log: events are batched."""


class News(Struct, frozen=True, kw_only=True):
    """One readable statement that entered the log."""

    index: int
    id: str
    kind: str
    author: str
    name: str
    """The author's own name."""
    what: str
    """One line in words."""
    case: str | None
    time: str


class Batch(Struct, frozen=True, kw_only=True):
    """What one event carries: `count` statements, of which the newest few are listed."""

    count: int
    items: tuple[News, ...]


Since = Callable[[int, int], Sequence[News] | None]
"""(after index, at most) → what this reader may read of it, in log order; None: signed out."""


class _Stream:
    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.closed = False

    def close(self) -> None:
        self.closed = True
        self.wake.set()


class Live:
    """All open streams of one node. Lives on the event loop of the server.

    `stop` may be called from any thread, a signal handler too; everything else on the loop only.
    """

    def __init__(
        self, size: Callable[[], int], *, tick: float = TICK, heartbeat: float = HEARTBEAT
    ) -> None:
        """`size`: the number of entries in the log; asked in a thread."""
        self._size = size
        self._tick = tick
        self._heartbeat = heartbeat
        self._streams: dict[str, list[_Stream]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def open_streams(self) -> int:
        """How many streams are open now."""
        return sum(len(streams) for streams in self._streams.values())

    def stop(self) -> None:
        """End every stream and take no new one."""
        self._stopped = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close_all)

    def _close_all(self) -> None:
        for stream in itertools.chain.from_iterable(self._streams.values()):
            stream.close()
        if self._watcher is not None:
            self._watcher.cancel()

    def answer(self, request: Request, key: str, since: Since) -> Response:
        """A stream for one page.

        Args:
            request: its `Last-Event-ID` header, else `?after=`, says what it has seen.
            key: the session's.
            since: reads for this reader.
        """
        if self._stopped:
            return Response(status_code=503, headers={"retry-after": "5"})
        seen = request.headers.get("last-event-id") or request.query_params.get("after") or ""
        after = int(seen) if seen.isdecimal() and len(seen) < 16 else None
        self._loop = asyncio.get_running_loop()
        stream = _Stream()
        mine = self._streams.setdefault(key, [])
        while len(mine) >= PER_SESSION:
            mine.pop(0).close()
        mine.append(stream)
        if self._watcher is None or self._watcher.done():
            self._watcher = self._loop.create_task(self._watch())
        return StreamingResponse(
            self._events(stream, key, after, since),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    def _ended(self, stream: _Stream) -> bool:
        return stream.closed or self._stopped

    async def _watch(self) -> None:
        """Look at the log once a tick while anybody listens; wake all when it has grown."""
        known = await run_sync(self._size)
        while self._streams:
            await anyio.sleep(self._tick)
            size = await run_sync(self._size)
            if size != known:
                known = size
                for stream in itertools.chain.from_iterable(self._streams.values()):
                    stream.wake.set()

    async def _events(
        self, stream: _Stream, key: str, after: int | None, since: Since
    ) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 2000\n\n"
            last = await run_sync(self._size) - 1 if after is None else after
            stream.wake.set()
            while not self._ended(stream):
                try:
                    with anyio.fail_after(self._heartbeat):
                        await stream.wake.wait()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                stream.wake.clear()
                if self._ended(stream):
                    break
                news = await run_sync(since, last, BEHIND + 1)
                if news is None:
                    break
                if not news:
                    continue
                if len(news) > BEHIND:
                    last = await run_sync(self._size) - 1
                    yield b"id: %d\nevent: reload\ndata: {}\n\n" % last
                    continue
                last = news[-1].index
                batch = msgspec.json.encode(Batch(count=len(news), items=tuple(news[-20:])))
                yield b"id: %d\nevent: news\ndata: %s\n\n" % (last, batch)
        except Exception:
            # Whatever it was: the page is whole without it, the browser asks again after its pause.
            log.exception("stream failed")
        finally:
            mine = self._streams.get(key, [])
            if stream in mine:
                mine.remove(stream)
            if not mine:
                self._streams.pop(key, None)
