"""Witnesses asked over HTTP: in parallel, bounded, and nothing believed that does not verify."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.unit.record.log_case import GrowingLog

from tocsin import outbound
from tocsin.errors import ConflictError, InputError, UnreachableError, WitnessRefused
from tocsin.peers import Peers, WitnessClients, open_client, origin_hash
from tocsin.record import checkpoint as notes
from tocsin.record import merkle
from tocsin.record.keys import LogSigner, WitnessSigner
from tocsin.record.witness import Held, Witness

ORIGIN = "cert.northland.example/log"
CODES = {
    "malformed": 400,
    "old-size": 400,
    "signature": 403,
    "unknown-origin": 404,
    "inconsistent": 422,
}
NOW = datetime(2026, 11, 22, tzinfo=UTC)

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class State(dict[str, Held]):
    def read(self, origin: str) -> Held | None:
        return self.get(origin)

    def advance(self, new: Held, expected: Held | None) -> None:
        if self.get(new.origin) != expected:
            raise ConflictError("moved", remedy="again")
        self[new.origin] = new


class Server:
    """A witness on loopback, honest until `answer` says otherwise."""

    def __init__(self, name: str, log: GrowingLog) -> None:
        seed = name.encode().ljust(32, b"\2")[:32]
        self.signer = WitnessSigner.from_seeds(f"{name}/witness", seed, seed)
        self.state = State()
        self.witness = Witness(
            self.signer,
            self.state,
            lambda origin: log.keys if origin == log.origin else [],
            lambda: NOW,
            lambda _: False,
            lambda _: None,
            origins=lambda: [log.origin],
        )
        self.answer: Answer | None = None
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.requests.append(f"{self.command} {self.path}")
                (outer.answer or outer.honest)(self, body)

            do_GET = do_POST = _any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/witness"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def honest(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        try:
            if handler.command == "POST":
                reply(handler, 200, self.witness.add_checkpoint(body))
            else:
                reply(handler, 200, self.witness.checkpoint(handler.path.split("/")[2]))
        except WitnessRefused as refused:
            if refused.size is not None:
                reply(handler, 409, f"{refused.size}\n".encode(), "text/x.tlog.size")
            else:
                reply(handler, CODES[refused.status], b"no\n")

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def reply(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, type: str = "text/plain"
) -> None:
    handler.send_response(status)
    handler.send_header("content-type", type)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


class World:
    def __init__(self) -> None:
        seed = b"\3" * 32
        self.log = GrowingLog(LogSigner.from_seeds(ORIGIN, seed, seed)).grow(5)
        self.a, self.b = Server("a", self.log), Server("b", self.log)
        self.clients: list[Any] = []
        self.quorum = "quorum q"
        self.more: dict[str, list[notes.VerifierKey]] = {}
        self.open = WitnessClients(
            self.policy, keys=lambda name: self.more.get(name, []), open=self.client
        )

    def policy(self) -> notes.Policy:
        rows = [f"log {self.log.signer.vkeys()[0]}"]
        rows += [
            f"witness {name} {server.signer.vkeys()[0]} {server.url}"
            for name, server in (("a", self.a), ("b", self.b))
        ]
        return notes.open_policy("\n".join([*rows, "group q 1 a b", self.quorum, ""]).encode())

    def client(self, url: str) -> Any:
        return outbound.client(url, timeout=1, local=True)

    def cosign(self, wait_s: float = 5.0) -> list[str]:
        note = self.log.note()
        size = self.log.size
        lines = self.open.cosign(
            note, lambda old: merkle.consistency_path(old, size, self.log.get_hash), wait_s
        )
        # What is given can always be put under the note.
        notes.add_lines(note, lines)
        return [line.name for line in lines]

    def errors(self) -> dict[str, str | None]:
        return {r.name: r.error for r in self.open.report()}


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    found.quorum = "quorum none"
    yield found
    found.open.close()
    found.a.close()
    found.b.close()


def test_all_witnesses_are_asked_and_their_sizes_remembered(world: World) -> None:
    assert sorted(world.cosign()) == ["a/witness", "b/witness"]
    world.log.grow(7)
    assert sorted(world.cosign()) == ["a/witness", "b/witness"]
    assert len(world.a.requests) == 2, "one request for each checkpoint"
    assert {r.name: r.size for r in world.open.report()} == {"a": 12, "b": 12}
    assert world.errors() == {"a": None, "b": None}
    assert world.open.report()[0].time == int(NOW.timestamp())


def test_the_mldsa_line_is_kept_where_the_directory_names_its_key(world: World) -> None:
    world.more["a/witness"] = [notes.open_vkey(v) for v in world.a.signer.vkeys()]
    assert sorted(world.cosign()) == ["a/witness", "a/witness", "b/witness"]


def test_a_client_that_forgot_the_size_learns_it_from_the_409(world: World) -> None:
    world.cosign()
    world.log.grow(9)
    world.open.close()
    world.open = WitnessClients(world.policy, open=world.client)
    assert sorted(world.cosign()) == ["a/witness", "b/witness"]
    assert len(world.a.requests) == 3


def test_what_witnesses_hold_is_told_apart_from_no_answer(world: World) -> None:
    assert sorted(world.open.held(ORIGIN, 5)) == [("a", None), ("b", None)]
    world.cosign()
    world.b.answer = lambda h, _: reply(h, 500, b"")
    [(name, note)] = world.open.held(ORIGIN, 5)
    assert name == "a"
    assert note is not None
    assert notes.open_checkpoint(notes.open_note(note).text) == world.log.head()
    assert world.a.requests[-1] == f"GET /witness/{origin_hash(ORIGIN)}/checkpoint"


def test_a_note_that_the_log_never_signed_is_no_answer(world: World) -> None:
    thief = GrowingLog(LogSigner.from_seeds(ORIGIN, b"\4" * 32, b"\4" * 32)).grow(900)
    world.a.answer = lambda h, _: reply(h, 200, thief.note())
    assert [name for name, _ in world.open.held(ORIGIN, 5)] == ["b"]


def slow(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "100000")
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def others_line(world: World) -> Answer:
    """A good line, of another witness than the one that was asked."""
    return lambda h, body: reply(h, 200, world.b.witness.add_checkpoint(body))


def broken_line(world: World) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        good = world.a.witness.add_checkpoint(body).decode()
        first = good.split("\n")[0]
        swapped = first[:-8] + ("AAAA" if first[-8:-4] != "AAAA" else "BBBB") + first[-4:]
        reply(handler, 200, f"{swapped}\n".encode())

    return answer


def text_too(world: World) -> Answer:
    """An answer that would put other words under our log's signature."""

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        lines = world.a.witness.add_checkpoint(body)
        reply(handler, 200, b"more\n\n" + lines)

    return answer


