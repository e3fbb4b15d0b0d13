"""Laws of "N reports, M roots": what is counted agrees with the grade, and never says too much."""

from __future__ import annotations

import random
from datetime import datetime
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from tests.properties.test_standing_laws import LAW, World, readers, times, view_of, worlds

from tocsin.claims.derivation import disjoint, independent
from tocsin.claims.standing import standing, standings

SETS = st.lists(st.integers(1, 2**7 - 1), max_size=7)


def most(sets: list[int]) -> int:
    """The largest number of sets that share nothing, by trying every choice."""
    for size in range(len(sets), 0, -1):
        for some in combinations(sorted(set(sets)), min(size, len(set(sets)))):
            if all(not a & b for a, b in combinations(some, 2)):
                return len(some)
    return 0


@given(SETS)
def test_roots_are_never_more_than_there_are_and_two_wherever_two_are_apart(
    sets: list[int],
) -> None:
    found = independent(sets)
    assert found <= most(sets)
    assert min(found, 2) == min(most(sets), 2)
    assert (found >= 2) == disjoint(sets, sets)


def test_a_piece_made_by_two_does_not_stand_in_the_way_of_both() -> None:
    both, one, other = 0b011, 0b101, 0b1010
    for order in ([both, one, other], [other, one, both]):
        assert independent(order) == 2


@LAW
@given(worlds(), readers, times, st.randoms(use_true_random=False))
def test_the_count_agrees_with_the_level_in_any_order(
    world: World, reader: str | None, at: datetime | None, rnd: random.Random
) -> None:
    found = standings(view_of(world.objects), reader, at)
    shuffled = rnd.sample(world.objects, len(world.objects))
    assert standings(view_of(shuffled), reader, at) == found
    assert [standing(view_of(world.objects), one.claim, reader, at) for one in found] == found
    for one in found:
        pieces = {ref for link in one.links.values() for ref in link.pieces}
        assert one.roots <= len(pieces)
        assert (one.roots == 0) == (not pieces)
        if any(link.grade == "independent-roots" for link in one.links.values()):
            assert one.roots >= 2
