"""The nine rules, one by one, and who may act."""

from __future__ import annotations

from typing import Any, cast

import pytest
from msgspec import Struct

from tocsin.policy import (
    ANONYMOUS,
    SCOPES,
    Actor,
    Audience,
    Reader,
    Tlp,
    UserRole,
    allowed,
    may_act,
    may_read,
    rule,
    strictest,
)

AUTHOR, X, Y, Z = "cert.northland.example", "gridco.example", "portco.example", "westwater.example"


class Thing(Struct, frozen=True):
    audience: Audience


def audience(tlp: str, *to: str, **more: Any) -> Audience:
    return Audience(author=AUTHOR, tlp=cast(Tlp, tlp), to=frozenset(to), **more)


def red(*persons: str, to: tuple[str, ...] = (X,)) -> Audience:
    return audience("RED", *to, persons=frozenset(persons))


CLIENT = Reader(party=Z, providers=frozenset([X]))
"""Of X's clients."""


@pytest.mark.parametrize(
    ("reader", "x", "expected"),
    [
        pytest.param(Reader(party=AUTHOR), audience("AMBER"), (1, True), id="1 author"),
        pytest.param(Reader(party=AUTHOR), audience("GREEN", X), (1, True), id="1 not in to"),
        pytest.param(Reader(party=AUTHOR), audience("CLEAR", unknown=True), (1, True), id="1, 2"),
        pytest.param(Reader(party=AUTHOR), red(), (1, False), id="1 RED, nobody's person"),
        pytest.param(Reader(party=AUTHOR, person="p"), red("p"), (1, True), id="1 RED, named"),
        pytest.param(Reader(party=AUTHOR, person="q"), red("p"), (1, False), id="1 RED, other"),
        pytest.param(
            Reader(party=AUTHOR, person="q", signer=True), red("p"), (1, True), id="1 signer"
        ),
        pytest.param(ANONYMOUS, audience("CLEAR", unknown=True), (2, False), id="2 anonymous"),
        pytest.param(Reader(party=X), audience("CLEAR", unknown=True), (2, False), id="2 others"),
        pytest.param(Reader(party=X), audience("CLEAR", X, unknown=True), (2, True), id="2 named"),
        pytest.param(CLIENT, audience("AMBER", X, unknown=True), (2, False), id="2 no clients"),
        pytest.param(Reader(party=X), audience("GREEN", unknown=True), (2, False), id="2 GREEN"),
        pytest.param(
            Reader(party=X, person="q"), audience("RED", X, unknown=True, persons=frozenset(["p"])),
            (2, False), id="2 is no way round RED's persons",
        ),
        pytest.param(
            Reader(party=X, person="p"), audience("RED", X, unknown=True, persons=frozenset(["p"])),
            (2, True), id="2 RED, named",
        ),
        pytest.param(ANONYMOUS, audience("CLEAR"), (3, True), id="3 anonymous"),
        pytest.param(Reader(party=Y), audience("CLEAR", X), (3, True), id="3 to is notified"),
        pytest.param(ANONYMOUS, audience("GREEN"), (4, False), id="4 GREEN"),
        pytest.param(
            Reader(person="p", providers=frozenset([X]), signer=True), audience("AMBER", X),
            (4, False), id="4 a person without a party",
        ),
        pytest.param(Reader(party=X), audience("GREEN"), (5, True), id="5 everybody known"),
        pytest.param(Reader(party=X), audience("GREEN", X), (5, True), id="5 named"),
        pytest.param(Reader(party=Y), audience("GREEN", X), (5, False), id="5 not named"),
        pytest.param(CLIENT, audience("GREEN", X), (5, False), id="5 no clients"),
        pytest.param(Reader(party=X), audience("AMBER", X), (6, True), id="6 named"),
        pytest.param(CLIENT, audience("AMBER", X), (6, True), id="6 client"),
        pytest.param(CLIENT, audience("AMBER", Y), (6, False), id="6 another's client"),
        pytest.param(Reader(party=X), audience("AMBER"), (6, False), id="6 names nobody"),
        pytest.param(Reader(party=X), audience("AMBER+STRICT", X), (7, True), id="7 named"),
        pytest.param(CLIENT, audience("AMBER+STRICT", X), (7, False), id="7 no clients"),
        pytest.param(Reader(party=X, person="p"), red("p"), (8, True), id="8 named"),
        pytest.param(Reader(party=X, person="q"), red("p"), (8, False), id="8 other person"),
        pytest.param(Reader(party=X, signer=True), red("p"), (8, False), id="8 signer, not named"),
        pytest.param(Reader(party=X, signer=True), red(), (8, True), id="8 no persons: signers"),
        pytest.param(Reader(party=X, person="p"), red(), (8, False), id="8 no persons, no signer"),
        pytest.param(Reader(party=Y, person="p", signer=True), red("p"), (8, False), id="8 party"),
        pytest.param(Reader(party=X), audience("PURPLE", X), (9, False), id="9 unknown word"),
        pytest.param(Reader(party=X), audience("red", X), (9, False), id="9 lower case"),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_decides(
    reader: Reader, x: Audience, expected: tuple[int, bool]
) -> None:
    assert rule(reader, x) == expected
    assert may_read(reader, Thing(x)) is expected[1]
    assert allowed(reader, {7: x}) == (frozenset([7]) if expected[1] else frozenset())


def test_allowed_takes_each_audience_by_its_number() -> None:
    audiences = {1: audience("CLEAR"), 2: audience("AMBER", X), 5: audience("AMBER", Y)}
    assert allowed(ANONYMOUS, audiences) == {1}
    assert allowed(Reader(party=X), audiences) == {1, 2}
    assert allowed(Reader(party=AUTHOR), audiences) == {1, 2, 5}
    assert allowed(Reader(party=X), {}) == frozenset()


# --- strictest --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (audience("GREEN"), audience("GREEN"), audience("GREEN")),
        (audience("CLEAR"), audience("GREEN"), audience("GREEN")),
        (audience("GREEN"), audience("AMBER", X), audience("AMBER", X)),
        (audience("AMBER", X, Y), audience("AMBER+STRICT", Y, Z), audience("AMBER+STRICT", Y)),
        (audience("AMBER", X), red("p", to=(X, Y)), red("p")),
        (audience("GREEN", X), audience("AMBER", X, Y), audience("AMBER+STRICT", X)),
        (audience("CLEAR", X), audience("GREEN"), audience("GREEN")),
        (audience("GREEN", X), audience("CLEAR", Y), audience("GREEN", X)),
        (red("p", "q"), red("q", "r"), red("q")),
    ],
)
def test_the_strictest_of_two_is_under_both(a: Audience, b: Audience, expected: Audience) -> None:
    assert strictest(a, b) == expected
    assert strictest(b, a) == expected


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (audience("GREEN", X), audience("GREEN", Y)),
        (audience("AMBER", X), audience("AMBER", Y)),
        (red("p"), red("q")),
        (red("p"), red()),
        (audience("CLEAR", unknown=True), audience("CLEAR")),
    ],
)
def test_with_nobody_in_common_only_the_author_is_left(a: Audience, b: Audience) -> None:
    both = strictest(a, b)
    for person in (None, "p", "q"):
        for signer in (False, True):
            for party in (None, X, Y, Z):
                reader = Reader(
                    party=party, person=person, signer=signer, providers=frozenset([X, Y])
                )
                assert not rule(reader, both)[1]
    assert rule(Reader(party=AUTHOR, signer=True), both)[1]


