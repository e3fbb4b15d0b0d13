"""What a node makes of what others show: alarms, forks, what is published and what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs
from tests.unit.fakes import MemoryStore
from tests.unit.record.log_case import GrowingLog

from tocsin.canonical import b64encode
from tocsin.errors import (
    ConflictError,
    ForkError,
    InputError,
    LogHalted,
    UnreachableError,
    WitnessRefused,
)
from tocsin.flows.histories import OPEN_A_LOG, OPEN_A_PARTY
from tocsin.flows.watch import Watch
from tocsin.flows.witnessing import LocalWitnessState
from tocsin.record import checkpoint as notes
from tocsin.record import fork as forks
from tocsin.record import gossip, tiles
from tocsin.record.directory import Directory, NodeEntry, Party, Registrars, Root, RootKey
from tocsin.record.keys import LogSigner, WitnessSigner
from tocsin.record.statement import Seen
from tocsin.record.witness import Held, Witness, write_request

NORTH, SOUTH, EAST = "cert.northland.example", "cert.southmark.example", "cert.eastmere.example"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def log_of(party: str, size: int = 5) -> GrowingLog:
    seed = party.encode().ljust(32, b"\0")[:32]
    return GrowingLog(LogSigner.from_seeds(f"{party}/log", seed, seed)).grow(size)


def witness_signer(party: str) -> WitnessSigner:
    seed = party.encode().ljust(32, b"\1")[:32]
    return WitnessSigner.from_seeds(f"{party}/witness", seed, seed)


def tile_of(log: GrowingLog, path: str) -> bytes | None:
    at = tiles.open_path(path)
    assert at.level is not None
    start = at.number * tiles.WIDTH
    if start + at.width > log.size >> 8 * at.level:
        return None
    return b"".join(log.get_hash(8 * at.level, start + n) for n in range(at.width))


class Own:
    """Our own log, as the sequencer shows it."""

    def __init__(self, log: GrowingLog) -> None:
        self.log = log
        self.halted: str | None = None

    @property
    def origin(self) -> str:
        return self.log.origin

    @property
    def checkpoint(self) -> bytes:
        if self.log.size == 0:
            raise LogHalted("empty", remedy="log something")
        return self.log.note()

    def tile(self, path: str) -> bytes | None:
        return tile_of(self.log, path)

    def halt(self, why: str) -> None:
        self.halted = why


class Shown:
    """One other node: its log, what its witness holds, the forks it knows."""

    def __init__(self, log: GrowingLog) -> None:
        self.log = log
        self.size = log.size
        self.held: dict[str, bytes] = {}
        self.known: list[bytes] = []
        self.away = False
        self.no_tiles = False


class Peers:
    """Other nodes by address."""

    def __init__(self) -> None:
        self.nodes: dict[str, Shown] = {}
        self.tiles_read = 0

    def _at(self, url: str) -> Shown:
        found = self.nodes.get(url)
        if found is None or found.away:
            raise UnreachableError(f"{url} does not answer", remedy="wait")
        return found

    def checkpoint(self, url: str) -> bytes:
        node = self._at(url)
        return node.log.note(node.size)

    def tile(self, url: str, path: str) -> bytes:
        node = self._at(url)
        self.tiles_read += 1
        data = None if node.no_tiles else tile_of(node.log, path)
        if data is None:
            raise UnreachableError(f"{path} is not there", remedy="ask for another")
        return data

    def held(self, url: str, origin: str) -> bytes | None:
        return self._at(url).held.get(origin)

    def forks(self, url: str) -> list[bytes]:
        return self._at(url).known


class World:
    """North watches; South and East are other nodes."""

    def __init__(self) -> None:
        self.own = Own(log_of(NORTH))
        self.south = Shown(log_of(SOUTH))
        self.east = Shown(log_of(EAST))
        self.peers = Peers()
        self.peers.nodes = {url(SOUTH): self.south, url(EAST): self.east}
        self.store = MemoryStore()
        self.said: list[bytes] = []
        self.policy = notes.open_policy(
            f"log {self.own.log.signer.vkeys()[0]}\nquorum none\n".encode()
        )
        root = Root(threshold=1, keys=(RootKey(keyid="0" * 64, public=""),))
        logs = {NORTH: self.own.log, SOUTH: self.south.log, EAST: self.east.log}
        self.directory = Directory(
            version=1,
            registrars=Registrars(threshold=1, keys=()),
            parties=tuple(
                Party(
                    id=party,
                    name=party,
                    root=root,
                    identity="",
                    nodes=(
                        NodeEntry(
                            origin=log.origin,
                            url=url(party),
                            log_vkeys=log.signer.vkeys(),
                            witness_vkeys=witness_signer(party).vkeys(),
                        ),
                    ),
                )
                for party, log in sorted(logs.items())
            ),
        )
        self.watch = self.started()

    def started(self, **more: Any) -> Watch:
        """A watch over the same store: as after a restart."""
        return Watch(
            party=NORTH,
            store=self.store,
            own=self.own,
            directory=lambda: self.directory,
            peers=self.peers,
            clock=lambda: NOW,
            publish=self.publish,
            policy=lambda: (self.policy, None),
            everything=lambda: frozenset(self.store.audiences()),
            **more,
        )

    def publish(self, proof: bytes) -> str:
        if self.own.halted:
            raise LogHalted(self.own.halted, remedy="look")
        self.said.append(proof)
        return f"{len(self.said):064x}"

    def kinds(self) -> list[tuple[str, str]]:
        return [(a.kind, a.origin) for a in self.watch.alarms()]


def url(party: str) -> str:
    return f"https://{party}"


@pytest.fixture
def world() -> World:
    return World()


def test_honest_logs_that_grow_are_no_alarm(world: World) -> None:
    for _ in range(4):
        world.watch.round()
        world.south.held[world.east.log.origin] = world.east.log.note(world.east.size)
        world.south.log.grow(7)
        world.south.size = world.south.log.size
        world.own.log.grow(1)
        world.east.held[world.own.origin] = world.own.log.note()
    assert world.watch.alarms() == []
    assert [p.error for p in world.watch.witnessing().peers] == [None, None]


def test_two_roots_at_one_size_are_published_once_and_cosigned_no_more(world: World) -> None:
    other = world.south.log.copy(3).grow(2, "another")
    world.east.held[world.south.log.origin] = other.note()
    for _ in range(3):
        world.watch.round()
    assert world.kinds() == [("fork", world.south.log.origin)]
    [proof] = world.said
    forks.verify_fork(forks.open_fork(proof), world.south.log.keys)
    assert world.watch.stopped(world.south.log.origin)
    assert not world.watch.stopped(world.east.log.origin)
    assert world.watch.alarms()[0].statement == f"{1:064x}"
    again = world.started()
    assert again.stopped(world.south.log.origin), "also after a restart"
    again.round()
    assert len(world.said) == 1


@pytest.mark.parametrize("sizes", [(3, 9), (4, 9), (8, 9), (9, 300)])
def test_a_fork_between_two_sizes_is_proven_from_the_tiles(
    sizes: tuple[int, int], world: World
) -> None:
    small, large = sizes
    base = world.south.log.copy(2)
    world.south.log = base.copy().grow(large - 2, "shown")
    world.south.size = large
    world.east.held[world.south.log.origin] = base.copy().grow(small - 2, "hidden").note()
    world.watch.round()
    assert world.kinds() == [("fork", world.south.log.origin)]
    proof = forks.open_fork(world.said[0])
    a, b = forks.verify_fork(proof, world.south.log.keys)
    assert (a.size, b.size) == sizes


def test_a_larger_view_without_tiles_is_unexplained_until_the_log_shows_the_path(
    world: World,
) -> None:
    longer = world.south.log.copy().grow(4)
    world.east.held[world.south.log.origin] = longer.note()
    for _ in range(5):
        world.watch.round()
    origin = world.south.log.origin
    assert sorted(world.kinds()) == [("behind", origin), ("unexplained", origin)]
    assert world.said == []
    assert not world.watch.stopped(world.south.log.origin)
    world.south.log, world.south.size = longer, longer.size
    world.watch.round()
    assert world.watch.alarms() == []


def test_a_log_that_is_cut_off_is_not_suspected_for_it(world: World) -> None:
    world.watch.round()
    world.east.held[world.south.log.origin] = world.south.log.grow(3).note()
    world.south.away = True
    for _ in range(9):
        world.watch.round()
    assert world.watch.alarms() == []
    rows = {p.party: p for p in world.watch.witnessing().peers}
    assert "does not answer" in (rows[SOUTH].error or "")
    assert rows[EAST].error is None


def test_a_log_that_goes_back_is_an_alarm_and_no_fork(world: World) -> None:
    world.watch.round()
    world.south.size = 3
    world.watch.round()
    assert world.kinds() == [("behind", world.south.log.origin)]
    world.south.size = 5
    world.watch.round()
    assert world.watch.alarms() == []


def test_our_own_log_with_another_history_stops_signing(world: World) -> None:
    twin = world.own.log.copy(3).grow(2, "twin")
    world.south.held[world.own.origin] = twin.note()
    world.watch.round()
    assert world.kinds() == [("fork", world.own.origin)]
    assert "two histories" in (world.own.halted or "")
    assert world.said == [], "our own word about it is worth nothing"
    world.own.halted = None
    world.started().stop_own()
    assert world.own.halted, "also after a restart"


def test_our_own_log_that_others_know_longer_stops_signing(world: World) -> None:
    longer = world.own.log.copy().grow(2)
    world.south.held[world.own.origin] = longer.note()
    world.watch.round()
    assert world.kinds() == [("rollback", world.own.origin)]
    assert "size 7" in (world.own.halted or "")
    world.own.log = longer  # the newest store was restored
    world.watch.round()
    assert world.watch.alarms() == []


def test_a_halted_log_that_shows_nothing_is_no_fault_of_whoever_is_asked(world: World) -> None:
    class Halted(Own):
        @property
        def checkpoint(self) -> bytes:
            raise LogHalted("an old store", remedy="restore")

        def tile(self, path: str) -> bytes | None:
            return None

    world.south.held[world.own.origin] = world.own.log.note(3)
    world.own = Halted(world.own.log)
    watch = world.started()
    watch.round()
    assert [p.error for p in watch.witnessing().peers] == [None, None]
    assert watch.alarms() == []


def test_of_a_forked_log_only_the_fork_is_said(world: World) -> None:
    log = world.south.log
    world.watch.round()
    world.east.held[log.origin] = log.copy(3).grow(2, "another").note()
    world.watch.round()
    world.south.size = 2
    world.watch.round()
    assert world.kinds() == [("fork", log.origin)]


def test_a_party_that_lists_nonsense_blinds_nobody_to_the_others(world: World) -> None:
    log = world.south.log
    parties = tuple(
        structs.replace(p, nodes=(structs.replace(p.nodes[0], log_vkeys=("nonsense", "a+b+c")),))
        if p.id == EAST
        else p
        for p in world.directory.parties
    )
    world.directory = structs.replace(world.directory, parties=parties)
    world.east.held[log.origin] = log.copy(3).grow(2, "another").note()
    world.watch.round()
    assert world.kinds() == [("fork", log.origin)]
    assert world.watch.witnessed_keys(world.east.log.origin) == []


def test_an_unsigned_checkpoint_says_nothing_about_a_log(world: World) -> None:
    thief = LogSigner.from_seeds(world.south.log.origin, b"\7" * 32, b"\7" * 32)
    world.east.held[world.south.log.origin] = GrowingLog(thief).grow(5, "invented").note()
    world.watch.round()
    assert world.watch.alarms() == []
    [south_error, east_error] = sorted((p.party, p.error) for p in world.watch.witnessing().peers)
    assert south_error == (EAST, south_error[1])
    assert east_error == (SOUTH, None)


def test_a_fork_proof_of_another_node_is_checked_before_it_counts(world: World) -> None:
    log = world.south.log
    proof = forks.write_fork(forks.prove_fork(log.note(), log.copy(3).grow(2, "x").note()))
    world.east.known = [proof.replace(log.origin.encode(), world.east.log.origin.encode())]
    world.watch.round()
    assert world.watch.alarms() == []
    world.east.known = [b"{}", proof]
    world.watch.round()
    assert world.kinds() == [("fork", log.origin)]
    with pytest.raises(ForkError):
        world.watch.learn_fork(b"{}")


def test_a_conflicting_request_to_our_witness_is_kept_and_proven(world: World) -> None:
    signer = witness_signer(NORTH)
    witness = Witness(
        signer,
        world.watch.state,
        world.watch.witnessed_keys,
        lambda: NOW,
        world.watch.stopped,
        world.watch.conflict,
        origins=world.watch.witnessed,
    )
    log = world.south.log
    witness.add_checkpoint(write_request(0, (), log.note()))
    twin = log.copy(4).grow(1, "twin")
    with pytest.raises(WitnessRefused):
        witness.add_checkpoint(write_request(5, (), twin.note()))
    assert world.watch.stopped(log.origin), "before the refusal is out"
    with pytest.raises(WitnessRefused, match="two histories"):
        witness.add_checkpoint(write_request(5, (), log.note()))
    with pytest.raises(WitnessRefused, match="not known"):
        witness.add_checkpoint(write_request(0, (), world.own.log.note()))
    world.watch.round()
    assert len(world.said) == 1
    assert len(world.store.list_local("evidence")) == 1


def test_a_bad_proof_for_an_honest_checkpoint_accuses_nobody(world: World) -> None:
    """Anybody can bring a log's own checkpoint with a proof of his own making."""
    signer = witness_signer(NORTH)
    witness = Witness(
        signer,
        world.watch.state,
        world.watch.witnessed_keys,
        lambda: NOW,
        world.watch.stopped,
        world.watch.conflict,
        origins=world.watch.witnessed,
    )
    log = world.south.log
    witness.add_checkpoint(write_request(0, (), log.note()))
    log.grow(3)
    world.south.size = log.size
    with pytest.raises(WitnessRefused):
        witness.add_checkpoint(write_request(5, [b"\0" * 32] * 3, log.note()))
    assert len(world.store.list_local("evidence")) == 1
    for _ in range(4):
        world.watch.round()
    assert world.watch.alarms() == []
    assert not world.watch.stopped(log.origin)
    assert world.store.list_local("evidence") == [], "it leaves room for what is evidence"


