"""Who may read and who may act. The only place in tocsin that decides either.

Values only: doors make a `Reader` from whoever is at the door, statements give an `Audience`,
and every read, count, search, feed, export and notification asks `may_read` or takes the set
that `allowed` computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

Tlp = Literal["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]
"""A marking of the FIRST Traffic Light Protocol 2.0, loosest first."""

TLP_ORDER: tuple[Tlp, ...] = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
TLP_RANK: dict[str, int] = {name: rank for rank, name in enumerate(TLP_ORDER)}


class Reader(Struct, frozen=True, kw_only=True):
    """Whoever wants to read. A door may set `party` only for a party of the directory."""

    party: str | None = None
    person: str | None = None
    providers: frozenset[str] = frozenset()
    """Parties whose directory entry names `party` among their `clients` (TLP 2.0, AMBER)."""
    signer: bool = False
    """The person holds the user role signer (or above) at `party`."""


ANONYMOUS = Reader()


class Audience(Struct, frozen=True, kw_only=True):
    """Who is meant to read: a marking, the named parties, for RED the named persons."""

    author: str
    tlp: Tlp
    to: frozenset[str] = frozenset()
    persons: frozenset[str] = frozenset()
    unknown: bool = False
    """A marking we cannot resolve, or a statement marking that speaks of access."""


class HasAudience(Protocol):
    """Anything that can be asked who may read it."""

    @property
    def audience(self) -> Audience: ...


def rule(reader: Reader, audience: Audience) -> tuple[int, bool]:
    """The number of the first of the nine rules that fits, and its answer.

    Show the number to the owner only: it tells of the marking.
    """
    a = audience
    if reader.party is not None and reader.party == a.author:
        if a.tlp == "RED":
            return 1, reader.signer or (reader.person is not None and reader.person in a.persons)
        return 1, True
    named = reader.person in a.persons if a.persons else reader.signer
    if a.unknown:
        # Where it is RED as well, its persons hold: a marking nobody can read opens nothing.
        return 2, reader.party is not None and reader.party in a.to and (a.tlp != "RED" or named)
    if a.tlp == "CLEAR":
        return 3, True
    if reader.party is None:
        return 4, False
    if a.tlp == "GREEN":
        return 5, not a.to or reader.party in a.to
    if a.tlp == "AMBER":
        return 6, reader.party in a.to or not reader.providers.isdisjoint(a.to)
    if a.tlp == "AMBER+STRICT":
        return 7, reader.party in a.to
    # Rule 9, "anything else: no", is this line's answer for a marking that is not one of the five.
    return (8, reader.party in a.to and named) if str(a.tlp) == "RED" else (9, False)


def may_read(reader: Reader, x: HasAudience) -> bool:
    """Whether `reader` may read `x`. Every read of every door ends here."""
    return rule(reader, x.audience)[1]


def allowed(reader: Reader, audiences: Mapping[int, Audience]) -> frozenset[int]:
    """The interned audiences this reader belongs to: what a store's read takes as `allowed`."""
    return frozenset(number for number, a in audiences.items() if rule(reader, a)[1])


def may_leave(audience: Audience) -> bool:
    """Whether a reader may put this into a file for machines or for other tools.

    Not what is for named persons (RED), nor what is under a marking that cannot be resolved,
    which goes never onward (rule 2), nor GREEN for named parties only, which no tag can say.
    """
    named = audience.tlp == "GREEN" and bool(audience.to)
    return audience.tlp != "RED" and not audience.unknown and not named


def strictest(a: Audience, b: Audience) -> Audience:
    """The audience of a thing that is under both: read only by those whom both allow.

    Where the two have nobody in common, or what they have in common cannot be said in one
    audience, the result names nobody: only the author is left. Two different authors leave none.
    """
    if a == b:
        return a
    tlp = max(a.tlp, b.tlp, key=lambda name: TLP_RANK[name])
    author = a.author if a.author == b.author else ""
    unknown = a.unknown or b.unknown
    to = _both(a, b)
    persons = _persons(a, b)
    if to is None or persons is None:
        # An empty `to` would be everybody under GREEN, and empty `persons` all signers under RED.
        tlp = tlp if tlp == "RED" else "AMBER+STRICT"
        return Audience(author=author, tlp=tlp, unknown=unknown)
    if tlp == "AMBER" and any(x.tlp == "GREEN" and x.to for x in (a, b)):
        # AMBER lets in the clients of those it names, and GREEN that names parties does not.
        tlp = "AMBER+STRICT"
    return Audience(author=author, tlp=tlp, to=to, persons=persons, unknown=unknown)


def _both(a: Audience, b: Audience) -> frozenset[str] | None:
    # CLEAR, and GREEN without `to`, name nobody and therefore limit nobody.
    limits = [x.to for x in (a, b) if x.unknown or not _names_nobody(x)]
    if not limits:
        return a.to & b.to
    common = frozenset.intersection(*limits)
    return common or None


def _names_nobody(x: Audience) -> bool:
    return x.tlp == "CLEAR" or (x.tlp == "GREEN" and not x.to)


def _persons(a: Audience, b: Audience) -> frozenset[str] | None:
    limits = [x.persons for x in (a, b) if x.tlp == "RED"]
    if len(limits) < 2 or limits[0] == limits[1]:
        return limits[0] if limits else frozenset()
    return limits[0] & limits[1] or None


# --- acting -----------------------------------------------------------------------------------

UserRole = Literal["reader", "analyst", "lead", "signer", "admin"]
"""What a person may do on one node; what a party is in a case is another thing."""

ROLE_RANK: dict[str, int] = {
    "reader": 0,
    "analyst": 1,
    "lead": 2,
    "signer": 3,
    "admin": 4,
}

_NEEDS: dict[str, int] = {
    "read": 0,
    "draft": 1,  # ingest, edit and reject drafts, sweep own logs
    "case": 2,  # open a case, invite, compose an advisory
    "publish": 3,  # anything that is signed and logged
    "sign": 3,
    "export": 1,
    "token": 4,
    "party": 4,  # invite a party, publish a directory
    "purge": 4,
    # What the TAXII server does for a program; its party's audiences decide what it reads.
    "taxii:read": 0,
    "taxii:write": 1,
}
SCOPES: tuple[str, ...] = tuple(_NEEDS)


class Actor(Struct, frozen=True, kw_only=True):
    """A person (or a program with a token) at a door, with what the door knows of them."""

    reader: Reader
    role: UserRole = "reader"
    scopes: frozenset[str] | None = None
    """What a token is limited to; None for a person's session."""


def may_act(actor: Actor, verb: str, x: HasAudience | None = None) -> bool:
    """Whether `actor` may do `verb`, on `x` where there is one. Refuses what it does not know.

    A lower user role never allows more, and nobody acts on what they may not read: `admin` gives
    no reading that the person has not got anyway.
    """
    needs = _NEEDS.get(verb)
    if needs is None or ROLE_RANK.get(actor.role, -1) < needs:
        return False
    if actor.scopes is not None and verb not in actor.scopes:
        return False
    return x is None or may_read(actor.reader, x)
