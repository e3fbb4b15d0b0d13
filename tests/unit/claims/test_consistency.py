"""One speaker, one matter, other figures: what is compared, and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.claims.consistency import (
    LONGEST,
    MOST_THINGS,
    MOST_TOGETHER,
    MOST_TOLD,
    Compared,
    differences,
    figures,
)


def told(one: str, other: str, *, same_matter: bool = False) -> list[tuple[str, str, str]]:
    found = differences(figures(one), figures(other), same_matter=same_matter)
    return [(d.what, d.here, d.there) for d in found]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (
            "The attack hit 43 public hospitals in Eastmere.",
            "In Eastmere the attack reached 51 hospitals.",
            [("hospitals", "43", "51")],
        ),
        (
            "The operation against Eastmere hit two ferries.",
            "The operation against Eastmere hit 3 ferries.",
            [("ferries", "2", "3")],
        ),
        (
            "Operations against Eastmere ran between September 2008 and June 2019.",
            "Operations against Eastmere ran from 2009 to 2019.",
            [("interval", "2008-09 to 2019-06", "2009 to 2019")],
        ),
        (
            "Servers in Westmark lost 1,200 records.",
            "Servers in Westmark lost 12,000 records.",
            [("records", "1200", "12000")],
        ),
    ],
)
def test_other_figures_for_one_matter_are_found(
    one: str, other: str, expected: list[tuple[str, str, str]]
) -> None:
    assert told(one, other) == expected
    assert told(other, one) == [(what, there, here) for what, here, there in expected]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The attack hit 43 hospitals in Eastmere.", "The attack hit 43 hospitals in Eastmere."),
        # another matter: nothing but what is counted is common
        ("We patched 43 servers.", "Criminals rented 51 servers."),
        # about so many
        (
            "The attack on Eastmere hit 43 hospitals.",
            "The attack on Eastmere hit about 40 hospitals",
        ),
        ("The attack on Eastmere hit 43 hospitals.", "It hit more than 40 hospitals of Eastmere."),
        # years, days of a month, hours, shares, versions, addresses
        ("Servers attacked in 2019 in Eastmere.", "Servers attacked in 2020 in Eastmere."),
        ("The attack on Eastmere of 3 March", "The attack on Eastmere of 5 March"),
        ("Eastmere attack: 40 per cent", "Eastmere attack: 50 per cent"),
        ("Eastmere attack, version 1.2 of tool", "Eastmere attack, version 3.4 of tool"),
        # given less exactly
        (
            "Operations against Eastmere ran from 2008 to 2019.",
            "Operations against Eastmere ran between September 2008 and June 2019.",
        ),
        # two figures for one thing: nobody can tell which is meant
        (
            "In Eastmere the attack hit 43 hospitals, then 12 hospitals.",
            "In Eastmere the attack hit 51 hospitals.",
        ),
    ],
)
def test_what_does_not_differ_or_cannot_be_told_is_left_alone(one: str, other: str) -> None:
    assert told(one, other) == []


def test_where_the_matter_is_known_no_other_word_is_asked_for() -> None:
    assert told("43 servers", "51 servers") == []
    assert told("43 servers", "51 servers", same_matter=True) == [("servers", "43", "51")]
    spans = ("from 03.02.2026 to 09.02.2026", "from 03.02.2026 to 10.02.2026")
    assert told(*spans, same_matter=True) == [
        ("interval", "2026-02-03 to 2026-02-09", "2026-02-03 to 2026-02-10")
    ]


def test_both_of_every_two_that_differ_are_named() -> None:
    texts = [(n, figures(f"{value} servers")) for n, value in enumerate((2, 2, 3))]
    told = Compared().among(texts, same_matter=True)
    assert [(n, m) for n, m, _ in told] == [(0, 2), (1, 2)]


def test_two_texts_of_a_speaker_are_compared_once() -> None:
    texts = [(n, figures(f"{n + 2} servers")) for n in range(3)]
    compared = Compared()
    assert len(list(compared.among(texts, same_matter=True))) == 3
    assert list(compared.among(texts[1:], same_matter=True)) == []


def test_of_very_many_differences_only_the_first_are_told() -> None:
    letters = [a + b + c for a in "abcdefgh" for b in "klmnopqr" for c in "stuvwxyz"]
    texts = [
        (n, figures(" and ".join(f"{10_000 + n} {thing}" for thing in letters)))
        for n in range(MOST_TOGETHER)
    ]
    assert len(texts[0][1].counts) == MOST_THINGS > MOST_TOLD
    told = list(Compared().among(texts, same_matter=True))
    assert MOST_TOGETHER / 2 <= len(told) / MOST_TOLD <= MOST_TOGETHER


@given(st.text(max_size=400), st.text(max_size=400))
def test_any_two_texts_are_compared_the_same_both_ways(one: str, other: str) -> None:
    here = told(one, other, same_matter=True)
    assert [(w, b, a) for w, a, b in told(other, one, same_matter=True)] == here
    assert told(one, one, same_matter=True) == []


@given(
    st.lists(
        st.sampled_from(
            ["43", " hospitals", " from 2008", " to 2019", "-", " twelve", "9" * 12, "."]
        )
    )
)
def test_pieces_of_figures_are_read_without_fault(parts: list[str]) -> None:
    figures("".join(parts))


def test_a_long_text_is_cut() -> None:
    assert figures("x " * LONGEST + "43 servers").counts == {}
