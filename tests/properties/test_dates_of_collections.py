"""Dates of a collection: in order, none twice, and nothing of what a reader may not see in them."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from random import Random
from statistics import fmean, pstdev

from hypothesis import given
from hypothesis import strategies as st

from tocsin.store.feeds import SPAN, SPARSE, New, dated

NOW = 1_700_000_000_000_000

coming = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5)), max_size=60)


def new(places: list[tuple[int, int]], last: int = 0) -> list[New]:
    return [New(feed, last, audience, n, "tool") for n, (feed, audience) in enumerate(places)]


@given(coming, st.sampled_from([0, NOW - 1, NOW, NOW + 10**9]), st.integers())
def test_dates_are_later_than_before_and_none_twice_and_keep_the_order_of_an_audience(
    places: list[tuple[int, int]], last: int, seed: int
) -> None:
    rows = dated(new(places, last), NOW, Random(seed).getrandbits)
    assert [row[2] for row in rows] == list(range(len(places)))
    assert len({row[:2] for row in rows}) == len(rows)
    assert all(max(NOW, last + 1) <= row[1] < max(NOW, last + 1) + SPAN for row in rows)
    orders: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for feed, added, _, audience, _ in rows:
        orders[feed, audience].append(added)
    assert all(a < b for order in orders.values() for a, b in pairwise(order))


def seen(hidden: list[tuple[int, int]], seed: int) -> list[int]:
    """What a reader of audience 1 sees of three objects, where others have come in among them."""
    third = len(hidden) // 3
    among = [(1, 1), *hidden[:third], (1, 1), *hidden[third:], (1, 1)]
    rows = dated(new(among), NOW, Random(seed).getrandbits)
    return [added - NOW for _, added, _, audience, _ in rows if audience == 1]


def test_what_a_reader_sees_is_as_likely_whatever_else_came_in() -> None:
    runs = 2_000
    alone = [seen([], n) for n in range(runs)]
    others: list[list[tuple[int, int]]] = [
        [(1, 2)] * 90,
        [(1, audience) for audience in range(2, 600)],
        [(1, 2)] * 1_500 + [(1, 3)] * 400,
    ]
    for n, hidden in enumerate(others):
        beside = [seen(hidden, 10**6 * (n + 1) + run) for run in range(runs // (1 + n * 4))]
        for place in range(3):
            a, b = [dates[place] for dates in alone], [dates[place] for dates in beside]
            # Five standard errors: of 18 comparisons one in a hundred thousand goes beyond.
            allowed = 5 * pstdev(a) * (1 / len(a) + 1 / len(b)) ** 0.5
            assert abs(fmean(a) - fmean(b)) < allowed
            assert abs(pstdev(a) - pstdev(b)) < allowed
        assert max(max(dates) for dates in beside) < SPAN


def test_a_span_is_as_wide_as_what_its_own_audience_is_given() -> None:
    many = dated(new([(1, 1)] * 1_000 + [(1, 2)] * 3), NOW, Random(7).getrandbits)
    wide = [row[1] - NOW for row in many if row[3] == 1]
    assert SPARSE * 500 < max(wide) < 2 * SPARSE * 1_000
    assert max(row[1] - NOW for row in many if row[3] == 2) < SPAN


def test_however_many_audiences_are_given_something_at_once_there_are_dates() -> None:
    crowd = [(1, audience) for audience in range(3 * SPAN)]
    rows = dated(new(crowd), NOW, Random(3).getrandbits)
    assert len({row[1] for row in rows}) == len(crowd)
    assert max(row[1] for row in rows) - NOW < 16 * SPAN
