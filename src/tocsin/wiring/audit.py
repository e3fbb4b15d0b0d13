"""A log audited: one's own, or that of another node, read through its open door."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from tocsin.client import Client
from tocsin.errors import InputError, NoteError, UnreachableError, UnreadableError, UsageError
from tocsin.flows import audit as story
from tocsin.record import audit
from tocsin.record import checkpoint as notes
from tocsin.record.checkpoint import VerifierKey
from tocsin.wiring.door import connect, running
from tocsin.wiring.folder import find_home
from tocsin.wiring.node import open_node

Checks = Callable[[int], Any]
"""start → what the node finds in the statements from that index on (`flows.audit.checks`)."""


@contextmanager
def published(
    home: str | None, url: str | None, vkeys: Sequence[str]
) -> Iterator[tuple[bytes, audit.Read, list[VerifierKey], Checks | None]]:
    """What a log publishes: its checkpoint, a reader of its tiles, its keys; checks if it is ours.

    Args:
        home: the data folder, for one's own log and for the directory that names others' keys.
        url: another node; None: one's own log, which is read from the running node or its folder.
        vkeys: the log's verifier keys, where no directory here names them.

    Raises:
        UnreachableError: the node at `url` does not answer.
        UsageError: a verifier key is malformed, or neither a folder nor keys are at hand.
    """
    given = [_key(text) for text in vkeys]
    if url is not None:
        with _remote(url) as (note, read):
            yield note, read, given or _listed(home), None
        return
    folder = find_home(home)
    if running(folder) is not None:
        with connect(home) as client:
            head = client.get("/log")
            here = running(folder)
            if here is None:
                raise UnreachableError("the node has just stopped", remedy="say it again")
            known = given or [*_of(head["policy"]), *_named(client)]
            with _remote(here.url, own_machine=True) as (note, read):
                yield note, read, known, lambda start: client.get("/log/checks", start=start)
        return
    with open_node(folder) as node:
        known = given or [
            *_of(node.policy_text),
            *notes.usable(node.directory.origins().get(node.log.origin, ())),
        ]
        yield (
            node.log.checkpoint,
            node.log.tile,
            known,
            lambda start: msgspec.to_builtins(story.checks(node, start)),
        )


def _key(text: str) -> VerifierKey:
    try:
        return notes.open_vkey(text)
    except NoteError as wrong:
        raise UsageError(f"--vkey: {wrong.message}", remedy=wrong.remedy) from wrong


def _of(policy: str) -> list[VerifierKey]:
    return list(notes.open_policy(policy.encode()).logs)


def _listed(home: str | None) -> list[VerifierKey]:
    """Every log key that the directory of one's own folder names."""
    try:
        find_home(home)
    except UnreadableError as wrong:
        raise UnreadableError(
            wrong.message, remedy="give the log's key, as its owner gave it to you: --vkey VKEY"
        ) from wrong
    with connect(home) as client:
        return _named(client)


def _named(client: Client) -> list[VerifierKey]:
    found = client.get("/parties")["items"]
    return notes.usable(v for p in found for n in p["nodes"] for v in n.get("log_vkeys", ()))


@contextmanager
def _remote(url: str, *, own_machine: bool = False) -> Iterator[tuple[bytes, audit.Read]]:
    """The checkpoint of another node's log, and a reader of its tiles; None: it has none there."""
    from tocsin.outbound import is_loopback
    from tocsin.peers import Peers, open_client

    local = own_machine or is_loopback(url)  # whoever typed it meant it
    peers = Peers(lambda address: open_client(address, own_machine=local))

    def read(path: str) -> bytes | None:
        try:
            return peers.find_tile(url, path)
        except InputError as wrong:
            raise UnreachableError(wrong.message, remedy=wrong.remedy) from wrong

    try:
        yield peers.checkpoint(url), read
    finally:
        peers.close()


def tampered(read: audit.Read, size: int, index: int) -> audit.Read:
    """The same log, but for one flipped bit of one entry: a copy in memory, nothing is written.

    Raises:
        UsageError: the log has no such entry.
    """
    from tocsin.record import tiles

    if not 0 <= index < size:
        raise UsageError(f"the log has no entry {index}", remedy=f"0 to {size - 1}")
    number, place = divmod(index, tiles.WIDTH)
    path = tiles.entries_path(number, min(tiles.WIDTH, size - number * tiles.WIDTH))

    def other(asked: str) -> bytes | None:
        data = read(asked)
        if data is None or asked != path:
            return data
        changed = bytearray(data)
        changed[place * (tiles.ENTRY_BYTES + 2) + 3] ^= 1
        return bytes(changed)

    return other
