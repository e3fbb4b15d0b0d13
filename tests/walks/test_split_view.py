"""Five nodes, and one log that shows each of them another history, on a network that loses,
repeats, reorders and parts. The witnesses, the trees and the rules of forks and gossip are the real
ones; only the wires between them are made of lists. Every seed replays to the byte.

What must hold in every one of these worlds:

- whoever meets two histories has a fork proof or an alarm within two gossip rounds. A log may
  refuse, make up or hold back its tiles; rounds in which the network keeps it away do not count;
- no honest log is ever accused, and nobody is alarmed about one but by the word of a liar;
- what an honest log has acknowledged stays where it was said to be, and whatever was submitted
  after that has a higher index;
- two roots of one size never both get a quorum: of any 3 witnesses of 5 that are honest, of any 3
  of the 4 that are not the log's own, of any 4 of 5 with one dishonest.

Three of five with one dishonest witness are too few: two groups of three may share nobody but the
liar. `test_three_of_five_with_a_liar_are_too_few` keeps that in mind.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.long_runs import slice_of
from tests.walks.split_view_world import EVIL, NODES, TILES, World


def run(seed: int, *, both_keys: bool = False, force: dict[str, Any] | None = None) -> World:
    world = World(seed, both_keys=both_keys, force=force or {}).run()
    dishonest = world.habits.cosigns_all
    assert max(world.quorums(4).values(), default=0) <= 1
    assert max(world.quorums(3, range(1, NODES)).values(), default=0) <= 1
    if not dishonest:
        assert max(world.quorums(3).values(), default=0) <= 1
    return world


def test_a_split_view_is_found_and_nobody_is_framed() -> None:
    worlds = [run(seed) for seed in range(60)]
    # The story is worth telling only if all of it happens.
    assert sum(world.split() for world in worlds) > 40
    assert sum(any(node.forks for node in world.honest) for world in worlds) > 20
    assert sum(any(node.alarms for node in world.honest) for world in worlds) > 20


@pytest.mark.parametrize("tiles", TILES)
def test_whatever_a_log_does_about_its_tiles_two_rounds_tell(tiles: str) -> None:
    # Never two roots of one size, and nothing said by mistake: only the tiles can tell.
    force = {"tiles": tiles, "equal_sizes": False, "clumsy": False}
    met = [run(seed, force=force).met for seed in range(10)]
    assert sum(met) >= 3


def test_three_of_five_with_a_liar_are_too_few() -> None:
    liar = {"cosigns_all": True, "equal_sizes": True, "views": 2, "clumsy": False}
    broken = 0
    for seed in range(10):
        world = World(seed, force=liar).run()
        if max(world.quorums(3).values(), default=0) > 1:
            broken += 1
            assert any(node.alarmed(EVIL) for node in world.honest)
    assert broken


def test_a_seed_replays_to_the_byte() -> None:
    first, second = World(7).run(), World(7).run()
    assert first.requests == second.requests
    for a, b in zip(first.honest, second.honest, strict=True):
        assert (a.forks, a.alarms, a.held) == (b.forks, b.alarms, b.held)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("hundred", range(10))
def test_a_split_view_is_found_over_a_thousand_seeds(hundred: int) -> None:
    for seed in slice_of(range(100 * hundred, 100 * (hundred + 1))):
        run(seed, both_keys=seed % 10 == 0)
