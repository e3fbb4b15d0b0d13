"""Laws of reading and acting."""

from __future__ import annotations

from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tocsin.policy import (
    SCOPES,
    TLP_ORDER,
    Actor,
    Audience,
    Reader,
    Tlp,
    UserRole,
    allowed,
    may_act,
    rule,
    strictest,
)

PARTIES = ["a.example", "b.example", "c.example"]
PERSONS = ["p", "q"]
ROLES = cast(list[UserRole], ["reader", "analyst", "lead", "signer", "admin"])

parties = st.frozensets(st.sampled_from(PARTIES), max_size=3)
persons = st.frozensets(st.sampled_from(PERSONS), max_size=2)
readers = st.builds(
    Reader,
    party=st.none() | st.sampled_from(PARTIES),
    person=st.none() | st.sampled_from(PERSONS),
    providers=parties,
    signer=st.booleans(),
)
audiences = st.builds(
    Audience,
    author=st.sampled_from(PARTIES),
    tlp=st.sampled_from(TLP_ORDER),
    to=parties,
    persons=persons,
    unknown=st.booleans(),
)


def reads(reader: Reader, audience: Audience) -> bool:
    return rule(reader, audience)[1]


EVERY_READER = [
    Reader(party=party, person=person, providers=frozenset(providers), signer=signer)
    for party in (None, *PARTIES)
    for person in (None, *PERSONS)
    for providers in ((), PARTIES[:1], PARTIES[1:], PARTIES)
    for signer in (False, True)
]


def circle(audience: Audience) -> list[bool]:
    """Who reads it, of everybody there is in this small world."""
    return [reads(reader, audience) for reader in EVERY_READER]


@settings(max_examples=400)
@given(readers, audiences, st.sampled_from(TLP_ORDER))
def test_a_stricter_marking_never_shows_more(reader: Reader, a: Audience, tlp: Tlp) -> None:
    """But for one thing that TLP 2.0 gives: AMBER lets in the clients of those it names."""
    if a.tlp == "GREEN" and a.to and tlp == "AMBER":
        reader = replace(reader, providers=frozenset())
    if TLP_ORDER.index(tlp) >= TLP_ORDER.index(a.tlp) and reads(reader, replace(a, tlp=tlp)):
        assert reads(reader, a)


@settings(max_examples=400)
@given(readers, audiences)
def test_an_unknown_marking_never_shows_more(reader: Reader, a: Audience) -> None:
    if reads(reader, replace(a, unknown=True)):
        assert reads(reader, replace(a, unknown=False))


@settings(max_examples=400)
@given(readers, audiences, st.sampled_from(PARTIES))
def test_naming_a_party_lets_in_nobody_but_it_and_its_clients(
    reader: Reader, a: Audience, party: str
) -> None:
    wider = replace(a, to=a.to | {party})
    if reads(reader, wider) and not reads(reader, a):
        assert reader.party == party or party in reader.providers


@settings(max_examples=400)
@given(readers, audiences)
def test_the_anonymous_read_what_is_clear_and_nothing_else(reader: Reader, a: Audience) -> None:
    stranger = replace(reader, party=None)
    assert reads(stranger, a) is (a.tlp == "CLEAR" and not a.unknown)


@settings(max_examples=300)
@given(audiences, audiences)
def test_the_strictest_shows_no_more_than_either(a: Audience, b: Audience) -> None:
    both = circle(strictest(a, b))
    assert all(x and y for x, y, one in zip(circle(a), circle(b), both, strict=True) if one)


@settings(max_examples=300)
@given(audiences, audiences, audiences)
def test_the_strictest_is_a_semilattice(a: Audience, b: Audience, c: Audience) -> None:
    """Compared by who reads: two spellings of one circle are one."""
    assert strictest(a, a) == a
    assert strictest(a, b) == strictest(b, a)
    assert circle(strictest(a, strictest(b, c))) == circle(strictest(strictest(a, b), c))
    assert circle(strictest(a, strictest(a, b))) == circle(strictest(a, b))


@given(readers, st.dictionaries(st.integers(0, 9), audiences, max_size=6))
def test_allowed_is_the_rule_for_each(reader: Reader, numbered: dict[int, Audience]) -> None:
    assert allowed(reader, numbered) == {n for n, a in numbered.items() if reads(reader, a)}


@given(readers, audiences, st.sampled_from((*SCOPES, "fly")), st.sampled_from(range(5)))
def test_a_lower_role_never_does_more(reader: Reader, a: Audience, verb: str, n: int) -> None:
    class Thing:
        audience = a

    for x in (None, Thing()):
        can = [may_act(Actor(reader=reader, role=role), verb, x) for role in ROLES]
        assert can == sorted(can)
        for role in ROLES:
            fewer = Actor(reader=reader, role=role, scopes=frozenset(SCOPES[:n]))
            assert may_act(fewer, verb, x) <= may_act(Actor(reader=reader, role=role), verb, x)
            if x is not None and may_act(fewer, verb, x):
                assert reads(reader, a)
