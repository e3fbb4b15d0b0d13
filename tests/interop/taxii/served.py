"""A node with its TAXII server on a loopback port, and accounts of two parties."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn
from tests.faults.three_nodes import federation

from tocsin.console import taxii as door
from tocsin.console.app import build
from tocsin.console.auth import Doors, Person, Rates
from tocsin.flows import intake, taxii_users
from tocsin.flows.node import Node
from tocsin.wiring.node import open_node, run_log

NORTH, GRID = "cert.northland.example", "cert.gridco.example"
TAXII = "application/taxii+json;version=2.1"
ROOT = "/taxii2/api/"


def uuid(n: int, word: str = "") -> str:
    """A UUIDv4 that is the same in every run."""
    made = bytearray(hashlib.sha256(f"{n} {word}".encode()).digest()[:16])
    made[6], made[8] = made[6] & 0x0F | 0x40, made[8] & 0x3F | 0x80
    text = made.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def indicator(n: int, *, modified: str = "2026-11-22T08:00:00.000Z", **more: Any) -> dict[str, Any]:
    """A small, valid indicator. The same `n` is the same id."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid(n)}",
        "created": "2026-11-22T08:00:00.000Z",
        "modified": modified,
        "name": f"number {n}",
        "pattern": f"[ipv4-addr:value = '203.0.113.{n % 256}']",
        "pattern_type": "stix",
        "valid_from": "2026-11-22T08:00:00Z",
        **more,
    }


def address(n: int) -> dict[str, Any]:
    """A cyber-observable object: neither `created` nor `modified`."""
    value = f"198.51.100.{n}"
    return {"type": "ipv4-addr", "spec_version": "2.1", "id": f"ipv4-addr--{uuid(n)}"} | {
        "value": value
    }


class Served:
    """The server, and short ways to ask it."""

    def __init__(self, node: Node, url: str) -> None:
        self.node = node
        self.url = url
        self.users: dict[str, str] = {}

    def user(self, name: str, party: str = NORTH, **how: Any) -> tuple[str, str]:
        """A new account: (name, password)."""
        password = taxii_users.add(self.node, taxii_users.User(name=name, party=party, **how))
        self.users[name] = password
        return name, password

    def token(self, name: str, party: str = NORTH, **how: Any) -> str:
        """A new account's Bearer token."""
        taxii_users.add(self.node, taxii_users.User(name=name, party=party, bearer=True, **how))
        doors = Doors(self.node.store, clock=self.node.clock, rng=self.node.rng)
        person = Person(name=name, party=party, role="analyst")
        scopes = ["taxii:read", "taxii:write"]
        return doors.make_token(person, scopes, timedelta(days=1), taxii_users.LABEL)

    def ask(
        self,
        method: str,
        path: str,
        *,
        auth: tuple[str, str] | str | None = "reader",
        accept: str | None = TAXII,
        **how: Any,
    ) -> httpx.Response:
        """One request; `auth` is an account's name, or what httpx takes."""
        headers = how.pop("headers", {})
        given = (auth, self.users[auth]) if isinstance(auth, str) else auth
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as client:
            if accept is None:
                del client.headers["accept"]
            else:
                headers = {"accept": accept, **headers}
            return client.request(method, path, auth=given, headers=headers, **how)

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.ask("GET", path, **how)

    def collection(self, alias: str, auth: str = "reader") -> str:
        """The path of a collection, by alias."""
        found = self.get(ROOT + "collections/", auth=auth).json()["collections"]
        [one] = [c["id"] for c in found if c["alias"] == alias]
        return f"{ROOT}collections/{one}/"

    def objects(self, alias: str = "all", auth: str = "reader", /, **params: Any) -> httpx.Response:
        """A page of objects."""
        return self.get(self.collection(alias, auth) + "objects/", auth=auth, params=params)

    def say(self, *objects: dict[str, Any] | bytes, **how: Any) -> None:
        """This node's party publishes objects."""
        raws = [o if isinstance(o, bytes) else orjson.dumps(o) for o in objects]
        bundle = b'{"type":"bundle","id":"bundle--%s","objects":[%s]}' % (
            uuid(0).encode(),
            b",".join(raws),
        )
        intake.say(self.node, NORTH, bundle, **{"tlp": "GREEN", **how})

    def push(self, *objects: Any, auth: str = "writer", **how: Any) -> httpx.Response:
        """Objects put into the inbox."""
        headers = {"content-type": TAXII, **how.pop("headers", {})}
        content = how.pop("content", None) or orjson.dumps({"objects": list(objects)})
        path = self.collection("inbox", auth) + "objects/"
        return self.ask("POST", path, auth=auth, content=content, headers=headers, **how)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """A uvicorn server in a thread, on a port of its own."""
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        assert server.started
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def node_with_taxii(folder: Path, **how: Any) -> Iterator[Served]:
    """A node of northland's with the server, and an account of each of two parties."""
    home, _ = federation(folder, [NORTH, GRID])
    with open_node(home, clock=lambda: datetime.now(UTC)) as node, run_log(node):
        rates = Rates(time.monotonic)
        app = build(node, extra=door.routes(node, rates, **how)).asgi
        with serving(app) as url:
            served = Served(node, url)
            served.user("reader")
            served.user("writer", GRID, write=True)
            yield served


def ids(answer: httpx.Response) -> Sequence[str]:
    """The ids of a page, in order."""
    assert answer.status_code == 200, answer.text
    return [o["id"] for o in answer.json().get("objects", [])]
