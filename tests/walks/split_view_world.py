"""The world of `test_split_view.py`: five nodes, their wires, and a log with several histories."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.unit.record.log_case import TIME, GrowingLog, MemoryState, QuickSigner

from tocsin import canonical
from tocsin.canonical import b64encode
from tocsin.errors import ForkError, NoteError, WitnessRefused
from tocsin.record import checkpoint as notes
from tocsin.record import gossip, merkle
from tocsin.record.fork import ForkProof, fork_path, open_fork, verify_fork, write_fork
from tocsin.record.keys import LogSigner, WitnessSigner
from tocsin.record.statement import Seen
from tocsin.record.witness import Conflict, Held, Witness, open_answer, write_request

NODES = 5
ROUNDS = 6
HEALED = 2
"""Rounds at the end without loss and partition."""
TRIES = 12
BYZANTINE, HONEST = 0, 1
EVIL_SIGNER = LogSigner.from_seeds("portco.example/log", b"\x01" * 32, b"\x02" * 32)
HONEST_SIGNER = LogSigner.from_seeds("cert.northland.example/log", b"\x03" * 32, b"\x04" * 32)
EVIL, GOOD = EVIL_SIGNER.name, HONEST_SIGNER.name
KEYS = {
    signer.name: [notes.open_vkey(signer.vkeys()[0])] for signer in (EVIL_SIGNER, HONEST_SIGNER)
}
ALL_KEYS = [key for keys in KEYS.values() for key in keys]
HASHES = {origin: hashlib.sha256(origin.encode()).hexdigest() for origin in KEYS}
SIGNERS = [
    WitnessSigner.from_seeds(f"n{n}.example/witness", bytes([16 + n]) * 32, bytes([32 + n]) * 32)
    for n in range(NODES)
]
COSIGNERS = [notes.open_vkey(signer.vkeys()[0]) for signer in SIGNERS]


class Refused(Exception):
    """The log answers that it does not answer."""


class Silence(Exception):
    """Nothing comes."""


TILES = ("right", "own", "garbage", "refuse", "silent")
"""What the log does when asked for tiles: those of the head asked about; those of the asker's
history; some with a hash made up; a refusal; no answer."""


@dataclass
class Habits:
    """How the Byzantine party of one seed behaves."""

    tiles: str
    equal_sizes: bool
    views: int
    clumsy: bool
    """It now and then shows a witness the other history, or replays."""
    cosigns_all: bool
    """Its witness cosigns whatever its log shows, and answers each peer as it likes."""
    lies_in_seen: bool
    fork_round: int


class Network:
    """Loses and parts, each as its seed says."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.loss = rng.choice([0.0, 0.05, 0.15])
        self.side = [0] * NODES
        self.healed = False

    def turn(self) -> None:
        """A new round: the partition may change."""
        if self.healed:
            self.side, self.loss = [0] * NODES, 0.0
        elif self.rng.random() < 0.5:
            parted = self.rng.random() < 0.6
            self.side = [self.rng.randrange(2) if parted else 0 for _ in range(NODES)]

    def cut(self, a: int, b: int) -> bool:
        return self.side[a] != self.side[b]

    def sent(self, a: int, b: int) -> bool:
        """Whether one message arrives."""
        return not self.cut(a, b) and self.rng.random() >= self.loss

    def asked(self, a: int, b: int) -> bool:
        """Whether a question and its answer arrive, with the patience of a connection."""
        return any(self.sent(a, b) and self.sent(b, a) for _ in range(TRIES))