def test_what_our_witness_holds_moves_only_from_what_was_read() -> None:
    state = LocalWitnessState(MemoryStore())
    one = Held(origin="a/log", size=1, root=b"\1" * 32, note=b"one", time=1)
    two = Held(origin="a/log", size=2, root=b"\2" * 32, note=b"two", time=2)
    state.advance(one, None)
    with pytest.raises(ConflictError):
        state.advance(two, None)
    state.advance(two, one)
    assert state.read("a/log") == two
    assert state.read("b/log") is None


def test_only_what_a_quorum_has_cosigned_is_named_as_seen(world: World) -> None:
    signer = witness_signer(EAST)
    own = world.own.log.signer.vkeys()[0]
    world.policy = notes.open_policy(
        f"log {own}\nwitness east {signer.vkeys()[0]}\nquorum east\n".encode()
    )
    world.watch.round()
    assert world.watch.seen_others() == ()
    log = world.south.log
    head = log.head()
    line = notes.cosign_ed25519(head, signer.name, signer.public, signer.sign_ed25519, 1)
    log._notes[log.size] = notes.add_lines(log.note(), [line])
    world.watch.round()
    assert world.watch.seen_others() == (
        Seen(origin=log.origin, root=b64encode(head.root), size=head.size),
    )


def test_a_seen_that_contradicts_is_unexplained_for_each_who_says_it(world: World) -> None:
    def meet(seen: Seen) -> Any:
        return world.watch.histories.meet(gossip.said(seen, "cert.southmark.example"))

    log = world.south.log
    world.watch.round()
    good = Seen(origin=log.origin, root=b64encode(log.root(3)), size=3)
    bad = Seen(origin=log.origin, root=b64encode(b"\5" * 32), size=3)
    own = Seen(origin=world.own.origin, root=b64encode(world.own.log.root(2)), size=2)
    assert meet(good) is True
    assert meet(own) is True
    assert meet(bad) is False
    assert meet(Seen(origin=world.own.origin, root=b64encode(b"\6" * 32), size=2)) is False
    assert sorted(world.kinds()) == sorted(
        [("unexplained", log.origin), ("unexplained", world.own.origin)]
    )
    assert world.own.halted is None, "anybody can write any root into a statement"
    assert not world.watch.stopped(log.origin)
    world.watch.round()
    assert len(world.watch.alarms()) == 2


