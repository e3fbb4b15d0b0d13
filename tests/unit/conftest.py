"""One node in this process with two guests that have joined it, on the real store."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.canonical import b64decode
from tocsin.client import Client, Reply
from tocsin.console import api
from tocsin.flows import drafts as drafting
from tocsin.flows import intake, join
from tocsin.flows.node import Node
from tocsin.policy import ANONYMOUS, Actor, UserRole
from tocsin.record.envelope import sign
from tocsin.record.keys import Signer
from tocsin.record.statement import key_body
from tocsin.stix import ids
from tocsin.stix.model import make
from tocsin.wiring.keys import load_signer, make_keys
from tocsin.wiring.node import GUEST_SCOPES, open_node
from tocsin.wiring.party import init, party_entry

NORTH, GRID, SOUTH = "cert.northland.example", "gridco.example", "cert.southmark.example"
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ARTICLE = """Northland calls for joint response to grid attacks

“Eastmere has carried out large-scale attacks on our power grid,” said Tomas Brandt, spokesman of \
the Northland Foreign Ministry.

“They came back three times, and each time the door was open.”

Operators should look for sign-ins from 203[.]0[.]113[.]77 and for lockstep-update[.]example.
"""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


class Rng:
    """Bytes that never come twice and are the same in every run."""

    def __init__(self, seed: str) -> None:
        self.seed, self.count = seed, 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return hashlib.shake_256(f"{self.seed} {self.count}".encode()).digest(size)


class World:
    """northland's node; gridco and southmark have joined it and keep their keys at home."""

    NORTH, GRID, SOUTH = NORTH, GRID, SOUTH
    ARTICLE = ARTICLE

    def __init__(self, home: Path, node: Node, clock: Clock, guests: Mapping[str, Signer]) -> None:
        self.home, self.node, self.clock, self.guests = home, node, clock, guests
        self.secret: dict[str, str] = {}

    # --- doors --------------------------------------------------------------------------------

    def actor(self, party: str | None = NORTH, role: UserRole = "admin") -> Actor:
        """Somebody at the door: of this node's party by role, of a guest's by its token."""
        if party is None:
            return Actor(reader=ANONYMOUS)
        if party != NORTH:
            reader = self.node.reader(party, person=party, role="signer")
            return Actor(reader=reader, role="signer", scopes=frozenset(GUEST_SCOPES))
        return Actor(reader=self.node.reader(party, person="anna", role=role), role=role)

    def ask(
        self,
        method: str,
        path: str,
        *,
        party: str | None = NORTH,
        role: UserRole = "admin",
        body: Any = b"",
        headers: Mapping[str, str] = {},
        **query: str,
    ) -> api.Answer:
        """One request, as `api.answer` takes it; a body that is not bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        actor = self.actor(party, role)
        asked = {k.replace("_", "-") if k == "as_known" else k: v for k, v in query.items()}
        return api.answer(self.node, actor, method, api.BASE + path, asked, raw, headers)

    def json(self, method: str, path: str, **how: Any) -> Any:
        """The JSON of an answer that is no refusal."""
        found = self.ask(method, path, **how)
        assert found.status < 400, found.body
        return msgspec.json.decode(found.body)

    def refused(self, method: str, path: str, **how: Any) -> tuple[int, str, str]:
        """(status, type, detail) of a refusal."""
        found = self.ask(method, path, **how)
        assert found.status >= 400, found.body
        assert found.media_type == "application/problem+json"
        problem = msgspec.json.decode(found.body)
        return found.status, problem["type"].rpartition("/")[2], problem["detail"]

    def client(
        self, party: str = GRID, *, twist: Callable[[bytes], bytes] = lambda body: body
    ) -> Client:
        """A party's own client. `twist` changes what the node answers to a POST: a hostile node."""
        actor = self.actor(party)

        def door(
            method: str,
            path: str,
            query: Mapping[str, str],
            body: bytes,
            headers: Mapping[str, str],
        ) -> Reply:
            found = api.answer(self.node, actor, method, path, query, body, headers)
            out = twist(found.body) if method == "POST" and found.status < 300 else found.body
            return Reply(status=found.status, media_type=found.media_type, body=out)

        return Client(door, signer=lambda: self.guests.get(party))

    # --- what happens -------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Statements in the log."""
        head = self.node.store.head()
        return head.size if head else 0

    def ingest(self, text: str = ARTICLE, *, published: date | None = date(2026, 11, 18)) -> Any:
        """The drafts of a report."""
        return drafting.ingest(self.node, text.encode(), "report.txt", published=published)[1]

    def sign(self, prepared: Any) -> bytes:
        """The envelope of a payload that a guest was given, signed at home."""
        payload = b64decode(prepared.payload)
        return sign(payload, [self.guests[prepared.author]])

    def as_guest(self, act: intake.Act) -> intake.Done:
        """A guest says something."""
        return intake.enter(self.node, self.sign(intake.prepare(self.node, act)))

    def indicator(self, party: str = NORTH, value: str = "203.0.113.77", **props: Any) -> bytes:
        """An indicator created by a party."""
        at = intake.stix_time(self.clock())
        given = {
            "id": ids.deterministic("indicator", party, value),
            "created": at,
            "created_by_ref": self.node.identity(party),
            "name": value,
            "pattern": f"[ipv4-addr:value = '{value}']",
            "pattern_type": "stix",
            "valid_from": at,
            **props,
        }
        return make("indicator", **given)


@contextmanager
def opened(home: Path, guests: Mapping[str, Signer], seed: str = "again") -> Iterator[World]:
    clock = Clock()
    with open_node(home, clock=clock, rng=Rng(seed)) as node:
        yield World(home, node, clock, guests)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Signer]]:
    """The folder that every world is a copy of, and the guests' signing keys."""
    home = tmp_path_factory.mktemp("template") / "north"
    rng, clock = Rng("template"), Clock()
    init(home, NORTH, "CERT Northland", clock=clock, rng=rng)
    guests: dict[str, Signer] = {}
    with open_node(home, clock=clock, rng=rng) as node:
        for party, name in ((GRID, "GridCo"), (SOUTH, "CERT Southmark")):
            folder = home.with_name(party)
            make_keys(folder, party, log=False, rng=rng)
            signing = guests[party] = load_signer(folder, party, "signing")
            answer = join.enrolment(
                join.invitation(node, NORTH, party, url=""),
                party_entry(folder, party, name, log=None),
                load_signer(folder, party, "root"),
                key_body(signing.public),
                time=clock(),
                salt=rng(16).hex(),
            )
            join.admit_party(node, answer)
    return home, guests


@pytest.fixture(scope="session")
def copy(
    template: tuple[Path, dict[str, Signer]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], AbstractContextManager[World]]:
    """Makes another such node."""

    @contextmanager
    def another() -> Iterator[World]:
        home = tmp_path_factory.mktemp("world") / "north"
        shutil.copytree(template[0], home)
        with opened(home, template[1]) as one:
            yield one

    return another


@pytest.fixture
def world(copy: Callable[[], AbstractContextManager[World]]) -> Iterator[World]:
    """A node of one's own."""
    with copy() as one:
        yield one


@pytest.fixture
def restart(template: tuple[Path, dict[str, Signer]]) -> Iterator[Callable[[World], World]]:
    """Ends a node and opens its folder again, as after a crash."""
    with ExitStack() as stack:

        def again(before: World) -> World:
            before.node.store.close()
            one: AbstractContextManager[World] = opened(before.home, template[1], "restart")
            world = stack.enter_context(one)
            world.clock.now = before.clock.now
            return world

        yield again
