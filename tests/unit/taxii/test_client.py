"""The TAXII client against servers that behave, and against those that do not."""

from __future__ import annotations

import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tocsin import outbound
from tocsin.errors import (
    ForbiddenError,
    NotFoundError,
    TaxiiServerError,
    TocsinError,
    UnreachableError,
)
from tocsin.taxii import client as taxii
from tocsin.taxii.client import Pulled, State

TAXII = "application/taxii+json;version=2.1"
PATH = "/taxii2/api/collections/c/"
NEW = State()
Answer = tuple[dict[str, Any] | bytes, dict[str, str]]


def thing(n: int) -> dict[str, Any]:
    return {"type": "tool", "id": f"tool--00000000-0000-4000-8000-{n:012d}", "name": "x"}


def date(n: int) -> str:
    return f"2026-11-22T08:{n // 60:02d}:{n % 60:02d}.000000Z"


def page(*ns: int, **more: Any) -> Answer:
    """A page with these things, dated by their numbers."""
    headers = {}
    if ns:
        headers = {
            "x-taxii-date-added-first": date(ns[0]),
            "x-taxii-date-added-last": date(ns[-1]),
        }
    body: dict[str, Any] = {"more": False, **more}
    if ns:
        body["objects"] = [thing(n) for n in ns]
    return body, headers


class Fetching:
    """A collection that a function answers for, and what has been kept of it."""

    def __init__(self, server: Callable[[httpx.Request], Answer | httpx.Response]) -> None:
        self.server = server
        self.asked: list[dict[str, str]] = []
        self.pages: list[bytes] = []
        self.states: list[State] = []

    def __call__(self, state: State = NEW, **how: Any) -> Pulled:
        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(dict(request.url.params))
            found = self.server(request)
            if isinstance(found, httpx.Response):
                return found
            body, headers = found
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            return httpx.Response(200, content=raw, headers={"content-type": TAXII, **headers})

        with outbound.client("https://a.example", transport=httpx.MockTransport(answer)) as client:
            return taxii.pull(
                client,
                PATH,
                state,
                lambda raw, _: self.pages.append(raw),
                self.states.append,
                **how,
            )


def of(*answers: Answer) -> Fetching:
    """These answers, one after the other, and the last again and again."""
    left = list(answers)
    return Fetching(lambda _: left.pop(0) if len(left) > 1 else left[0])


# --- servers that behave --------------------------------------------------------------------------


def test_pages_are_fetched_by_next_and_the_filter_goes_with_it() -> None:
    run = of(page(1, 2, more=True, next="a"), page(3, more=True, next="b"), page(4))
    done = run(State(date=date(0)))
    assert (done.objects, done.pages, done.complete) == (4, 3, True)
    assert [a.get("next") for a in run.asked] == [None, "a", "b"]
    assert {a["added_after"] for a in run.asked} == {date(0)}
    assert done.state.date == date(4)
    assert done.state.next is None


def test_objects_are_kept_byte_for_byte() -> None:
    odd = b'{"type":"x-a",  "id":"x-a--1", "n":2.50, "\\u0061b":1}'
    run = of((b'{"more": false, "objects" : [ %b ], "custom": 1}' % odd, {}))
    run()
    assert run.pages == [b'{"objects":[%b]}' % odd]


def test_it_goes_on_behind_the_last_page_that_was_kept() -> None:
    run = of(page(1, more=True, next="a"), page(2, more=True, next="b"), page(3))
    stopped = run(max_pages=2)
    assert (stopped.complete, stopped.stopped) == (False, "more than 2 pages")
    again = of(page(3))
    assert again(stopped.state).complete
    assert again.asked[0]["next"] == "b"
    later = of(page())
    assert later(again.states[-1]).complete
    assert later.asked[0]["added_after"] == date(3)


def test_a_page_that_could_not_be_kept_is_fetched_again() -> None:
    run = of(page(1, more=True, next="a"), page(2))
    saved: list[State] = []

    def full(raw: bytes, count: int) -> None:
        if b"000002" in raw:
            raise TocsinError("the disk is full", remedy="make room")

    def answer(request: httpx.Request) -> httpx.Response:
        body, headers = run.server(request)  # type: ignore[misc]
        return httpx.Response(200, json=body, headers={"content-type": TAXII, **headers})

    with (
        outbound.client("https://a.example", transport=httpx.MockTransport(answer)) as client,
        pytest.raises(TocsinError, match="full"),
    ):
        taxii.pull(client, PATH, State(), full, saved.append)
    assert [s.next for s in saved] == ["a"]


def test_more_without_next_goes_on_by_date() -> None:
    run = of(page(1, 2, more=True), page(3))
    assert run().complete
    assert [a.get("added_after") for a in run.asked] == [None, date(2)]


