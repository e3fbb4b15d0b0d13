"""A running node's exchange with the others: its door, and the thread that asks and brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.flows.node import Node
from tocsin.flows.sync import Sync
from tocsin.flows.turns import Turns
from tocsin.peers import SignedWire, open_client
from tocsin.wiring.folder import load_config
from tocsin.wiring.following import rounds
from tocsin.wiring.keys import load_node_key


@contextmanager
def exchange(node: Node, home: Path) -> Iterator[Sync]:
    """What exchanges statements for this node, and asks nobody yet."""
    config = load_config(home)
    # As in `following`: this machine itself is asked only by a node that is for it alone.
    wire = SignedWire(
        lambda: load_node_key(home, node.party),
        lambda url: open_client(url, own_machine=config.node.alone),
        clock=node.clock,
        rng=node.rng,
    )

    def address() -> bool:
        entry = node.directory.party(node.party)
        return entry is not None and any(n.peer_url or n.url for n in entry.nodes)

    try:
        yield Sync(node, wire, address=address, turns=Turns())
    finally:
        wire.close()


@contextmanager
def syncing(sync: Sync, seconds: float) -> Iterator[None]:
    """Exchange every `seconds`, and whenever a peer or this log has something new, in threads."""
    with rounds(sync.node, "sync", sync.run, seconds, sync.wake):
        yield
