"""The open doors: the log as files, this node as a witness; no sign-in, and nothing but hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.three_nodes import federation

from tocsin.console.app import build
from tocsin.console.auth import RATES, Rates
from tocsin.console.public import routes
from tocsin.flows.node import Node
from tocsin.peers import origin_hash
from tocsin.record import checkpoint as notes
from tocsin.record import merkle, tiles
from tocsin.record.witness import open_answer, write_request
from tocsin.wiring.keys import load_log_signer
from tocsin.wiring.node import open_node
from tocsin.wiring.party import init

NORTH, SOUTH = "cert.northland.example", "cert.southmark.example"


class Stopped:
    """A clock for rates that stands still."""

    def __call__(self) -> float:
        return 0.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    self_made, _ = federation(tmp_path, [NORTH, SOUTH])
    with open_node(self_made) as node:
        yield node


@pytest.fixture
def client(node: Node, client_of: Callable[..., Any]) -> Any:
    found = client_of(build(node, extra=routes(node, Rates(Stopped()))).asgi)
    found.node = node
    return found


def south(tmp_path: Path, size: int, word: bytes = b"") -> bytes:
    """A checkpoint that southmark's log signs."""
    signer = load_log_signer(tmp_path / "southmark", SOUTH)
    root = merkle.root_of(merkle.leaf_hash(word + bytes([n])) for n in range(size))
    head = notes.Checkpoint(origin=f"{SOUTH}/log", size=size, root=root)
    return notes.sign_checkpoint(head, signer, 1_795_000_000)


def test_the_log_is_read_without_signing_in(client: Any) -> None:
    answer = client.get("/tlog/checkpoint")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    head = notes.open_checkpoint(notes.open_note(answer.content).text)
    answer = client.get(f"/tlog/tile/0/000.p/{head.size}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "immutable" in answer.headers["cache-control"]
    leaves = [answer.content[n : n + 32] for n in range(0, len(answer.content), 32)]
    edge = merkle.Edge()
    for leaf in leaves:
        edge.append(leaf)
    assert edge.root() == head.root
    bundle = client.get(f"/tlog/tile/entries/000.p/{head.size}").content
    assert [merkle.leaf_hash(entry) for entry in tiles.open_bundle(bundle)] == leaves
    assert {len(entry) for entry in tiles.open_bundle(bundle)} == {33}, "commitments, no content"


ABSENT = (
    "/tlog/tile/0/001",
    "/tlog/tile/0/000.p/0",
    "/tlog/tile/0/000.p/03",
    "/tlog/tile/0/0",
    "/tlog/tile/00/000",
    "/tlog/tile/entries/%2e%2e/%2e%2e/checkpoint",
    "/tlog/..%2f..%2fkeys%2fhpke",
    "/tlog/tile/x",
    "/tlog/",
    "/tlog/guard",
    "/witness/x/checkpoint",
    f"/witness/{'0' * 64}/checkpoint",
    f"/witness/{origin_hash(NORTH + '/log')}/checkpoint",
    f"/witness/{origin_hash(SOUTH + '/log').upper()}/checkpoint",
)


def test_what_is_not_there_is_404(client: Any) -> None:
    assert {path: client.get(path).status_code for path in ABSENT} == dict.fromkeys(ABSENT, 404)


def test_a_log_of_the_directory_is_cosigned_by_a_request_without_a_browser(
    client: Any, tmp_path: Path
) -> None:
    note = south(tmp_path, 3)
    answer = client.post("/witness/add-checkpoint", content=write_request(0, (), note))
    assert answer.status_code == 200
    known = [
        notes.open_vkey(v)
        for p in client.node.directory.parties
        for n in p.nodes
        for v in n.witness_vkeys
        if p.id == NORTH
    ]
    assert len(open_answer(note, answer.content, known)) == 2
    held = client.get(f"/witness/{origin_hash(SOUTH + '/log')}/checkpoint")
    assert held.status_code == 200
    assert held.content.startswith(note)
    assert held.headers["cache-control"] == "no-cache"
    rows = {w.origin: w.size for w in client.node.witnessing().logs}
    assert rows == {f"{SOUTH}/log": 3}


def test_each_refusal_has_its_code(client: Any, tmp_path: Path) -> None:
    def post(body: bytes) -> Any:
        return client.post("/witness/add-checkpoint", content=body)

    note = south(tmp_path, 3)
    assert post(b"").status_code == 400
    assert post(b"old 1\n\nx").status_code == 400
    assert post(write_request(4, (), note)).status_code == 400
    own = client.node.log.checkpoint
    assert post(write_request(0, (), own)).status_code == 404, "nobody witnesses himself"
    forged = notes.write_note(
        notes.open_note(note).text.replace("\n3\n", "\n2\n"), notes.open_note(note).lines
    )
    assert post(write_request(0, (), forged)).status_code == 403
    assert post(write_request(0, (), note)).status_code == 200
    behind = post(write_request(0, (), south(tmp_path, 4)))
    assert (behind.status_code, behind.content) == (409, b"3\n")
    assert behind.headers["content-type"] == "text/x.tlog.size"
    bad = post(write_request(3, [b"\0" * 32] * 2, south(tmp_path, 4)))
    assert bad.status_code == 422
    assert client.node.alarms() == [], "a bad proof accuses nobody"
    forked = post(write_request(3, (), south(tmp_path, 3, b"other ")))
    assert forked.status_code == 422
    assert [a.kind for a in client.node.alarms()] == ["fork"]
    [proof] = client.get("/witness/forks").json()["forks"]
    assert proof
    assert post(write_request(3, (), note)).status_code == 422, "cosigned no more"


def test_another_sites_page_cannot_use_the_witness(client: Any, tmp_path: Path) -> None:
    body = write_request(0, (), south(tmp_path, 3))
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = client.post("/witness/add-checkpoint", content=body, headers=headers)
        assert answer.status_code == 403
    answer = client.post(
        "/witness/add-checkpoint", content=body, headers={"host": "rebound.example"}
    )
    assert answer.status_code == 421


def test_bodies_and_rates_are_bounded(client: Any) -> None:
    answer = client.post("/witness/add-checkpoint", content=b"x" * 200_000)
    assert answer.status_code == 413
    codes = {
        client.post("/witness/add-checkpoint", content=b"x").status_code
        for _ in range(int(RATES["witness"][1]) + 1)
    }
    assert codes == {400, 429}
    assert client.get("/tlog/checkpoint").status_code == 200, "each kind has its own rate"


def test_the_doors_stand_before_the_consoles_own(client: Any) -> None:
    assert client.get("/").status_code == 401
    assert client.get("/tlog/checkpoint", headers={"cookie": "tocsin=x"}).status_code == 200
    assert client.ask("HEAD", "/tlog/checkpoint").content == b""


def test_a_folder_without_witness_keys_has_a_log_and_no_witness(
    tmp_path: Path, client_of: Callable[..., Any]
) -> None:
    init(tmp_path / "own", NORTH, "CERT Northland")
    for name in ("witness.ed25519", "witness.mldsa"):
        (tmp_path / "own" / "keys" / name).unlink()
    with open_node(tmp_path / "own") as node:
        client = client_of(build(node, extra=routes(node, Rates(Stopped()))).asgi)
        assert client.get("/tlog/checkpoint").status_code == 200
        assert client.post("/witness/add-checkpoint", content=b"old 0\n\n").status_code == 404
