"""Statements between nodes: everybody comes to hold what is meant for them, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.walks.sync_world import PARTIES, World, build, world

from tocsin.flows.intake import parse_kept
from tocsin.policy import Audience, rule
from tocsin.record.requests import Answer

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


@pytest.mark.parametrize("seed", range(6))
def test_a_parted_network_comes_to_agree_with_kills_and_a_liar(
    built: Path, tmp_path: Path, seed: int
) -> None:
    with world(built, tmp_path / "world", seed) as found:
        liar = found.rng.choice(PARTIES) if seed % 3 else None
        story(found, liar)
        agreed(found, liar)