def test_paths_that_were_checked_are_not_fetched_again(world: World) -> None:
    world.watch.round()
    world.south.log.grow(40)
    world.south.size = world.south.log.size
    world.watch.round()
    read = world.peers.tiles_read
    assert read
    for _ in range(5):
        world.watch.round()
    assert world.peers.tiles_read == read


def test_what_our_witness_cosigned_is_compared_with_what_was_shown_to_us(world: World) -> None:
    """A log may show its pages one history and our witness another, each without a break."""
    trunk = world.south.log
    cosigned, shown = trunk.copy().grow(4, "cosigned"), trunk.copy().grow(2, "shown")
    witness = Witness(
        witness_signer(NORTH),
        world.watch.state,
        world.watch.witnessed_keys,
        lambda: NOW,
        world.watch.stopped,
        world.watch.conflict,
        origins=world.watch.witnessed,
    )
    witness.add_checkpoint(write_request(0, [], trunk.note()))
    world.watch.round()
    world.south.log, world.south.size = shown, shown.size
    world.watch.round()
    witness.add_checkpoint(write_request(5, cosigned.path(5), cosigned.note()))
    for _ in range(2):
        world.watch.round()
    assert ("unexplained", trunk.origin) in world.kinds()
    world.south.log = cosigned  # it shows the tiles after all
    world.watch.round()
    assert world.kinds() == [("fork", trunk.origin)]