# --- acting -----------------------------------------------------------------------------------

ROLES: list[UserRole] = ["reader", "analyst", "lead", "signer", "admin"]


@pytest.mark.parametrize(
    ("verb", "least"),
    [
        ("read", "reader"),
        ("draft", "analyst"),
        ("export", "analyst"),
        ("case", "lead"),
        ("publish", "signer"),
        ("sign", "signer"),
        ("token", "admin"),
        ("party", "admin"),
        ("purge", "admin"),
        ("taxii:read", "reader"),
        ("taxii:write", "analyst"),
    ],
)
def test_each_verb_has_its_least_role(verb: str, least: UserRole) -> None:
    for n, role in enumerate(ROLES):
        actor = Actor(reader=Reader(party=X, person="p"), role=role)
        assert may_act(actor, verb) is (n >= ROLES.index(least))
    assert verb in SCOPES


def test_every_verb_has_been_considered_here() -> None:
    assert set(SCOPES) == {
        "read", "draft", "export", "case", "publish", "sign", "token", "party", "purge",
        "taxii:read", "taxii:write",
    }  # fmt: skip


@pytest.mark.parametrize("verb", ["", "fly", "READ", "read "])
def test_an_unknown_verb_is_refused(verb: str) -> None:
    assert not may_act(Actor(reader=Reader(party=X), role="admin"), verb)


@pytest.mark.parametrize("role", ["", "root", "ADMIN", None])
def test_an_unknown_role_is_refused(role: Any) -> None:
    assert not may_act(Actor(reader=Reader(party=X), role=role), "read")


def test_a_token_does_no_more_than_its_scopes() -> None:
    actor = Actor(reader=Reader(party=X), role="admin", scopes=frozenset(["read", "draft"]))
    assert may_act(actor, "draft")
    assert not may_act(actor, "publish")
    assert not may_act(
        Actor(reader=Reader(party=X), role="reader", scopes=frozenset(SCOPES)), "sign"
    )
    assert not may_act(Actor(reader=Reader(party=X), role="admin", scopes=frozenset()), "read")


def test_nobody_acts_on_what_they_may_not_read_and_admin_reads_no_more() -> None:
    hidden, mine = Thing(audience("AMBER", Y)), Thing(audience("AMBER", X))
    for role in ROLES:
        actor = Actor(reader=Reader(party=X), role=role)
        assert not may_act(actor, "read", hidden)
        assert may_act(actor, "read", mine)
    assert not may_act(Actor(reader=Reader(party=X), role="admin"), "purge", hidden)


def test_an_actor_has_the_least_role_unless_it_is_given_another() -> None:
    assert [v for v in SCOPES if may_act(Actor(reader=ANONYMOUS), v)] == ["read", "taxii:read"]
