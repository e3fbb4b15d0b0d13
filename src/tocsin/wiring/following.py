"""A running node keeps its directory, keys and revocations as new as those of the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.flows.keys import Follower
from tocsin.flows.node import Node
from tocsin.peers import Peers, open_client
from tocsin.record.directory import Directory
from tocsin.wiring.folder import load_config
from tocsin.wiring.peering import LOOPBACK


def sources_of(directory: Directory, party: str, written_down: tuple[str, ...]) -> list[str]:
    """Where the directory is fetched from: what the operator wrote down, then every other node."""
    listed = (
        node.url or node.peer_url
        for entry in directory.parties
        if entry.id != party
        for node in entry.nodes
    )
    return [url for url in dict.fromkeys([*written_down, *listed]) if url]


@contextmanager
def following(node: Node, home: Path, seconds: float) -> Iterator[None]:
    """Ask other nodes for directories, keys and revocations every `seconds`, in a thread."""
    config = load_config(home)
    # As in `Peering`: this machine itself is asked only by a node that is for it alone, or where
    # the operator wrote the address down.
    alone = config.node.host in LOOPBACK and not config.node.behind_proxy
    written = config.directory.sources
    peers = Peers(lambda url: open_client(url, own_machine=alone or url in written))
    follower = Follower(node, lambda: sources_of(node.directory, node.party, written), peers)
    stop = threading.Event()

    def wait() -> float:
        return seconds * (0.75 + node.rng(1)[0] / 512)

    thread = threading.Thread(target=follower.run, args=(stop, wait), name="follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(3)  # it may be waiting for another node; it is a daemon
        peers.close()
