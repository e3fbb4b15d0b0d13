"""Streams of what enters the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.types import Message

from tocsin.console.live import Live, News


def news(index: int) -> News:
    return News(
        index=index,
        id=f"{index:064x}",
        kind="say",
        author="cert.northland.example",
        name="CERT Northland",
        what="published 1 object",
        case=None,
        time="2026-11-22T08:00:00Z",
    )


class Log:
    def __init__(self, size: int = 3) -> None:
        self.size = size
        self.signed_out = False

    def length(self) -> int:
        return self.size

    def since(self, after: int, most: int) -> Sequence[News] | None:
        if self.signed_out:
            return None
        return [news(n) for n in range(after + 1, self.size)][:most]


class Stream:
    """One client of one stream, spoken to in ASGI."""

    def __init__(self, live: Live, log: Log, key: str = "anna", **headers: str) -> None:
        self.live, self.log, self.key = live, log, key
        self.headers = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        self.got = b""
        self.status = 0
        self.gone = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def _receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer = dict(message["headers"])
        else:
            self.got += message.get("body", b"")

    def open(self, query: bytes = b"") -> Stream:
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/live",
            "query_string": query,
            "headers": self.headers,
            "asgi": {"spec_version": "2.3"},
        }
        response = self.live.answer(Request(scope), self.key, self.log.since)
        self.task = asyncio.create_task(response(scope, self._receive, self._send))
        return self

    async def until(self, found: Callable[[bytes], bool]) -> None:
        async with asyncio.timeout(5):
            while not found(self.got):  # noqa: ASYNC110 - what comes is bytes, not an event
                await asyncio.sleep(0.005)

    async def ended(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(5):
            await self.task


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def go() -> None:
        await story()

    asyncio.run(go())


def test_what_enters_the_log_reaches_the_page() -> None:
    async def story() -> None:
        log = Log(3)
        live = Live(log.length, tick=0.01)
        stream = Stream(live, log).open()
        await stream.until(lambda got: b"retry" in got)
        await asyncio.sleep(0.05)
        assert b"event" not in stream.got
        log.size = 5
        await stream.until(lambda got: b"id: 4\nevent: news" in got)
        assert b'"count":2' in stream.got
        assert stream.answer[b"x-accel-buffering"] == b"no"
        live.stop()
        await stream.ended()

    run(story)


def test_a_reconnect_misses_nothing() -> None:
    async def story() -> None:
        log = Log(9)
        live = Live(log.length, tick=0.01)
        stream = Stream(live, log, last_event_id="5").open()
        await stream.until(lambda got: b'"count":3' in got)
        other = Stream(live, log).open(b"after=7")
        await other.until(lambda got: b'"count":1' in got)
        live.stop()
        await stream.ended()

    run(story)


def test_a_page_far_behind_is_told_to_reload() -> None:
    async def story() -> None:
        log = Log(5000)
        live = Live(log.length, tick=0.01)
        stream = Stream(live, log, last_event_id="1").open()
        await stream.until(lambda got: b"id: 4999\nevent: reload" in got)
        live.stop()
        await stream.ended()

    run(story)


def test_a_fifth_stream_of_a_session_closes_the_oldest() -> None:
    async def story() -> None:
        log = Log()
        live = Live(log.length, tick=0.01)
        streams = [Stream(live, log).open() for _ in range(5)]
        await streams[0].ended()
        assert live.open_streams == 4
        other = Stream(live, log, key="ben").open()
        await other.until(lambda got: b"retry" in got)
        assert live.open_streams == 5
        live.stop()
        for stream in [*streams, other]:
            await stream.ended()
        assert live.open_streams == 0

    run(story)


def test_a_silent_stream_has_a_heartbeat() -> None:
    async def story() -> None:
        log = Log()
        live = Live(log.length, tick=0.01, heartbeat=0.05)
        stream = Stream(live, log).open()
        await stream.until(lambda got: got.count(b": still here") >= 2)
        stream.gone.set()
        await stream.ended()
        assert live.open_streams == 0

    run(story)


def test_twenty_streams_end_at_once_when_the_node_stops() -> None:
    async def story() -> None:
        log = Log()
        live = Live(log.length, tick=0.01)
        streams = [Stream(live, log, key=str(n)).open() for n in range(20)]
        for stream in streams:
            await stream.until(lambda got: b"retry" in got)
        live.stop()
        await asyncio.gather(*(stream.ended() for stream in streams))
        assert live.open_streams == 0
        late = Stream(live, log).open()
        await late.ended()
        assert late.status == 503

    run(story)


def test_whoever_signs_out_hears_nothing_more() -> None:
    async def story() -> None:
        log = Log(3)
        live = Live(log.length, tick=0.01)
        stream = Stream(live, log).open()
        await stream.until(lambda got: b"retry" in got)
        log.signed_out = True
        log.size = 4
        await stream.ended()
        assert b"event" not in stream.got

    run(story)
