"""The way to the node a verb is for: one that runs, one opened here, or another party's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from tocsin.client import Client, Door, Reply
from tocsin.errors import TocsinError, UsageError
from tocsin.flows.node import Node
from tocsin.policy import Actor
from tocsin.record.keys import Signer
from tocsin.store.files import read_secret
from tocsin.wiring.folder import check_joined, find_home, load_config, secret
from tocsin.wiring.keys import load_signer
from tocsin.wiring.node import open_node

READING = 180.0
"""Seconds that a report may be read in before whoever sent it gives up waiting."""


class Running(Struct, frozen=True, kw_only=True):
    """`run/node.json` of a running node: where it answers, and its owner's tokens by party."""

    url: str
    pid: int
    tokens: dict[str, str]


def running(home: Path) -> Running | None:
    """The node that runs on this data folder, if one does."""
    path = home / "run" / "node.json"
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(read_secret(path), type=Running)
        os.kill(found.pid, 0)
    except (OSError, msgspec.DecodeError, TocsinError):
        return None  # left behind by a node that was killed
    return found


@contextmanager
def connect(
    home: str | None, url: str | None = None, as_party: str | None = None
) -> Iterator[Client]:
    """The way to the node a verb is for.

    A node that runs on the data folder is talked to; otherwise the folder is opened here; a folder
    that has joined somebody else's node talks to that one, and signs with its own key.

    Args:
        home: data folder; None: one's own, else the exercise.
        url: another node, with the token of `TOCSIN_TOKEN`.
        as_party: one of the parties whose keys are in this folder (the exercise has several).
    """
    if url:
        folder = Path(home) if home else None
        yield Client(
            http_door(url),
            token=secret("TOKEN"),
            signer=lambda: _signer_of(folder, as_party),
            keep=receipts(folder) if folder else lambda _id, _proof: None,
        )
        return
    folder = find_home(home)
    config = load_config(folder)
    party = as_party or config.party
    if config.remote is not None:
        token = read_secret(folder / "keys" / "token").decode().strip()
        yield Client(
            http_door(config.remote.url),
            token=token,
            signer=lambda: _signer_of(folder, party),
            keep=receipts(folder),
        )
        return
    check_joined(folder)
    live = running(folder)
    if live is not None:
        if party not in live.tokens:
            raise UsageError(
                f"the key of {party} is not in {folder}",
                remedy="one of: " + ", ".join(sorted(live.tokens)),
            )
        yield Client(http_door(live.url), token=live.tokens[party])
        return
    with open_node(folder) as node:
        if party not in node.signers:
            raise UsageError(
                f"the key of {party} is not in {folder}",
                remedy="one of: " + ", ".join(sorted(node.signers)),
            )
        yield Client(inner_door(node, party))


def _signer_of(folder: Path | None, party: str | None) -> Signer | None:
    if folder is None:
        return None
    return load_signer(folder, party or load_config(folder).party, "signing")


def receipt_file(folder: Path, statement: str) -> Path:
    """Where a party without a node keeps the tlog-proof of what it said at another's."""
    return folder / "receipts" / f"{statement}.tlog-proof"


def receipts(folder: Path) -> Callable[[str, bytes], None]:
    """Keeps each proof beside the party's keys: its node cannot take it back."""

    def keep(statement: str, proof: bytes) -> None:
        path = receipt_file(folder, statement)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(proof)
        partial.replace(path)

    return keep


def inner_door(node: Node, party: str) -> Door:
    """A door straight into a node this process has opened, for its owner."""
    from tocsin.console import api

    actor = Actor(reader=node.reader(party, person="operator", role="admin"), role="admin")

    def door(
        method: str, path: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        found = api.answer(node, actor, method, path, query, body, headers)
        return Reply(status=found.status, media_type=found.media_type, body=found.body)

    return door


def http_door(url: str) -> Door:
    """A door to a node over HTTP."""
    from tocsin import outbound

    client = outbound.client(url, local=outbound.is_loopback(url))

    def door(
        method: str, path: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        slow = method == "POST" and path.endswith("/reports")  # a learned parser takes its time
        found = outbound.fetch(
            client,
            method,
            path,
            query=query,
            body=body,
            headers=headers,
            seconds=READING if slow else outbound.TOTAL,
            silence=READING if slow else None,
        )
        return Reply(status=found.status, media_type=found.media_type, body=found.body)

    return door
