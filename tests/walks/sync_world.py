"""Nodes that exchange statements in one process: a network that parts and heals, kills, a liar.

Everything is seeded. A round is: every node, in an order of the seed's, exchanges once with every
other it can reach.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
from tests.faults.three_nodes import federation

from tocsin.console.auth import Rates
from tocsin.console.peer import PeerDoor
from tocsin.errors import UnreachableError
from tocsin.flows import holders, intake
from tocsin.flows.node import Node
from tocsin.flows.sync import Sync
from tocsin.record.requests import Answer, sign_request
from tocsin.stix.bundle import open_object
from tocsin.wiring.keys import load_node_key
from tocsin.wiring.node import open_node

PARTIES = tuple(
    f"cert.{name}.example"
    for name in ("northland", "southmark", "eastmere", "westwater", "midfield")
)
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Clock:
    at: datetime = START

    def __call__(self) -> datetime:
        return self.at


def build(folder: Path, parties: tuple[str, ...] = PARTIES) -> None:
    """The folders that every world is a copy of."""
    homes = federation(folder, parties, clock=Clock())
    for home, party in zip(homes, parties, strict=True):
        if home.name != party:
            home.rename(folder / party)


@dataclass
class Running:
    """A node that runs, and the way into it."""

    node: Node
    sync: Sync
    door: PeerDoor
    stack: ExitStack


@dataclass
class World:
    """All nodes, and the network between them."""

    folder: Path
    parties: tuple[str, ...]
    rng: random.Random
    clock: Clock = field(default_factory=Clock)
    running: dict[str, Running] = field(default_factory=dict)
    apart: Callable[[str, str], bool] = lambda a, b: False
    unlisted: frozenset[str] = frozenset()
    """Nodes that nobody reaches: they ask, and bring."""
    lie: Callable[[str, str, Answer], Answer] | None = None
    """(who answers, target, answer) → what is sent instead."""
    asked: int = 0
    traffic: int = 0
    spoken: list[str] = field(default_factory=list)
    """Ids of everything said, by whomever."""
    refused: list[str] = field(default_factory=list)

    def start(self, party: str) -> None:
        stack = ExitStack()
        node = stack.enter_context(
            open_node(self.folder / party, clock=self.clock, rng=self.rng.randbytes)
        )
        sync = Sync(node, _Wire(self, party), address=lambda: party not in self.unlisted)
        door = PeerDoor(sync, Rates(lambda: 0.0), self.clock())
        self.running[party] = Running(node, sync, door, stack)

    def stop(self, party: str) -> None:
        self.running.pop(party).stack.close()

    def node(self, party: str) -> Node:
        return self.running[party].node

    @contextmanager
    def killed_after(self, party: str, writes: int, *, before: bool) -> Iterator[None]:
        """What happens inside ends for `party` at its n-th write: before it, or when it is done."""
        store: Any = self.node(party).store  # what writes is one thread behind it
        store = store._writes
        real, left = store._ask, [writes]

        def ask(job: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            if left[0] == 0 and before:
                raise Killed
            found = real(job)
            if left[0] == 0:
                raise Killed
            return found

        store._ask = ask
        try:
            yield
        except Killed:
            pass
        finally:
            store._ask = real
            if left[0] <= 0:
                self.stop(party)
                self.start(party)

    # --- doing --------------------------------------------------------------------------------

    def say(self, party: str, n: int, *, tlp: str = "GREEN", to: tuple[str, ...] = (),
            refs: tuple[str, ...] = (), type: str = "tool", **more: Any) -> str:  # fmt: skip
        """One object, said; the statement's id."""
        node = self.node(party)
        data = {
            "type": type,
            "spec_version": "2.1",
            "id": f"{type}--00000000-0000-4000-8000-{n:012d}",
            "created": "2026-11-22T08:00:00.000Z",
            "modified": "2026-11-22T08:00:00.000Z",
            "created_by_ref": node.identity(party),
            "name": f"thing {n}",
            **more,
        }
        item = open_object(orjson.dumps(data))
        act = intake.Act(
            author=party, kind="say", tlp=tlp, to=to, refs=refs, objects=(item,)  # type: ignore[arg-type]
        )  # fmt: skip
        return self._said(intake.record(node, act).id)

    def withdraw(self, party: str, id: str) -> str:
        done = intake.withdraw(self.node(party), party, id)
        assert isinstance(done, intake.Done)
        return self._said(done.id)

    def _said(self, id: str) -> str:
        self.spoken.append(id)
        return id

    def round(self, *only: str) -> None:
        """Every node exchanges once with every other."""
        self.clock.at += timedelta(minutes=20)  # so that nobody waits because of earlier failures
        parties = list(only or self.parties)
        self.rng.shuffle(parties)
        for party in parties:
            self.running[party].sync.round()
            self.clock.at += timedelta(seconds=1)

    def ask(self, source: str, target_party: str, method: str, target: str, body: bytes) -> Answer:
        self.asked += 1
        if target_party in self.unlisted or target_party not in self.running:
            raise UnreachableError(f"{target_party} has no door", remedy="-")
        if self.apart(source, target_party):
            raise UnreachableError(f"{source} does not reach {target_party}", remedy="-")
        key = load_node_key(self.folder / source, source)
        assert key is not None
        headers = sign_request(
            key, target_party, method, target, body,
            now=self.clock(), nonce=self.rng.randbytes(16).hex(),
        )  # fmt: skip
        found = self.running[target_party].door.answer(method, target, headers, body)
        self.traffic += len(body) + len(found.body) + 400
        if found.status >= 500:
            raise AssertionError((target_party, method, target, found))
        return self.lie(target_party, target, found) if self.lie is not None else found

    # --- looking ------------------------------------------------------------------------------

    def held(self, party: str) -> dict[str, bool]:
        """What the party may read at its own node: id → whether it is withdrawn."""
        node = self.node(party)
        allowed = node.allowed(node.reader(party))
        return {k.id: k.withdrawn for k in node.store.statements(allowed)}

    def objects(self, party: str) -> dict[str, bool]:
        node = self.node(party)
        allowed = node.allowed(node.reader(party))
        return {o.sha256: o.withdrawn for o in node.store.select(allowed)}

    def holders(self, party: str, id: str) -> dict[str, str]:
        node = self.node(party)
        return {h.party: h.state for h in holders.holders(node, node.reader(party), id)}


class _Wire:
    def __init__(self, world: World, source: str) -> None:
        self._world, self._source = world, source

    def ask(
        self, party: str, url: str, method: str, target: str, body: bytes = b"", *, limit: int
    ) -> Answer:
        return self._world.ask(self._source, party, method, target, body)


@contextmanager
def world(
    built: Path, folder: Path, seed: int, parties: tuple[str, ...] = PARTIES, **more: Any
) -> Iterator[World]:
    """A world of running nodes, from folders that `build` made."""
    shutil.copytree(built, folder)
    found = World(folder, parties, random.Random(seed), **more)
    try:
        for party in parties:
            found.start(party)
        yield found
    finally:
        for party in list(found.running):
            found.stop(party)


def decoded(answer: Answer) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.json.decode(answer.body)
    return found