def test_a_cursor_that_the_server_has_forgotten_falls_back_to_the_date() -> None:
    def server(request: httpx.Request) -> Answer | httpx.Response:
        if "next" in request.url.params:
            return httpx.Response(404, content=b"{}", headers={"content-type": TAXII})
        return page(5)

    run = Fetching(server)
    assert run(State(next="old", since=date(1), date=date(4))).complete
    assert [a.get("next") for a in run.asked] == ["old", None]
    assert run.asked[1]["added_after"] == date(4)


# --- servers that do not --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([page(1, more=True, next="a"), page(2, more=True, next="a")], "the same cursor"),
        ([page(1, more=True, next="a"), page(1, more=True, next="b"),
          page(1, more=True, next="c")], "nothing new"),
        ([page(1, more=True, next="a"), page(more=True, next="b"),
          page(more=True, next="c")], "nothing new"),
        ([page(5, more=True, next="a"), page(3, more=True, next="b")], "dates go back"),
        ([page(7, 2, more=True, next="a")], "dates go back"),
        ([page(1, more=True), ({"more": True, "objects": [thing(2)]}, {})], "neither `next`"),
        ([page(1, more=True, next="a"), (b'{"objects": [{', {})], "no TAXII envelope"),
        ([page(1, more=True, next="a"), (b"\xff\xfe", {})], "no TAXII envelope"),
        ([page(1, more=True, next="a"), (b"[" * 9000, {})], "no TAXII envelope"),
        ([page(1, more=True, next="a"), ({"items": [thing(2)]}, {})], "`items`"),
        ([page(1, more=True, next="a"), ({"objects": {"0": thing(2)}}, {})], "no TAXII envelope"),
        ([({"more": False, "objects": [thing(1)]},
          {"x-taxii-date-added-last": "Sun Nov 22 2026 08:00:00 GMT+0000"})], "no instant"),
        ([({"more": False, "objects": [thing(1)]}, {"x-taxii-date-added-last": "undefined"})],
         "no instant"),
    ],
)  # fmt: skip
def test_a_server_that_leads_in_circles_is_left_with_what_came_before(
    answers: list[Answer], reason: str
) -> None:
    run = of(*answers)
    done = run()
    assert not done.complete
    assert reason in done.stopped
    assert 1 <= len(run.pages) <= 3
    assert len(run.asked) <= 4


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (httpx.Response(406, json={"title": "no"}), TaxiiServerError, "TAXII 2.0 only"),
        (httpx.Response(200, content=b"{}",
            headers={"content-type": "application/vnd.oasis.taxii+json; version=2.0"}),
         TaxiiServerError, "TAXII 2.0 only"),
        (httpx.Response(200, content=b"<html>", headers={"content-type": "text/html"}),
         TaxiiServerError, "text/html"),
        (httpx.Response(401, json={"title": "who?"}), ForbiddenError, "401: who"),
        (httpx.Response(404), NotFoundError, "404"),
        (httpx.Response(503, headers={"retry-after": "30"}), TaxiiServerError, "503"),
        (httpx.Response(302, headers={"location": "https://b.example/"}), UnreachableError,
         "no redirect"),
        (httpx.Response(200, content=b"[1]", headers={"content-type": TAXII}), TaxiiServerError,
         "envelope"),
    ],
)  # fmt: skip
def test_a_first_page_that_is_none_is_an_error_with_its_reason(
    answer: httpx.Response, error: type[TocsinError], words: str
) -> None:
    with pytest.raises(error, match=words):
        Fetching(lambda _: answer)()


@pytest.mark.parametrize(
    ("later", "remedy"),
    [
        ("30", "try again in 30 s"),
        ("Wed, 25 Nov 2026 08:30:00 GMT", "try again after 2026-11-25 08:30 UTC"),
        ("", "try again later"),
        ("soon", "try again later"),
        ("Wed, 25 Nov 99999999999999 08:30:00 GMT", "try again later"),
        ("9" * 40, "try again later"),
    ],
)
def test_when_to_come_back_is_told_in_seconds_or_as_a_time(later: str, remedy: str) -> None:
    with pytest.raises(TaxiiServerError) as refused:
        Fetching(lambda _: httpx.Response(503, headers={"retry-after": later}))()
    assert refused.value.remedy == remedy


def test_endless_paging_ends_by_pages_and_by_bytes() -> None:
    count = iter(range(10_000))

    def endless(_: httpx.Request) -> Answer:
        n = next(count)
        return page(n, more=True, next=f"n{n}")

    assert Fetching(endless)(max_pages=50).pages == 50
    done = Fetching(endless)(max_bytes=4_000)
    assert "bytes" in done.stopped
    assert done.bytes < 5_000


