"""F1, F2: what an exchange costs when nothing is new, and after a place was lost.

python -m benchmarks.sync_idle [OBJECTS]        200,000 in the published run
"""

from __future__ import annotations

import hashlib
import secrets
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from benchmarks.figures import figure

from tocsin.console.auth import Rates
from tocsin.console.peer import PeerDoor
from tocsin.flows import intake, neighbours
from tocsin.flows import keys as key_flow
from tocsin.flows.node import Node
from tocsin.flows.sync import Sync
from tocsin.record.directory import add_party
from tocsin.record.envelope import sign
from tocsin.record.requests import Answer, sign_request
from tocsin.record.statement import KEY_CHAIN, compose, key_body, time_text
from tocsin.stix.bundle import open_object
from tocsin.wiring.folder import Config, write_config
from tocsin.wiring.keys import load_log_signer, load_node_key, load_signer, make_keys
from tocsin.wiring.node import open_node
from tocsin.wiring.party import init, party_entry

NORTH, SOUTH = "cert.northland.example", "cert.southmark.example"
OF_ONE = 100
"""Objects in one statement."""


class Counted:
    """The way from one node to the other, in this process; requests and bytes are counted."""

    def __init__(self, home: Path, party: str, door: PeerDoor) -> None:
        self._key = load_node_key(home, party)
        self._door = door
        self.requests = self.bytes = 0
        self._nonce = 0

    def ask(
        self, party: str, url: str, method: str, target: str, body: bytes = b"", *, limit: int
    ) -> Answer:
        assert self._key is not None
        self._nonce += 1
        headers = sign_request(
            self._key,
            party,
            method,
            target,
            body,
            now=datetime.now(UTC),
            nonce=f"{self._nonce:032x}",
        )
        found = self._door.answer(method, target, headers, body)
        self.requests += 1
        head = sum(len(name) + len(value) + 4 for name, value in headers.items())
        # The lines around it: method, host, lengths, the fixed headers of every answer.
        self.bytes += head + len(method) + len(target) + len(body) + 200 + 600 + len(found.body)
        return found


def main() -> None:
    """Print the figures of this file."""
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        north, south = Path(folder, "north"), Path(folder, "south")
        _two(north, south)
        with open_node(north) as giver, open_node(south) as taker:
            _measure(giver, taker, south, objects)


def _measure(giver: Node, taker: Node, home: Path, objects: int) -> None:
    gives = Sync(giver, None, address=lambda: True)  # type: ignore[arg-type]
    door = PeerDoor(gives, Rates(lambda: 0.0), datetime.now(UTC))
    door._rates.wait = lambda who, cost: 0  # type: ignore[method-assign]
    wire = Counted(home, SOUTH, door)
    sync = Sync(taker, wire, address=lambda: True)
    peer = sync.peers()[NORTH]
    for start in range(0, objects, OF_ONE):
        _say(giver, range(start, min(start + OF_ONE, objects)))
    while sync.exchange(peer):
        pass
    assert taker.store.count(taker.everything()) == objects

    spent = []
    for _ in range(5):
        wire.requests = wire.bytes = 0
        started = time.perf_counter()
        assert sync.exchange(peer) == 0
        spent.append(time.perf_counter() - started)
    assert wire.requests == 1
    goal = "1 request, <= 2 KB, <= 50 ms"
    figure("F1r", f"{objects} objects, nothing new", ours=1, goal=goal, unit="requests", n=5)
    figure("F1b", f"{objects} objects, nothing new", ours=wire.bytes, goal=goal, unit="bytes", n=5)
    took = statistics.median(spent) * 1000
    figure("F1", f"{objects} objects, nothing new", ours=took, goal=goal, unit="ms", n=5)

    new = max(1, objects // 100)
    before = taker.store.outbox_end(NORTH)[0] + giver.store.outbox_end(SOUTH)[0]
    for start in range(objects, objects + new, OF_ONE):
        _say(giver, range(start, min(start + OF_ONE, objects + new)))
    gives.pages.mark(gives.peers()[SOUTH])
    net = 0
    for row in giver.store.outbox(SOUTH, before):
        kept = giver.store.statement(row.id, giver.everything())
        assert kept is not None
        net += len(kept.raw)
        net += sum(
            len(found.raw)
            for ref in intake.parse_kept(kept).objects
            if (found := giver.store.object(ref.sha256, giver.everything())) is not None
        )
    neighbours.note(taker, NORTH, epoch="", after=0, at="")
    wire.requests = wire.bytes = 0
    while sync.exchange(peer):
        pass
    assert taker.store.count(taker.everything()) == objects + new
    figure(
        "F2",
        f"1 % of {objects} objects differ after a lost place, in {wire.requests} requests",
        ours=wire.bytes,
        peer=net,
        ratio=wire.bytes / net,
        goal="bytes <= 2x that 1 %",
        unit="bytes",
        n=1,
    )


def _say(node: Node, numbers: range) -> None:
    items = []
    for n in numbers:
        id = hashlib.sha256(str(n).encode()).hexdigest()
        raw: dict[str, Any] = {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{id[:8]}-{id[8:12]}-4{id[13:16]}-8{id[17:20]}-{id[20:32]}",
            "created": "2026-11-22T08:00:00.000Z",
            "modified": "2026-11-22T08:00:00.000Z",
            "created_by_ref": node.identity(node.party),
            "name": f"address {n} seen at the edge of a network",
            "pattern": f"[ipv4-addr:value = '192.0.{n // 250 % 250}.{n % 250}']",
            "pattern_type": "stix",
            "valid_from": "2026-11-22T08:00:00Z",
        }
        items.append(open_object(orjson.dumps(raw)))
    act = intake.Act(author=node.party, kind="say", tlp="GREEN", objects=tuple(items))
    intake.record(node, act)


def _two(north: Path, south: Path) -> None:
    """Two folders in one directory: North lists South in version 2, and South begins with both."""
    init(north, NORTH, "North", url="https://north.example")
    (south / "keys").mkdir(parents=True)
    make_keys(south, SOUTH, log=True, rng=secrets.token_bytes)
    log = load_log_signer(south, SOUTH)
    entry = party_entry(south, SOUTH, "South", log=log, url="https://south.example")
    root = load_signer(north, NORTH, "root")
    with open_node(north) as node:
        last = node.store.chain(NORTH, KEY_CHAIN)
        assert last is not None
        for kind, body, signer, seq, prev in (
            ("directory", add_party(node.directory, entry), root, last.seq + 1, last.head),
            (
                "key",
                key_body(load_signer(south, SOUTH, "signing").public),
                load_signer(south, SOUTH, "root"),
                1,
                "",
            ),
        ):
            payload = compose(
                author=signer.party,
                key=signer.keyid,
                kind=kind,
                seq=seq,
                prev=prev,
                time=time_text(datetime.now(UTC)),
                salt="0" * 32,
                tlp="CLEAR",
                body=body,
            )
            intake.enter(node, sign(payload, [signer]))
        chain = key_flow.chain_of_trust(node)
        (south / "root.json").write_bytes(node.root)
    write_config(south, Config(party=SOUTH, name="South"))
    with open_node(south) as node:
        key_flow.follow(node, chain)


if __name__ == "__main__":
    main()
