"""Statements between nodes: everybody comes to hold what is meant for them, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from tests.long_runs import slice_of
from tests.walks.sync_world import PARTIES, World, build, world

from tocsin.client import Client
from tocsin.console import record_pages
from tocsin.console.page import Ask
from tocsin.errors import NotFoundError, UnreachableError
from tocsin.flows import neighbours
from tocsin.flows.arrivals import Arrivals
from tocsin.flows.intake import parse_kept
from tocsin.flows.pages import Item
from tocsin.policy import Actor, Audience, rule
from tocsin.record.envelope import sign
from tocsin.record.requests import Answer
from tocsin.record.statement import compose
from tocsin.wiring.door import inner_door
from tocsin.wiring.keyholder import Keyholder
from tocsin.wiring.keys import load_signer
from tocsin.wiring.rotation import rotate_signing

A, B, C, D, E = PARTIES


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sync") / "built"
    folder.mkdir()
    build(folder)
    return folder


@pytest.fixture
def five(built: Path, tmp_path: Path) -> Iterator[World]:
    with world(built, tmp_path / "world", 1) as found:
        yield found


def test_each_comes_to_hold_what_it_may_read(five: World) -> None:
    five.round()
    green = five.say(A, 1)
    narrow = five.say(A, 2, tlp="AMBER+STRICT", to=(B, D))
    five.round()
    five.round()
    for party in PARTIES:
        held = five.held(party)
        assert green in held
        assert (narrow in held) == (party in (A, B, D))
    everything = five.node(C).everything()
    assert five.node(C).store.statement(narrow, everything) is None


def test_a_withdrawal_reaches_all_holders_and_each_answers(five: World) -> None:
    five.round()
    said = five.say(A, 1)
    five.round()
    five.round()
    assert five.holders(A, said) == dict.fromkeys((B, C, D, E), "holds")
    five.withdraw(A, said)
    for _ in range(3):
        five.round()
    for party in PARTIES:
        assert five.held(party)[said] is True
        assert five.objects(party) == {}
    assert five.holders(A, said) == dict.fromkeys((B, C, D, E), "removed")


def looking(world: World, party: str, **path: str) -> Ask:
    node = world.node(party)
    actor = Actor(reader=node.reader(party), role="reader", scopes=frozenset({"read"}))
    return Ask(node=node, actor=actor, person="anna", path=path, query={}, form={}, uploads=[])


def test_the_pages_say_who_holds_a_thing_to_its_author_alone(five: World) -> None:
    five.round()
    said = five.say(A, 1)
    five.round()
    five.round()
    [sha256] = five.objects(A)
    shown = record_pages.object_(looking(five, A, sha256=sha256)).view
    assert {h.party: h.state for h in shown.holders} == dict.fromkeys((B, C, D, E), "holds")
    assert record_pages.object_(looking(five, B, sha256=sha256)).view.holders is None
    five.withdraw(A, said)
    for _ in range(3):
        five.round()
    # The object is nobody's any more; who was given it is still its author's to know.
    page = record_pages.holders(looking(five, A, id=said))
    assert {h.party: h.state for h in page.view.holders} == dict.fromkeys((B, C, D, E), "removed")
    for other in (B, C):
        with pytest.raises(NotFoundError):
            record_pages.holders(looking(five, other, id=said))


# --- parted, healed, killed, lied to ------------------------------------------------------------


def quarter(world: World, answer: Answer, held: dict[str, Answer]) -> Answer:
    """A page as a liar gives it: in another order, twice, cut, old, altered, with names made up."""
    rng = world.rng
    if answer.status != 200 or b'"items"' not in answer.body:
        return answer
    page = msgspec.json.decode(answer.body)
    items = page["items"]
    how = rng.randrange(9)
    if how == 0:
        rng.shuffle(items)
    elif how == 1:
        items += items
    elif how == 2:
        page["items"] = [item for item in items if rng.random() < 0.5]
    elif how == 3 and "page" in held:
        return held["page"]
    elif how == 4:
        for item in items:
            if rng.random() < 0.5 and "envelope" in item:
                at = rng.randrange(len(item["envelope"]))
                item["envelope"] = item["envelope"][:at] + "A" + item["envelope"][at + 1 :]
    elif how == 5:
        for item in items:
            item["withheld"] = [
                [seq, rng.randbytes(32).hex()] for seq in range(1, rng.randrange(2, 6))
            ]
    elif how == 6:
        for item in items:
            item["texts"] = dict.fromkeys(item.get("texts", {}), "{}")
    elif how == 7:
        for item in items:
            item.pop("texts", None)
            item.pop("objects", None)
    elif how == 8:
        page["next"] += rng.randrange(5)
    held["page"] = answer
    return Answer(status=200, body=msgspec.json.encode(page))


def story(world: World, liar: str | None) -> None:
    """Statements, withdrawals and narrowings on both sides of a broken network, then one again."""
    rng = world.rng
    left = {A, B}
    held: dict[str, Answer] = {}
    if liar is not None:
        world.lie = lambda who, _, answer: (
            quarter(world, answer, held) if who == liar and rng.random() < 0.7 else answer
        )
    world.round()
    said: list[tuple[str, str]] = []
    n = 0

    def speak(count: int) -> None:
        nonlocal n
        for _ in range(count):
            n += 1
            party = rng.choice(PARTIES)
            mine = [id for who, id in said if who == party]
            move = rng.random()
            if move < 0.25 and mine:
                id = rng.choice(mine)
                world.withdraw(party, id)
                said.remove((party, id))
            elif move < 0.4 and mine:
                # Narrower: said again for fewer, then taken back for the rest.
                id = rng.choice(mine)
                fewer = tuple(sorted(rng.sample([p for p in PARTIES if p != party], 2)))
                again = world.say(party, n, tlp="AMBER+STRICT", to=fewer, refs=(id,))
                world.withdraw(party, id)
                said.remove((party, id))
                said.append((party, again))
            else:
                to = tuple(
                    sorted(rng.sample([p for p in PARTIES if p != party], rng.randrange(1, 4)))
                )
                tlp = rng.choice(("CLEAR", "GREEN", "AMBER", "AMBER+STRICT"))
                named = to if tlp.startswith("AMBER") else ()
                said.append((party, world.say(party, n, tlp=tlp, to=named)))

    speak(4)
    world.round()
    world.apart = lambda a, b: (a in left) != (b in left)
    for _ in range(2):
        speak(5)
        party = rng.choice(PARTIES)
        with world.killed_after(party, rng.randrange(1, 30), before=rng.random() < 0.5):
            world.round(party)
        world.round()
    world.apart = lambda a, b: False
    for _ in range(3):
        party = rng.choice(PARTIES)
        with world.killed_after(party, rng.randrange(1, 30), before=rng.random() < 0.5):
            world.round(party)
        world.round()


def agreed(world: World, liar: str | None) -> None:
    """Every honest node holds what it may of what honest parties said, in the same state."""
    honest = [party for party in PARTIES if party != liar]
    truth: dict[str, tuple[Audience, bool]] = {}
    objects: dict[str, dict[str, bool]] = {}
    for party in honest:
        node = world.node(party)
        own = node.store.statements(node.everything(), author=party)
        truth |= {k.id: (k.audience, k.withdrawn) for k in own if k.kind in ("say", "withdraw")}
    for party in honest:
        node = world.node(party)
        reader = node.reader(party)
        expected = {id: gone for id, (audience, gone) in truth.items() if rule(reader, audience)[1]}
        held = {id: gone for id, gone in world.held(party).items() if id in truth}
        assert held == expected, party
        for other in honest:
            for k in world.node(other).store.statements(
                node.everything() and world.node(other).allowed(world.node(other).reader(party)),
                kind="say",
            ):
                assert k.id in held or k.author not in honest
        objects[party] = world.objects(party)
        everything = node.everything()
        for id, gone in held.items():
            kept = node.store.statement(id, everything)
            assert kept is not None
            for ref in parse_kept(kept).objects if kept.kind == "say" else ():
                found = node.store.object(ref.sha256, everything)
                assert gone or found is not None, (party, id)
        forged = {k.id for k in node.store.statements(everything) if k.kind == "say"}
        assert forged <= set(world.spoken), "nothing that nobody said"
    for party in honest:
        for id, (_, gone) in truth.items():
            node = world.node(party)
            kept = node.store.statement(id, node.everything())
            if kept is None or kept.author != party or kept.kind != "say" or not gone:
                continue
            states = {h: s for h, s in world.holders(party, id).items() if h in honest}
            assert set(states.values()) <= {"removed", "not-held", "kept-as-record"}, states


def walk(built: Path, folder: Path, seed: int) -> None:
    with world(built, folder, seed) as found:
        liar = found.rng.choice(PARTIES) if seed % 3 else None
        story(found, liar)
        agreed(found, liar)


@pytest.mark.parametrize("seed", range(3))
def test_a_parted_network_comes_to_agree_with_kills_and_a_liar(
    built: Path, tmp_path: Path, seed: int
) -> None:
    walk(built, tmp_path / "world", seed)


SEEDS = int(os.environ.get("TOCSIN_SYNC_SEEDS", "40"))
"""Of the long run; each takes some three seconds of processor, so that a thousand are an hour."""


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("first", range(100, 100 + SEEDS, 10))
def test_many_parted_networks_come_to_agree(built: Path, tmp_path: Path, first: int) -> None:
    for seed in slice_of(range(first, min(first + 10, 100 + SEEDS))):
        walk(built, tmp_path / str(seed), seed)
        shutil.rmtree(tmp_path / str(seed))


# --- one thing at a time ------------------------------------------------------------------------


def rotate(found: World, party: str) -> None:
    node = found.node(party)
    rotate_signing(Keyholder(found.folder / party, party, Client(inner_door(node, party))))


def test_what_was_said_with_a_key_since_rotated_reaches_who_was_away(five: World) -> None:
    five.round()
    five.apart = lambda a, b: E in (a, b)
    before = [five.say(A, n) for n in range(3)]
    rotate(five, A)
    after = five.say(A, 9)
    five.round()
    five.apart = lambda a, b: False
    five.round()
    five.round()
    held = five.held(E)
    assert held.keys() >= {*before, after}
    assert five.node(E).store.quarantined() == []


def test_a_thief_of_a_key_that_was_revoked_gets_nothing_in(five: World) -> None:
    five.round()
    stolen = load_signer(five.folder / A, A, "signing")
    rotate(five, A)
    five.round()
    raw = sign(
        compose(
            author=A, key=stolen.keyid, kind="say", seq=1, prev="", tlp="CLEAR", body={},
            time="2026-11-22T07:00:00Z", salt="0" * 32,
        ),
        [stolen],
    )  # fmt: skip
    taken = Arrivals(five.node(E)).take(B, [Item(n=1, envelope=raw.decode())], nothing)
    assert (taken.taken, taken.quarantined) == (0, 1)
    # It binds no place: what the party says next stands there.
    said = five.say(A, 1)
    five.round()
    five.round()
    assert said in five.held(E)


def nothing(sha256: str, size: int) -> bytes:
    raise UnreachableError("nothing here", remedy="-")


def test_nodes_without_an_address_ask_and_bring(built: Path, tmp_path: Path) -> None:
    with world(built, tmp_path / "world", 3, unlisted=frozenset({B, D})) as found:
        found.round()
        found.round()
        mine = found.say(B, 1, tlp="AMBER+STRICT", to=(A,))
        theirs = found.say(A, 2, tlp="AMBER+STRICT", to=(B, D))
        everybody = found.say(D, 3)
        large = found.say(B, 4, tlp="AMBER+STRICT", to=(A,), description="x" * 200_000)
        for _ in range(3):
            found.round()
        assert found.held(A).keys() >= {mine, theirs, everybody, large}
        assert theirs in found.held(B)
        assert theirs in found.held(D)
        assert everybody in found.held(B), "by way of those who have an address"
        assert len(found.objects(A)) == 4
        found.withdraw(B, mine)
        for _ in range(3):
            found.round()
        assert found.held(A)[mine] is True
        assert found.holders(B, mine) == {A: "removed"}
        assert found.node(A).store.list_local("peer-object") == []


def test_a_node_that_lost_its_place_finds_what_it_lacks(five: World) -> None:
    five.round()
    said = [five.say(A, n, description="x" * 5_000) for n in range(40)]
    five.traffic = 0
    five.round(B)
    first = five.traffic
    assert five.held(B).keys() >= set(said)
    more = [five.say(A, n) for n in range(40, 44)]
    neighbours.note(five.node(B), A, epoch="", after=0, at="")
    five.traffic = 0
    five.apart = lambda a, b: {a, b} != {A, B}
    five.round(B)
    assert five.held(B).keys() >= {*said, *more}
    assert five.traffic < first / 4, "not all of it again"
    five.asked = 0
    five.round(B)
    assert five.asked <= 5, "one request to each, and none more"


def test_an_outbox_that_is_another_than_was_read_is_compared(five: World) -> None:
    five.round()
    said = five.say(A, 1)
    five.round()
    neighbours.note(five.node(B), A, at="0" * 64)
    more = five.say(A, 2)
    five.round(B)
    five.round(B)
    assert five.held(B).keys() >= {said, more}


def test_an_object_that_a_relay_keeps_to_itself_comes_from_its_author(five: World) -> None:
    five.round()
    said = five.say(A, 1)
    five.round(B)
    bare = Item(n=1, envelope=raw_of(five, A, said))
    taken = Arrivals(five.node(C)).take(B, [bare], nothing)
    assert taken.entered == [said]
    assert five.objects(C) == {}
    five.round(C)
    assert len(five.objects(C)) == 1


def raw_of(found: World, party: str, id: str) -> str:
    node = found.node(party)
    kept = node.store.statement(id, node.everything())
    assert kept is not None
    return kept.raw.decode()


def test_a_gap_waits_and_closes_and_what_is_named_is_none(five: World) -> None:
    five.round()
    first, second, third = (five.say(A, n) for n in range(3))
    door = Arrivals(five.node(C))
    items = [Item(n=n, envelope=raw_of(five, A, id)) for n, id in enumerate((first, second, third))]
    taken = door.take(B, [items[2]], nothing)
    assert (taken.entered, taken.quarantined) == ([], 1)
    assert third not in five.held(C)
    taken = door.take(B, [items[1], items[0]], nothing)
    assert sorted(taken.entered) == sorted([first, second, third])
    assert five.node(C).store.quarantined() == []
    # A lie about what stands between binds nobody.
    named = structs.replace(items[2], withheld=((1, "a" * 64), (2, second)))
    other = Arrivals(five.node(D))
    assert other.take(B, [named], nothing).entered == [third]
    assert other.take(A, items[:2], nothing).entered == [first, second]


def test_a_withdrawal_does_not_wait_for_a_gap(five: World) -> None:
    five.round()
    said = five.say(A, 1)
    five.round()
    between = five.say(A, 2)
    gone = five.withdraw(A, said)
    taken = Arrivals(five.node(C)).take(B, [Item(n=9, envelope=raw_of(five, A, gone))], nothing)
    assert taken.withdrawals == [gone]
    assert five.held(C)[said] is True
    five.round()
    five.round()
    assert {said: True, between: False, gone: False}.items() <= five.held(C).items()


def test_an_author_that_says_two_things_at_one_place_splits_its_own_chain_only(
    five: World,
) -> None:
    five.round()
    liar = load_signer(five.folder / E, E, "signing")

    def said(salt: str) -> Item:
        payload = compose(
            author=E, key=liar.keyid, kind="say", seq=1, prev="", tlp="CLEAR", body={},
            time="2026-11-22T08:30:00Z", salt=salt * 32,
        )  # fmt: skip
        return Item(n=1, envelope=sign(payload, [liar]).decode())

    five.running.pop(E).stack.close()
    assert Arrivals(five.node(A)).take(E, [said("0")], nothing).taken == 1
    assert Arrivals(five.node(B)).take(E, [said("1")], nothing).taken == 1
    honest = five.say(A, 1)
    others = (A, B, C, D)
    five.round(*others)
    five.round(*others)
    for party in others:
        node = five.node(party)
        assert honest in five.held(party)
        [one] = node.store.statements(node.everything(), author=E, kind="say")
        kept = {q.id for q in node.store.quarantined() if q.author == E}
        assert len({one.id, *kept}) == 2, "the other is kept, as evidence"


def test_who_asks_for_patience_with_what_waits_holds_up_no_other(five: World) -> None:
    """A gap that another closes: the object behind it is to come from who brought the statement."""
    five.round()
    first = five.say(A, 1)
    five.round(C)
    five.say(A, 2, description="x" * 70_000)

    def drops(who: str, target: str, answer: Answer) -> Answer:
        if who != A or b'"items"' not in answer.body:
            return answer
        page = msgspec.json.decode(answer.body)
        page["items"] = page["items"][1:]
        return Answer(status=200, body=msgspec.json.encode(page))

    def later(who: str, target: str, answer: Answer) -> Answer:
        return Answer(status=429, retry_after=60) if "/objects/" in target else answer

    five.lie = drops
    five.apart = lambda a, b: {a, b} != {A, B}
    five.round(B)
    assert first not in five.held(B)
    assert len(five.node(B).store.quarantined(A)) == 1
    five.lie = later
    five.apart = lambda a, b: {a, b} != {B, C}
    five.round(B)
    assert first in five.held(B)
    said = five.say(D, 3)
    five.apart = lambda a, b: {a, b} not in ({A, B}, {B, D})
    five.round(B)
    assert said in five.held(B)
