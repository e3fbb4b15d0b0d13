"""Two stores written apart give the same answer to every reader, whatever happened before."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.long_runs import slice_of
from tests.unit.fakes import Author, MemoryStore, claim, enter, seen_by, thing

from tocsin.policy import Audience, strictest
from tocsin.record.envelope import Verified
from tocsin.store.interface import Attachment, Holding, Purge, Store, What
from tocsin.store.postgres import PostgresStore
from tocsin.store.sqlite import SqliteStore

PARTIES = [
    "cert.northland.example",
    "cert.eastmere.example",
    "gridco.example",
    "portco.example",
]
CASES = [None, None, "case--1", "case--2"]
WORDS = ["wiper", "grid", "evil.example", "https://evil.example/x", "192.0.2.9"]


class World:
    """Random statements, told to both stores alike."""

    def __init__(self, seed: int, stores: tuple[Store, Store]) -> None:
        self.rng = random.Random(seed)
        self.stores = stores
        self.authors = [Author(party) for party in PARTIES]
        self.said: list[tuple[Author, Verified, list[Attachment]]] = []
        self.waiting: list[str] = []
        self.purged: set[str] = set()

    def object(self) -> Attachment:
        """One that was not purged: such a one is refused."""
        return next(o for o in iter(self.any_object, None) if o and o.sha256 not in self.purged)

    def any_object(self) -> Attachment:
        rng = self.rng
        n, hour = rng.randrange(6), rng.randrange(3)
        modified = None if rng.random() < 0.2 else f"2026-11-22T0{hour}:00:00.{rng.choice('05')}Z"
        name = rng.choice(WORDS)
        kind = rng.randrange(5)
        if kind < 2:
            type_ = rng.choice(["note", "grouping", "relationship"])
            return claim(n, type=type_, modified=modified, content=name)
        if kind == 2:
            return Attachment.of(f"{name} {n}".encode(), "text/plain")
        return thing(rng.choice(["indicator", "note"]), n, modified=modified, name=name)

    def step(self) -> None:
        rng = self.rng
        choice = rng.random()
        if self.waiting and (choice < 0.3 or len(self.waiting) > 6):
            batch = rng.sample(self.waiting, rng.randint(1, len(self.waiting)))
            for store in self.stores:
                enter(store, *batch)
            self.waiting = [id for id in self.waiting if id not in batch]
            return
        if self.said and choice > 0.96:
            self.purge()
            return
        author = rng.choice(self.authors)
        tlp = rng.choice(["CLEAR", "GREEN", "AMBER", "AMBER+STRICT"])
        to = rng.sample(PARTIES, rng.randint(0, 2))
        case = rng.choice(CASES)
        if self.said and choice < 0.55:
            owner, target, objects = rng.choice(self.said)
            author = owner if rng.random() < 0.7 else author
            part = rng.sample(objects, rng.randint(0, len(objects))) if rng.random() < 0.4 else []
            one = author.say(*part, kind="withdraw", refs=[target.id], tlp=tlp, to=to, case=case)
            self.tell(one, [], {})
            return
        objects = list({(o.sha256, o.id): o for o in (self.object() for _ in range(3))}.values())
        refs = []
        if self.said and rng.random() < 0.5:
            owner, target, before = rng.choice(self.said)
            author = owner if rng.random() < 0.7 else author
            refs = [target.id]
            objects = [o for o in before if o.sha256 not in self.purged] or objects
        one = author.say(*objects, tlp=tlp, to=to, case=case, refs=refs)
        narrowed = {
            o.sha256: strictest(
                one.audience,
                Audience(author=author.party, tlp="AMBER", to=frozenset(rng.sample(PARTIES, 2))),
            )
            for o in objects
            if rng.random() < 0.2
        }
        self.tell(one, objects, narrowed)
        self.said.append((author, one, objects))

    def purge(self) -> None:
        """Drop a statement, or an object, that is in the log."""
        logged = [(one, said) for _, one, said in self.said if one.id not in self.waiting]
        if not logged:
            return
        one, objects = self.rng.choice(logged)
        what: What = "statement"
        id = one.id
        if objects and self.rng.random() < 0.7:
            what, id = "object", self.rng.choice(objects).sha256
            self.purged.add(id)
        gone = Purge(what=what, id=id, time="2026-11-22T09:00:00Z", actor="ada", why="spilt")
        assert len({store.purge(gone) for store in self.stores}) == 1

    def tell(self, one: Verified, objects: list[Attachment], narrowed: dict[str, Audience]) -> None:
        for store in self.stores:
            store.keep_pending(one, objects, one.audience, narrowed)
        self.waiting.append(one.id)

    def compare(self) -> None:
        a, b = self.stores
        rng = self.rng
        assert [p.id for p in a.pending()] == [p.id for p in b.pending()]
        assert a.head() == b.head()
        assert a.entries(0, 999) == b.entries(0, 999)
        for party in [None, *PARTIES]:
            ours, theirs = seen_by(a, party), seen_by(b, party)
            assert a.statements(ours) == b.statements(theirs)
            case, kind = rng.choice(CASES), rng.choice([None, "say", "withdraw"])
            author, limit = rng.choice([None, *PARTIES]), rng.choice([None, 1, 3])
            assert a.statements(
                ours, case=case, author=author, kind=kind, after_index=2, limit=limit
            ) == b.statements(
                theirs, case=case, author=author, kind=kind, after_index=2, limit=limit
            )
            assert a.purged(ours, case=case) == b.purged(theirs, case=case)
            every = a.select(ours)
            assert every == b.select(theirs)
            types = rng.choice([None, ["note"], ["text/plain", "indicator"], ["relationship"]])
            after = rng.choice([None, *(o.cursor for o in every)])
            assert a.select(ours, types=types, case=case, after=after, limit=limit) == b.select(
                theirs, types=types, case=case, after=after, limit=limit
            )
            assert a.count(ours, types=types, case=case) == b.count(theirs, types=types, case=case)
            for word in WORDS:
                assert a.search(word, ours) == b.search(word, theirs)
            for _, one, objects in self.said:
                assert a.statement(one.id, ours) == b.statement(one.id, theirs)
                assert a.holdings(one.id, ours) == b.holdings(one.id, theirs)
                for item in objects:
                    assert a.object(item.sha256, ours) == b.object(item.sha256, theirs)
                    assert a.versions(item.id, ours) == b.versions(item.id, theirs)
                    assert held(a, item, ours) == held(b, item, theirs)


def held(store: Store, item: Attachment, allowed: frozenset[int]) -> list[Holding]:
    """By digest, as the order of versions in `holdings` says nothing."""
    found = store.holdings(item.id, allowed)
    assert store.holdings(item.sha256, allowed) == [h for h in found if h.id == item.sha256]
    return sorted(found, key=lambda h: h.id)


def play(world: World, reopen: Callable[[], Store]) -> None:
    """Some steps, compared now and then, and once more after a restart of the first store."""
    for n in range(48):
        world.step()
        if n % 16 == 15:
            world.compare()
    world.stores[0].close()
    world.stores = (reopen(), world.stores[1])
    world.compare()
    world.stores[0].close()


@pytest.mark.parametrize("seed", range(6))
def test_both_stores_give_every_reader_the_same(seed: int, tmp_path: Path) -> None:
    world = World(seed, (SqliteStore.open(tmp_path), MemoryStore()))
    play(world, lambda: SqliteStore.open(tmp_path))


@pytest.mark.parametrize(
    "seed", [6, *(pytest.param(seed, marks=pytest.mark.long) for seed in slice_of(range(7, 14)))]
)
def test_a_database_server_gives_every_reader_what_a_file_gives(
    seed: int, tmp_path: Path, postgres: str
) -> None:
    file = SqliteStore.open(tmp_path / "file")
    world = World(seed, (PostgresStore.open(postgres, tmp_path), file))
    play(world, lambda: PostgresStore.open(postgres, tmp_path))
    file.close()