def test_tiles_that_do_not_come_in_one_round_are_no_alarm_yet(world: World) -> None:
    world.watch.round()
    world.south.log.grow(4)
    world.south.size = world.south.log.size
    world.east.held[world.south.log.origin] = world.south.log.note()
    world.south.no_tiles = True
    world.watch.round()
    assert world.kinds() == []
    world.watch.round()
    assert world.kinds() == [("unexplained", world.south.log.origin)]
    world.south.no_tiles = False
    world.watch.round()
    assert world.kinds() == []


def test_roots_that_anybody_says_keep_out_nothing_that_is_signed(world: World) -> None:
    def say(origin: str, n: int) -> None:
        root = b64encode(n.to_bytes(32, "big"))
        world.watch.histories.meet(
            gossip.said(Seen(origin=origin, root=root, size=900 + n), f"{EAST} (statement {n})")
        )

    for n in range(OPEN_A_LOG + 1):
        say(world.own.origin, n)
        say(world.south.log.origin, n)
    assert len(world.watch.alarms()) == OPEN_A_PARTY
    bad = Seen(origin=world.own.origin, root=b64encode(b"\7" * 32), size=3)
    world.watch.histories.meet(gossip.said(bad, f"{SOUTH} (statement 0123…)"))
    assert len(world.watch.alarms()) == OPEN_A_PARTY + 1, "nor does one party silence another"
    halted = world.own.halted
    assert halted is None, "anybody can write any root into a statement"
    twin = world.south.log.copy(3).grow(9, "twin")
    world.east.held[world.south.log.origin] = twin.note()
    world.south.held[world.own.origin] = world.own.log.copy().grow(2).note()
    for _ in range(gossip.PATIENCE + 1):
        world.watch.round()
    assert ("rollback", world.own.origin) in world.kinds()
    assert world.own.halted
    assert f"unexplained/{world.south.log.origin}" in {a.key for a in world.watch.alarms()}


