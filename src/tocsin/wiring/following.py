"""What a running node does by itself, round after round: it looks at all logs, and keeps its
directory, keys and revocations as new as those of the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.flows import imports
from tocsin.flows.keys import Follower
from tocsin.flows.node import Node
from tocsin.peers import Peers, open_client
from tocsin.record.directory import Directory
from tocsin.wiring.folder import load_config

log = logging.getLogger(__name__)


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
    written = config.directory.sources
    peers = Peers(lambda url: open_client(url, own_machine=config.node.alone or url in written))
    follower = Follower(node, lambda: sources_of(node.directory, node.party, written), peers)
    try:
        with rounds(node, "follow", follower.run, seconds):
            yield
    finally:
        peers.close()


@contextmanager
def gossiping(node: Node, seconds: float) -> Iterator[None]:
    """Look at all logs every `seconds`, in a thread."""
    watch = node.watch
    if watch is None:
        yield
        return
    with rounds(node, "gossip", watch.run, seconds, watch.wake):
        yield


@contextmanager
def rounds(
    node: Node,
    name: str,
    run: Callable[[threading.Event, Callable[[], float]], None],
    seconds: float,
    wake: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """`run` in a thread of its own; it is given what stops it, and how long to wait each time."""
    stop = threading.Event()

    def wait() -> float:
        # With a jitter of a quarter: nodes that were started together must not ask all at once.
        return seconds * (0.75 + node.rng(1)[0] / 512)

    thread = threading.Thread(target=run, args=(stop, wait), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        wake()
        thread.join(3)  # it may be waiting for another node; it is a daemon


@contextmanager
def saying(node: Node) -> Iterator[None]:
    """Say the reports that people have asked for, in a thread; first those a restart cut off."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            node.jobs.wanted.clear()
            try:
                imports.say_waiting(node, stop)
            except Exception:  # what is wrong with one report stands in its row
                log.exception("saying a report failed")
            node.jobs.wanted.wait()

    thread = threading.Thread(target=work, name="saying", daemon=True)
    node.jobs.served = True
    thread.start()
    try:
        yield
    finally:
        node.jobs.served = False
        stop.set()
        node.jobs.wanted.set()
        thread.join(10)  # a few statements are on their way; what is left goes on at the next start