def redirects(world: World) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(307)
        handler.send_header("location", f"{world.b.url}/add-checkpoint")
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


HOSTILE: dict[str, Callable[[World], Answer]] = {
    "huge body": lambda _: lambda h, b: reply(h, 200, b"x" * 3_000_000),
    "drips": lambda _: slow,
    "hangs": lambda _: lambda h, b: time.sleep(3),
    "redirects": redirects,
    "nothing": lambda _: lambda h, b: reply(h, 200, b""),
    "no text": lambda _: lambda h, b: reply(h, 200, b"\xff\xfe"),
    "another's line": others_line,
    "a broken line": broken_line,
    "more than lines": text_too,
    "a larger size": lambda _: lambda h, b: reply(h, 409, b"99999\n", "text/x.tlog.size"),
    "another size each time": lambda _: (
        lambda h, b: reply(h, 409, f"{time.monotonic_ns() % 5}\n".encode(), "text/x.tlog.size")
    ),
    "the same size again": lambda _: lambda h, b: reply(h, 409, b"0\n", "text/x.tlog.size"),
    "no size": lambda _: lambda h, b: reply(h, 409, b"-1\n", "text/x.tlog.size"),
    "refuses": lambda _: lambda h, b: reply(h, 403, b"I do not know you\n"),
    "hangs up": lambda _: lambda h, b: h.connection.close(),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_witness_is_left_out_and_the_reason_kept(how: str, world: World) -> None:
    world.a.answer = HOSTILE[how](world)
    started = time.monotonic()
    assert world.cosign(wait_s=1.0) == ["b/witness"]
    assert time.monotonic() - started < 4
    until = time.monotonic() + 10
    while world.errors()["a"] is None and time.monotonic() < until:
        time.sleep(0.02)
    assert world.errors()["a"]
    assert world.errors()["b"] is None
    # One that mends its ways is asked again.
    world.a.answer = None
    world.log.grow(1)
    until = time.monotonic() + 10
    while "a/witness" not in world.cosign() and time.monotonic() < until:
        world.log.grow(1)
        time.sleep(0.05)
    assert world.errors()["a"] is None


def test_a_witness_that_hangs_does_not_make_a_quorum_wait(world: World) -> None:
    world.quorum = "quorum q"
    release = threading.Event()

    def hang(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        release.wait(10)

    world.a.answer = hang
    try:
        for _ in range(3):
            started = time.monotonic()
            assert world.cosign(wait_s=8.0) == ["b/witness"]
            assert time.monotonic() - started < 5
            world.log.grow(1)
    finally:
        release.set()


def test_a_policy_without_an_address_says_so(world: World) -> None:
    row = f"witness a {world.a.signer.vkeys()[0]}"
    policy = notes.open_policy(f"log {world.log.signer.vkeys()[0]}\n{row}\nquorum none\n".encode())
    clients = WitnessClients(lambda: policy, open=world.client)
    assert clients.cosign(world.log.note(), lambda _: [], 2.0) == ()
    until = time.monotonic() + 5
    while clients.report()[0].error is None and time.monotonic() < until:
        time.sleep(0.01)
    assert "no address" in (clients.report()[0].error or "")


def test_other_nodes_are_read_within_limits(world: World) -> None:
    peers = Peers(world.client)
    base = world.a.url.removesuffix("/witness")
    world.a.answer = lambda h, _: reply(h, 200, b"x" * 200_000)
    with pytest.raises(InputError):
        peers.checkpoint(base)
    with pytest.raises(InputError):
        peers.tile(base, "tile/0/000")
    world.a.answer = lambda h, _: reply(h, 404, b"")
    assert peers.held(base, ORIGIN) is None
    assert peers.forks(base) == []
    with pytest.raises(UnreachableError, match="404"):
        peers.checkpoint(base)
    world.a.answer = lambda h, _: reply(h, 200, b'{"forks":[1]}')
    with pytest.raises(UnreachableError):
        peers.forks(base)
    peers.close()


@pytest.mark.parametrize(
    ("address", "local", "private", "opened"),
    [
        ("127.0.0.1", True, False, True),
        ("127.0.0.1", False, True, False),
        ("::ffff:127.0.0.1", False, True, False),
        ("10.1.2.3", False, True, True),
        ("10.1.2.3", True, False, False),
        ("192.168.3.4", False, True, True),
        ("100.64.0.1", False, True, True),
        ("fd00::1", False, True, True),
        ("169.254.169.254", True, True, False),
        ("fe80::1", True, True, False),
        ("0.0.0.0", True, True, False),
        ("224.0.0.1", True, True, False),
    ],
)
def test_networks_of_ones_own_are_opened_and_machines_secrets_are_not(
    address: str, local: bool, private: bool, opened: bool
) -> None:
    found = ipaddress.ip_address(address)
    assert outbound._may_open(found, local=local, private=private) is opened


def test_this_machine_is_opened_only_where_that_is_meant() -> None:
    for meant in (True, False):
        client = open_client("http://127.0.0.1:1", own_machine=meant)
        with pytest.raises(UnreachableError) as refused:
            outbound.fetch(client, "GET", "/", seconds=2)
        assert ("not on the public network" in refused.value.message) is not meant
        client.close()