def test_a_proof_that_proves_nothing_keeps_no_proof_of_ours_unsaid(world: World) -> None:
    log = world.south.log
    good = forks.write_fork(forks.prove_fork(log.note(), log.copy(3).grow(2, "twin").note()))
    forged = GrowingLog(LogSigner.from_seeds(log.origin, b"x" * 32, b"y" * 32)).grow(5)
    twin = forged.copy(3).grow(2, "twin")
    bad = forks.write_fork(forks.prove_fork(forged.note(), twin.note()))
    world.watch.learn_fork(good)
    with pytest.raises(ForkError):
        world.watch.learn_fork(bad, "a" * 64)
    world.watch.histories.say_forks()
    assert world.said == [good]


def test_a_witness_with_a_time_in_no_calendar_breaks_no_page(world: World) -> None:
    row = SimpleNamespace(
        name="south", key=f"{SOUTH}/witness", url=url(SOUTH), size=5, time=2**63 - 1, error=None
    )
    world.watch = world.started(report=lambda: [row])
    [shown] = world.watch.witnessing().witnesses
    assert (shown.size, shown.time) == (5, None)


@pytest.mark.parametrize(
    ("kept", "more", "wrong"), [(5, 0, False), (5, 9, False), (4, 0, True), (3, 40, True)]
)
def test_a_log_begun_anew_holds_what_the_one_before_had_signed(
    world: World, kept: int, more: int, wrong: bool
) -> None:
    world.watch.round()
    old = world.south.log
    signer = LogSigner.from_seeds(f"{SOUTH}/log/2", b"x" * 32, b"y" * 32)
    new = GrowingLog(signer, old.leaves[:kept]).grow(more, "anew")
    world.south.log, world.south.size = new, new.size
    world.directory = listing(world.directory, SOUTH, signer)
    for _ in range(gossip.PATIENCE):
        assert world.watch.alarms() == []
        world.watch.round()
    assert world.kinds() == [("unexplained", f"{SOUTH}/log")] * wrong
    assert not world.watch.stopped(new.origin), "nothing is proven by that"
    if kept == 4:  # it was not yet through with saying everything again
        world.south.size = new.grow(2, "leaf").size
        world.watch.round()
        assert world.kinds() == []


