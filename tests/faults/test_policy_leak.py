"""100,000 generated readers and audiences against a slow second reading of the nine rules.

The oracle is written from the table of the design, as sets of people, and shares no code with
`policy.rule`. A disagreement in one direction is a leak; in the other a party left uninformed.
"""

from __future__ import annotations

import random
from collections import Counter
from itertools import product
from typing import NamedTuple

import pytest

from tocsin.policy import TLP_ORDER, Audience, Reader, allowed, may_read, rule, strictest

DIRECTORY = ("cert.northland.example", "cert.eastmere.example", "gridco.example", "portco.example")
PERSONS = ("ada", "bo", "cy")
PAIRS = 100_000


class Human(NamedTuple):
    """Somebody at a door. `party` "" is nobody we know."""

    party: str
    person: str
    providers: frozenset[str]
    signer: bool


def may(human: Human, x: Audience) -> tuple[int, bool]:
    """The table, row by row: (number of the first rule that fits, its answer)."""
    table = [
        (human.party == x.author, _author(human, x)),
        (x.unknown, human.party in x.to and (x.tlp != "RED" or _red(human, x))),
        (x.tlp == "CLEAR", True),
        (human.party == "", False),
        (x.tlp == "GREEN", len(x.to) == 0 or human.party in x.to),
        (x.tlp == "AMBER", bool(({human.party} | human.providers) & x.to)),
        (x.tlp == "AMBER+STRICT", bool({human.party} & x.to)),
        (x.tlp == "RED", human.party in x.to and _red(human, x)),
        (True, False),
    ]
    fits = [fitting for fitting, _ in table].index(True)
    return fits + 1, table[fits][1]


def _author(human: Human, x: Audience) -> bool:
    """Yes; RED: only `persons` or the signer."""
    return {"RED": human.signer or human.person in x.persons}.get(x.tlp, True)


def _red(human: Human, x: Audience) -> bool:
    """The person is in `persons`; `persons` empty: the receiving party's signers."""
    if not x.persons:
        return human.signer
    return any(human.person == person for person in x.persons)


def some(rng: random.Random, of: tuple[str, ...], most: int) -> frozenset[str]:
    return frozenset(rng.sample(of, rng.randint(0, most)))


def generated(seed: int, count: int) -> list[tuple[Human, Audience]]:
    rng = random.Random(seed)
    strangers = (*DIRECTORY, "gridco.example.", "GRIDCO.example", "")
    return [
        (
            Human(
                party=rng.choice(strangers),
                person=rng.choice((*PERSONS, "")),
                providers=some(rng, DIRECTORY, 2),
                signer=rng.random() < 0.3,
            ),
            Audience(
                author=rng.choice(DIRECTORY),
                tlp=rng.choice(TLP_ORDER),
                to=some(rng, DIRECTORY, 3),
                persons=some(rng, PERSONS, 2),
                unknown=rng.random() < 0.15,
            ),
        )
        for _ in range(count)
    ]


def reader(human: Human) -> Reader:
    return Reader(
        party=human.party or None,
        person=human.person or None,
        providers=human.providers,
        signer=human.signer,
    )


class Thing(NamedTuple):
    audience: Audience


def test_no_leak_and_nobody_left_out_in_a_hundred_thousand_pairs() -> None:
    pairs = generated(seed=20261122, count=PAIRS)
    wrong = [(h, x) for h, x in pairs if rule(reader(h), x) != may(h, x)]
    assert wrong == []
    # The run has really been to every rule that a marking of the five can reach, both ways.
    reached = Counter(may(h, x) for h, x in pairs)
    both_ways = {(n, answer) for n in (1, 2, 5, 6, 7, 8) for answer in (True, False)}
    assert set(reached) == both_ways | {(3, True), (4, False)}
    assert min(reached.values()) > 100


def test_every_way_to_ask_gives_that_same_answer() -> None:
    for human, x in generated(seed=7, count=5_000):
        expected = may(human, x)[1]
        assert may_read(reader(human), Thing(x)) is expected
        assert (3 in allowed(reader(human), {3: x})) is expected


def test_what_is_under_two_audiences_is_read_by_nobody_whom_either_keeps_out() -> None:
    one, two = generated(seed=1, count=20_000), generated(seed=2, count=20_000)
    read = 0
    for (human, a), (_, b) in zip(one, two, strict=True):
        if rule(reader(human), strictest(a, b))[1]:
            read += 1
            assert may(human, a)[1]
            assert may(human, b)[1]
    assert read > 500


@pytest.mark.parametrize("tlp", ["", "WHITE", "clear", "AMBER-STRICT", "TLP:CLEAR"])
def test_a_word_that_is_no_marking_opens_nothing(tlp: str) -> None:
    x = Audience(author=DIRECTORY[0], tlp=tlp, to=frozenset(DIRECTORY))  # type: ignore[arg-type]
    for party, person, signer in product((None, *DIRECTORY[1:]), (None, *PERSONS), (False, True)):
        assert not rule(Reader(party=party, person=person, signer=signer), x)[1]
