"""What a connection may cost before it has become a request."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from tocsin.wiring.http import settings

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


@contextmanager
def serving(*, body: bytes = b"here", **how: Any) -> Iterator[int]:
    config = settings(PlainTextResponse(body), **{"head_seconds": 0.3, **how})
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def opened(port: int) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), 10)
    found.settimeout(10)
    return found


def rest(one: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    found = bytearray()
    try:
        while part := one.recv(256 * 1024):
            found += part
    except ConnectionError:
        pass
    return bytes(found)


@pytest.mark.parametrize(
    "drip", [b"", b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ", b"\r\n"], ids=["none", "half", "no"]
)
@pytest.mark.parametrize("before", [b"", REQUEST], ids=["new", "kept open"])
def test_headers_that_never_end_are_let_go(drip: bytes, before: bytes) -> None:
    with serving() as port, closing(opened(port)) as one:
        one.settimeout(0.05)
        one.sendall(before)
        if before:
            time.sleep(0.1)
            assert one.recv(4096).endswith(b"here")
        started = time.monotonic()
        one.sendall(drip or (b"G" if before else b""))
        found = b""
        while time.monotonic() - started < 5:
            try:
                if not (part := one.recv(4096)):
                    break
                found += part
            except TimeoutError:
                try:
                    one.sendall(b"\r\n" if drip == b"\r\n" else b"y" if drip else b"")
                except OSError:
                    break
            except OSError:
                break
        assert time.monotonic() - started < 3
        assert found.startswith(b"HTTP/1.1 408 ") or not found


def test_a_slow_but_whole_request_is_answered() -> None:
    with serving() as port, closing(opened(port)) as one:
        for part in (REQUEST[:9], REQUEST[9:]):
            one.sendall(part)
            time.sleep(0.1)
        assert one.recv(4096).endswith(b"here")


def test_there_is_a_most_of_connections_and_room_again_behind_it() -> None:
    with serving(most=3) as port:
        held = [opened(port) for _ in range(3)]
        time.sleep(0.1)
        with closing(opened(port)) as one:
            assert rest(one) == b""
        assert all(b"408" in rest(each) for each in held)
        with closing(opened(port)) as one:
            one.sendall(REQUEST)
            assert one.recv(4096).endswith(b"here")
        for each in held:
            each.close()


# --- answers that nobody reads -------------------------------------------------------------------

LARGE = bytes(16 * 1024 * 1024)


def asked(port: int, address: str = "") -> socket.socket:
    """A connection that has asked and reads little by itself: the system buffers some of it."""
    one = socket.socket()
    if address:
        one.bind((address, 0))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
    one.settimeout(10)
    one.connect(("127.0.0.1", port))
    one.sendall(REQUEST)
    return one


def test_an_answer_that_nobody_reads_is_dropped() -> None:
    with serving(body=LARGE, read_seconds=0.3) as port, closing(asked(port)) as one:
        time.sleep(1)
        assert len(rest(one)) < len(LARGE) / 2  # what had left already, and no more


def test_a_slow_reader_that_reads_on_gets_all_of_it() -> None:
    with serving(body=LARGE[: 2**21], read_seconds=0.3) as port, closing(asked(port)) as one:
        found = 0
        while found < 2**21:
            part = one.recv(128 * 1024)
            assert part
            found += len(part)
            time.sleep(0.01)


def test_many_small_answers_that_wait_are_counted_whole() -> None:
    with serving(body=LARGE[: 2**20], unread=8 * 2**20, read_seconds=60) as port:
        held = [asked(port) for _ in range(24)]
        time.sleep(1)
        whole = sum(len(rest(one)) > 2**20 for one in held[:8])
        for one in held:
            one.close()
        assert whole == 0  # the first ones were let go for those after them


def test_what_waits_for_its_readers_is_bounded_and_the_longest_silent_goes_first() -> None:
    with serving(body=LARGE, unread=40 * 1024 * 1024, read_seconds=60) as port:
        held = []
        for _ in range(4):
            held.append(asked(port))
            time.sleep(0.2)
        gone, last = [len(rest(one)) for one in (held[0], held[-1])]
        for one in held:
            one.close()
        assert gone < len(LARGE)
        assert last > len(LARGE)  # it reads now, and so gets all of it


def test_many_connections_of_one_client_cost_another_client_nothing() -> None:
    with serving(body=LARGE[: 4 * 2**20], unread=16 * 2**20, read_seconds=60) as port:
        try:
            slow = asked(port, "127.0.0.2")
        except OSError:  # not every system has all of 127.0.0.0/8 without being told
            pytest.skip("there is no second loopback address here")
        time.sleep(0.3)
        many = [asked(port) for _ in range(12)]
        time.sleep(0.7)
        found = len(rest(slow))
        first = len(rest(many[0]))
        for one in (slow, *many):
            one.close()
        assert found > 4 * 2**20
        assert first < 4 * 2**20