def listing(directory: Directory, party: str, log: LogSigner) -> Directory:
    """The directory with another log of a party."""
    entry = directory.party(party)
    assert entry is not None
    node = structs.replace(entry.nodes[0], origin=log.name, log_vkeys=log.vkeys())
    new = structs.replace(entry, nodes=(node,))
    parties = tuple(new if p.id == party else p for p in directory.parties)
    return structs.replace(directory, version=directory.version + 1, parties=parties)


def test_whoever_lists_no_forks_is_asked_for_the_rest_all_the_same(world: World) -> None:
    class TooMuch(Peers):
        def forks(self, url: str) -> list[bytes]:
            raise InputError("more than 4194304 bytes", remedy="ask for less")

    other = TooMuch()
    other.nodes = world.peers.nodes
    world.peers = other
    world.watch = world.started()
    world.south.held[world.own.origin] = world.own.log.copy().grow(2).note()
    world.watch.round()
    assert world.kinds() == [("rollback", world.own.origin)]


def test_a_node_whose_answer_nobody_thought_of_keeps_no_other_from_being_asked(
    world: World,
) -> None:
    class Unforeseen(Peers):
        def checkpoint(self, url: str) -> bytes:
            if url == min(self.nodes):
                raise ZeroDivisionError
            return super().checkpoint(url)

    other = Unforeseen()
    other.nodes = world.peers.nodes
    assert len(other.nodes) > 1
    world.peers = other
    world.watch = world.started()
    world.watch.round()
    rows = {row.url: row for row in world.watch.witnessing().peers}
    broken = rows.pop(min(other.nodes))
    assert "made this program fail" in str(broken.error)
    assert [row.time is not None for row in rows.values()] == [True] * len(rows)


def test_of_a_fork_proof_only_the_logs_own_lines_are_kept(world: World) -> None:
    """A forger could else blow up what every node lists, and make others read none of it."""
    log = world.south.log
    junk = [notes.NoteLine(name=f"x{n}", keyid=bytes(4), blob=bytes(3_000)) for n in range(20)]
    a, b = (
        notes.write_note(notes.open_note(data).text, [*notes.open_note(data).lines, *junk])
        for data in (log.note(), log.copy(3).grow(2, "twin").note())
    )
    raw = forks.write_fork(forks.prove_fork(a, b))
    assert len(raw) > 100_000
    world.watch.learn_fork(raw)
    [kept] = world.watch.forks()
    assert len(kept) < 20_000
    forks.verify_fork(forks.open_fork(kept), world.watch.histories.log_keys(log.origin))
    world.watch.histories.say_forks()
    assert world.said == [kept]