class EvilLog:
    """One signing key and several trees."""

    def __init__(self, rng: random.Random, habits: Habits) -> None:
        self.rng, self.habits = rng, habits
        self.views = [GrowingLog(EVIL_SIGNER, both=False).grow(rng.randint(1, 40))]
        self.view_of = [0] * NODES
        self.sizes = [0] * NODES
        """What each witness has cosigned of its view, as the log knows it."""
        self.told: dict[tuple[int, bytes], set[int]] = {}
        """(size, root) → witnesses that have cosigned it."""

    def turn(self, number: int) -> None:
        if number == self.habits.fork_round:
            trunk = self.views[0]
            self.views = [trunk, *(trunk.copy() for _ in range(self.habits.views - 1))]
            self.view_of = [self.rng.randrange(len(self.views)) for _ in range(NODES)]
        common = self.rng.randint(1, 6)
        for place, view in enumerate(self.views):
            count = common if self.habits.equal_sizes else self.rng.randint(0, 6)
            view.grow(count, f"view {place}")

    def requests(self) -> Iterator[tuple[int, bytes, Callable[[bytes | WitnessRefused], None]]]:
        if self.habits.cosigns_all:
            # Its own witness puts its lines under every history.
            for view in self.views:
                data = write_request(0, [], view.note())
                yield BYZANTINE, data, self._answered(BYZANTINE, view, view.size)
        for node in range(BYZANTINE + self.habits.cosigns_all, NODES):
            view = self.views[self.view_of[node]]
            if self.habits.clumsy and self.rng.random() < 0.1:
                view = self.rng.choice(self.views)
            old = min(self.sizes[node], view.size)
            data = write_request(old, view.path(old), view.note())
            yield node, data, self._answered(node, view, view.size)

    def _answered(
        self, node: int, view: GrowingLog, size: int
    ) -> Callable[[bytes | WitnessRefused], None]:
        def take(answer: bytes | WitnessRefused) -> None:
            if isinstance(answer, WitnessRefused):
                if answer.size is not None:
                    self.sizes[node] = answer.size
                return
            self.sizes[node] = size
            self.told.setdefault((size, view.root(size)), set()).add(node)

        return take

    def path(self, asker: int, need: gossip.NeedsPath) -> list[bytes]:
        """Tiles of the size asked for, in the log's own manner."""
        tree = self.views[self.view_of[asker]]
        if self.habits.tiles == "right":
            tree = next((v for v in self.views if holds(v, need.new)), tree)
        if self.habits.tiles == "silent":
            raise Silence
        if self.habits.tiles == "refuse" or tree.size < need.new.size:
            raise Refused
        path = fork_path(tree.get_hash, need.old.size, need.new.size)
        if self.habits.tiles == "garbage":
            path[self.rng.randrange(len(path))] = self.rng.randbytes(32)
        return path

    def one_history(self, a: gossip.Head, b: gossip.Head) -> bool:
        """The truth, which nobody in this world knows."""
        old, new = sorted((a, b), key=lambda head: head.size)
        return any(holds(view, old) and holds(view, new) for view in self.views)


def holds(log: GrowingLog, head: gossip.Head) -> bool:
    return head.size <= log.size and log.root(head.size) == head.root


@dataclass
class Said:
    """A statement on its way into the honest log."""

    leaf: bytes
    submitted: int
    index: int = -1
    acknowledged: int | None = None
    size: int = 0


class GoodLog:
    """Enters what arrives, asks the witnesses, acknowledges what a quorum has cosigned."""

    def __init__(self, rng: random.Random, quorum: int) -> None:
        self.rng, self.quorum = rng, quorum
        self.log = GrowingLog(HONEST_SIGNER, both=False).grow(rng.randint(1, 40))
        self.sizes = [0] * NODES
        self.cosigned: Counter[int] = Counter()
        self.on_the_way: list[Said] = []
        self.said: list[Said] = []
        self.clock = 0

    def turn(self) -> None:
        for _ in range(self.rng.randint(1, 4)):
            self.clock += 1
            leaf = merkle.leaf_hash(f"said {self.clock}".encode())
            self.on_the_way.append(Said(leaf=leaf, submitted=self.clock))
        self.rng.shuffle(self.on_the_way)
        for _ in range(self.rng.randint(1, len(self.on_the_way))):
            said = self.on_the_way.pop()
            said.index = self.log.append(said.leaf)
            self.said.append(said)

    def requests(self) -> Iterator[tuple[int, bytes, Callable[[bytes | WitnessRefused], None]]]:
        size = self.log.size
        for node in range(NODES):
            yield node, self.request(node, size), self._answered(node, size)

    def request(self, node: int, size: int) -> bytes:
        old = self.sizes[node]
        return write_request(old, self.log.path(old, size), self.log.note(size))

    def _answered(self, node: int, size: int) -> Callable[[bytes | WitnessRefused], None]:
        def take(answer: bytes | WitnessRefused) -> None:
            if isinstance(answer, WitnessRefused):
                if answer.size is not None and answer.size <= self.log.size:
                    self.sizes[node] = answer.size
                return
            try:
                open_answer(self.log.note(size), answer, [COSIGNERS[node]])
            except NoteError:
                return  # a lying witness: its line counts for nothing
            self.sizes[node] = max(size, self.sizes[node])
            self.cosigned[size] += 1
            if self.cosigned[size] == self.quorum:
                self._acknowledge(size)

        return take

    def _acknowledge(self, size: int) -> None:
        self.clock += 1
        for said in self.said:
            if said.acknowledged is None and said.index < size:
                said.acknowledged, said.size = self.clock, size