# --- on the network -------------------------------------------------------------------------------


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that writes what it likes."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    listening.settimeout(10)

    def work() -> None:
        try:
            while True:
                found, _ = listening.accept()
                with found:
                    found.settimeout(10)
                    found.recv(65536)
                    serve(found)
        except OSError:
            return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.close()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/taxii+json;version=2.1\r\n"


def drips(found: socket.socket) -> None:
    found.sendall(HEAD + b"content-length: 100000\r\n\r\n{")
    for _ in range(200):
        time.sleep(0.02)
        found.sendall(b" ")


def test_a_body_that_drips_is_left_in_time() -> None:
    with raw_server(drips) as url, outbound.client(url, local=True, timeout=2) as client:
        started = time.monotonic()
        with pytest.raises(UnreachableError):
            taxii.pull(client, PATH, State(), lambda *_: None, lambda _: None, seconds=0.5)
        assert time.monotonic() - started < 5


def huge(found: socket.socket) -> None:
    found.sendall(HEAD + b"\r\n" + b'{"objects":["')
    while True:
        found.sendall(b"x" * 1_000_000)


def test_a_page_without_end_is_left_in_time_and_memory() -> None:
    with raw_server(huge) as url, outbound.client(url, local=True, timeout=5) as client:
        tracemalloc.start()
        with pytest.raises(TocsinError, match="at most 4000000"):
            taxii.pull(client, PATH, State(), lambda *_: None, lambda _: None, page_bytes=4_000_000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40_000_000


def test_a_public_name_that_leads_inside_is_not_opened() -> None:
    asked: list[str] = []

    def inside(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.7"]

    with (
        outbound.client("https://taxii.example", resolve=inside) as client,
        pytest.raises(UnreachableError, match="not on the public network"),
    ):
        taxii.collections(client, "/taxii2/")
    assert asked == ["taxii.example"]


def test_an_api_root_on_another_origin_is_named_and_not_opened() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(str(request.url))
        body: dict[str, Any] = {"collections": [{"id": "c", "title": "T", "can_read": True}]}
        if request.url.path == "/taxii2/":
            body = {"api_roots": ["https://b.example/x/", "/taxii2/api/", "https://a.example/two/"]}
        return httpx.Response(200, json=body, headers={"content-type": TAXII})

    with outbound.client(
        "https://a.example",
        {"authorization": "Bearer secret"},
        transport=httpx.MockTransport(answer),
    ) as client:
        found, elsewhere = taxii.collections(client, "/taxii2/")
    assert elsewhere == ["https://b.example/x/"]
    assert not any("b.example" in path for path in paths)
    assert [c.path for c in found] == [
        "/taxii2/api/collections/c/",
        "/two/collections/c/",
    ]


# --- pushing --------------------------------------------------------------------------------------


def pushing(
    answer: Callable[[httpx.Request], httpx.Response], count: int
) -> tuple[taxii.Pushed, list[str]]:
    raws = [json.dumps(thing(n)).encode() for n in range(count)]
    done: list[str] = []
    with outbound.client("https://a.example", transport=httpx.MockTransport(answer)) as client:
        found = taxii.push(client, PATH, raws, done.extend, wait=lambda _: None)
    return found, done


def test_objects_are_sent_in_hundreds_and_pending_ones_waited_for() -> None:
    sent: list[int] = []
    looks = iter(["pending", "pending", "complete"] * 3)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            sent.append(len(json.loads(request.content)["objects"]))
        body = {"id": "s", "status": next(looks), "failure_count": 0}
        return (
            httpx.Response(202, json=body)
            if request.method == "POST"
            else httpx.Response(200, json=body, headers={"content-type": TAXII})
        )

    found, done = pushing(answer, 250)
    assert sent == [100, 100, 50]
    assert len(found.taken) == len(done) == 250


def test_what_failed_is_listed_and_not_counted_as_sent() -> None:
    bad = thing(1)["id"]

    def answer(request: httpx.Request) -> httpx.Response:
        failures = [{"id": bad, "message": "no, never"}]
        body = {"id": "s", "status": "complete", "failure_count": 1, "failures": failures}
        return httpx.Response(202, json=body)

    found, done = pushing(answer, 3)
    assert found.failed == ((bad, "no, never"),)
    assert len(done) == 2


def test_a_server_that_hides_what_failed_or_stays_pending_is_not_believed() -> None:
    def hides(_: httpx.Request) -> httpx.Response:
        return httpx.Response(202, json={"id": "s", "status": "complete", "failure_count": 2})

    found, done = pushing(hides, 3)
    assert (found.left, done) == (3, [])
    assert "names 0" in found.stopped

    def pending(request: httpx.Request) -> httpx.Response:
        status = 202 if request.method == "POST" else 200
        body = {"id": "s", "status": "pending"}
        return httpx.Response(status, json=body, headers={"content-type": TAXII})

    found, done = pushing(pending, 3)
    assert (found.left, done) == (3, [])
    assert "pending" in found.stopped