class Kept(MemoryState):
    """Remembers all that its witness ever cosigned, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Held] = []

    def advance(self, new: Held, expected: Held | None) -> None:
        super().advance(new, expected)
        self.all.append(new)


class Node:
    """An honest node: a real witness, and the rules of gossip over what it meets."""

    def __init__(self, number: int, world: World) -> None:
        self.number, self.world = number, world
        self.name = f"n{number}.example"
        self.state = Kept()
        self.held: list[gossip.Head] = []
        self.questions: dict[tuple[str, int, bytes], gossip.Question] = {}
        self.known: set[tuple[str, int, bytes, bool]] = set()
        self.read: set[bytes] = set()
        self.forks: dict[str, bytes] = {}
        self.alarms: list[gossip.Unexplained] = []
        self.contact: int | None = None
        """Gossip rounds, with the log in reach, since it met the second history."""
        self.witness = Witness(
            SIGNERS[number] if world.both_keys else QuickSigner(SIGNERS[number]),
            self.state,
            lambda origin: KEYS.get(origin, []),
            world.now,
            self.forks.__contains__,
            self.evidence,
            origins=lambda: KEYS,
        )

    def evidence(self, conflict: Conflict) -> None:
        if conflict.fork is not None:
            self.prove(conflict.fork)
        else:
            self.consider(gossip.head_of(conflict.note, KEYS[conflict.origin], "a request"))

    def prove(self, proof: ForkProof) -> None:
        """Keep a proof that holds; whoever brought it."""
        verify_fork(proof, KEYS[proof.origin])
        self.forks.setdefault(proof.origin, write_fork(proof))

    def consider(self, met: gossip.Head) -> None:
        key = (met.origin, met.size, met.root, met.note is not None)
        if key in self.known:
            return
        self.known.add(key)
        self.world.observe(self, met)
        verdict = gossip.meet(self.held, met)
        if isinstance(verdict, gossip.NeedsPath):
            self.questions[key[:3]] = gossip.Question(need=verdict)
        else:
            self.settle(met, verdict or gossip.Consistent(origin=met.origin))

    def settle(self, met: gossip.Head, verdict: gossip.Settled) -> None:
        if isinstance(verdict, gossip.Fork):
            self.prove(verdict.proof)
        elif isinstance(verdict, gossip.Unexplained):
            self.alarms.append(verdict)
        elif met.note is not None:
            self.held.append(met)

    def gossip(self) -> None:
        """Look at what our own witness cosigned, and at what two others show."""
        for origin in KEYS:
            own = self.state.read(origin)
            if own is not None:
                head = gossip.Head(
                    origin=origin, size=own.size, root=own.root, note=own.note, source=self.name
                )
                self.consider(head)
        others = [n for n in range(NODES) if n != self.number]
        for peer in self.world.rng.sample(others, 2):
            if not self.world.network.asked(self.number, peer):
                continue
            for note in self.world.shown(peer, self.number):
                if note not in self.read:
                    self.read.add(note)
                    self.consider(gossip.head_of(note, ALL_KEYS, f"n{peer}.example"))
            for seen in self.world.seen(peer):
                self.consider(gossip.said(seen, f"n{peer}.example"))
            for origin, data in self.world.proofs(peer).items():
                with suppress(ForkError):
                    if origin not in self.forks:
                        self.prove(open_fork(data))

    def ask(self) -> None:
        """Ask the logs for the paths that are missing."""
        for key, question in list(self.questions.items()):
            need = question.need
            owner = BYZANTINE if need.origin == EVIL else HONEST
            alive = self.world.network.asked(self.number, owner)
            verdict: gossip.Settled | gossip.Question
            try:
                if not alive:
                    raise Silence
                verdict = gossip.resolve(need, self.world.path(self.number, need))
            except Refused:
                verdict = gossip.resolve(need, None)
            except Silence:
                verdict = gossip.unanswered(question, alive=alive)
            if isinstance(verdict, gossip.Question):
                self.questions[key] = verdict
                continue
            del self.questions[key]
            met = need.new if key[1:] == (need.new.size, need.new.root) else need.old
            # What is held may have grown since the question: let it be met again by all of it.
            if isinstance(verdict, gossip.Consistent) and met.note is not None:
                again = gossip.meet(self.held, met)
                if isinstance(again, gossip.NeedsPath):
                    if again != need:
                        self.questions[key] = gossip.Question(need=again)
                        continue
                elif again is not None:
                    verdict = again
            self.settle(met, verdict)

    def alarmed(self, origin: str) -> bool:
        return origin in self.forks or any(alarm.origin == origin for alarm in self.alarms)


@dataclass
class World:
    """One seed."""

    seed: int
    both_keys: bool = False
    force: dict[str, Any] = field(default_factory=dict)
    """Habits that are not left to the seed."""
    rng: random.Random = field(init=False)
    round: int = 0

    def __post_init__(self) -> None:
        self.rng = rng = random.Random(self.seed)
        self.habits = Habits(
            tiles=rng.choice(TILES),
            equal_sizes=rng.random() < 0.5,
            views=rng.choice([2, 2, 3]),
            clumsy=rng.random() < 0.3,
            cosigns_all=rng.random() < 0.7,
            lies_in_seen=rng.random() < 0.3,
            fork_round=rng.randint(0, 3),
        )
        self.habits = replace(self.habits, **self.force)
        self.network = Network(rng)
        self.evil = EvilLog(rng, self.habits)
        self.good = GoodLog(rng, quorum=3)
        self.nodes = {n: Node(n, self) for n in range(NODES)}
        self.honest = [node for n, node in self.nodes.items() if n != BYZANTINE]
        self.requests: list[tuple[int, int, bytes]] = []
        """Everything ever sent to a witness: (from, to, bytes)."""

    def now(self) -> datetime:
        # A clock that jumps: witness times must not.
        return datetime.fromtimestamp(TIME, UTC) + timedelta(hours=self.rng.randint(-48, 48))

    # --- what the wires carry -----------------------------------------------------------------

    def cosign(self, node: int, data: bytes) -> bytes:
        if node != BYZANTINE or not self.habits.cosigns_all:
            return self.nodes[node].witness.add_checkpoint(data)
        # The dishonest witness: no memory, no checks.
        text = notes.open_note(data.partition(b"\n\n")[2]).text
        head, signer = notes.open_checkpoint(text), SIGNERS[node]
        line = notes.cosign_ed25519(
            head, signer.name, signer.public, signer.sign_ed25519, self.rng.randrange(TIME)
        )
        return line.text.encode()

    def deliver(self) -> None:
        """All requests of a round, in any order; some are lost, some come again, late."""
        sent = [(BYZANTINE, *request) for request in self.evil.requests()]
        sent += [(HONEST, *request) for request in self.good.requests()]
        self.rng.shuffle(sent)
        for source, node, data, answered in sent:
            self.requests.append((source, node, data))
            if not self.network.sent(source, node):
                continue
            try:
                answer: bytes | WitnessRefused = self.cosign(node, data)
            except WitnessRefused as refused:
                answer = refused
            if self.network.sent(node, source):
                answered(answer)
        for source, node, data in self.rng.sample(self.requests, min(3, len(self.requests))):
            if self.network.sent(source, node):
                self.try_request(node, data)
        # Anybody may bring an honest log's checkpoint with a proof that is none.
        victim = self.rng.randrange(1, NODES)
        old = self.nodes[victim].state.read(GOOD)
        if self.network.sent(BYZANTINE, victim) and old is not None:
            junk = [self.rng.randbytes(32) for _ in range(self.rng.randint(0, 4))]
            self.try_request(victim, write_request(old.size, junk, self.good.log.note()))

    def try_request(self, node: int, data: bytes) -> None:
        with suppress(WitnessRefused):
            self.nodes[node].witness.add_checkpoint(data)

    def shown(self, peer: int, asker: int) -> Iterator[bytes]:
        """`GET /witness/<hash>/checkpoint` of a peer, for each log."""
        if peer == BYZANTINE and self.habits.cosigns_all:
            view = self.evil.views[self.evil.view_of[asker]]
            yield view.note(self.rng.randint(1, view.size))
            yield self.good.log.note(self.rng.randint(1, self.good.log.size))
            return
        for name in HASHES.values():
            try:
                yield self.nodes[peer].witness.checkpoint(name)
            except WitnessRefused:
                continue

    def seen(self, peer: int) -> list[Seen]:
        """What the peer's newest statement says of the logs."""
        if peer == BYZANTINE and self.habits.lies_in_seen:
            size = self.rng.randint(1, self.good.log.size + 3)
            return [Seen(origin=GOOD, root=b64encode(self.rng.randbytes(32)), size=size)]
        node = self.nodes[peer]
        found = [node.state.read(origin) for origin in KEYS]
        return [
            Seen(origin=one.origin, root=b64encode(one.root), size=one.size)
            for one in found
            if one is not None
        ]

    def proofs(self, peer: int) -> dict[str, bytes]:
        """The fork proofs that a peer knows; the Byzantine one frames the honest log."""
        if peer != BYZANTINE:
            return self.nodes[peer].forks
        log = self.good.log
        small, large = sorted(self.rng.sample(range(1, log.size + 1), 2))
        made_up = {
            "a": log.note(small).decode(),
            "b": log.note(large).decode(),
            "kind": "fork-proof",
            "origin": GOOD,
            "proof": [b64encode(digest) for digest in log.fork_path(small, large)],
            "v": 1,
        }
        return {GOOD: canonical.encode(made_up)}

    def path(self, asker: int, need: gossip.NeedsPath) -> list[bytes]:
        if need.origin == EVIL:
            return self.evil.path(asker, need)
        log = self.good.log
        if need.new.size > log.size:
            raise Refused
        return fork_path(log.get_hash, need.old.size, need.new.size)

    # --- the truth ----------------------------------------------------------------------------

    def observe(self, node: Node, met: gossip.Head) -> None:
        if met.origin == EVIL and node.number != BYZANTINE and node.contact is None:
            mine = (head for head in node.held if head.origin == EVIL)
            if any(not self.evil.one_history(head, met) for head in mine):
                node.contact = 0

    @property
    def met(self) -> int:
        """How many honest nodes have met two histories."""
        return sum(node.contact is not None for node in self.honest)

    def split(self) -> bool:
        """Whether two honest witnesses have cosigned two histories of the Byzantine log."""
        held = [node.state.read(EVIL) for node in self.honest]
        heads = [gossip.head_of(one.note, KEYS[EVIL]) for one in held if one is not None]
        return any(not self.evil.one_history(a, b) for a in heads for b in heads)

    # --- the story ----------------------------------------------------------------------------

    def run(self) -> World:
        for self.round in range(ROUNDS + HEALED):
            self.network.healed = self.round >= ROUNDS
            self.network.turn()
            self.evil.turn(self.round)
            self.good.turn()
            self.deliver()
            for node in self.rng.sample(self.honest, len(self.honest)):
                node.gossip()
            for node in self.honest:
                node.ask()
            self.check_found()
        self.check_split_found()
        self.check_nobody_framed()
        self.check_acknowledged()
        for node in self.honest:
            self.check_witness(node.state.all)
        return self

    def check_found(self) -> None:
        """Two gossip rounds after it met the second history, a node has the proof or the alarm."""
        for node in self.honest:
            # A log that refuses its tiles may alarm before it forks; it is not proven to have.
            assert self.round >= self.habits.fork_round or EVIL not in node.forks
            if node.contact is not None and not self.network.cut(node.number, BYZANTINE):
                node.contact += 1
                if node.contact >= 2:
                    assert node.alarmed(EVIL), f"n{node.number} in round {self.round}"

    def check_witness(self, cosigned: list[Held]) -> None:
        """What one honest witness cosigned of a log is one history, and never goes back."""
        for origin in KEYS:
            kept = [one for one in cosigned if one.origin == origin]
            for old, new in pairwise(kept):
                assert old.size <= new.size
                assert old.time <= new.time
                a, b = (gossip.Head(origin=origin, size=h.size, root=h.root) for h in (old, new))
                assert self.evil.one_history(a, b) or (
                    holds(self.good.log, a) and holds(self.good.log, b)
                )

    def check_split_found(self) -> None:
        if self.split():
            assert any(node.alarmed(EVIL) for node in self.honest)

    def check_nobody_framed(self) -> None:
        for node in self.honest:
            assert GOOD not in node.forks
            for alarm in node.alarms:
                if alarm.origin == GOOD:
                    assert self.habits.lies_in_seen
                    # One of the two is his word; what the log itself signed is never alarming.
                    assert (None, "n0.example") in {
                        (head.note, head.source) for head in (alarm.a, alarm.b)
                    }

    def check_acknowledged(self) -> None:
        log = self.good.log
        assert any(said.acknowledged for said in self.good.said)
        for said in self.good.said:
            if said.acknowledged is None:
                continue
            path = merkle.inclusion_path(said.index, said.size, log.get_hash)
            merkle.verify_inclusion(said.leaf, said.index, said.size, path, log.root(said.size))
            path = merkle.inclusion_path(said.index, log.size, log.get_hash)
            merkle.verify_inclusion(said.leaf, said.index, log.size, path, log.root())
            for other in self.good.said:
                if other.submitted > said.acknowledged:
                    assert other.index > said.index
        for node in self.honest:
            held = node.state.read(GOOD)
            assert held is not None
            assert held.root == log.root(held.size)
        assert self.good.cosigned[log.size] >= 4

    def quorums(self, needed: int, counted: range = range(NODES)) -> dict[int, int]:
        """Size → how many roots of it have so many cosignatures of those that are counted."""
        found: Counter[int] = Counter()
        for (size, _), witnesses in self.evil.told.items():
            found[size] += len(witnesses.intersection(counted)) >= needed
        return found
