"""How this node stands with each other one: where the exchange is, and what went wrong."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tocsin.flows import rows
from tocsin.flows.homes import peers_of
from tocsin.flows.node import Node
from tocsin.flows.pages import Pages

STATE = "peer"
"""Local rows, by party."""


class State(Struct, frozen=True, kw_only=True):
    """How this node stands with one other."""

    party: str
    epoch: str = ""
    """Of the numbers of its outbox for us."""
    after: int = 0
    """Up to here we have it."""
    at: str = ""
    """The statement there."""
    pushed: int = 0
    """Up to here of our outbox it has taken what we brought."""
    reached: str = ""
    """When it last answered, or asked (20 characters)."""
    error: str = ""
    """Why the last round failed; "": it did not."""
    failing: str = ""
    """Since when rounds have failed without one between that did not."""
    unreachable: str = ""
    """Since when it has given no answer at all; "": it answered, if only that it is to be later."""
    wait_until: str = ""
    """Not asked before."""
    refused: int = 0
    """Statements of its that were refused, ever."""
    more: bool = False
    """It has more for us than was read yet."""
    compared: int = 0
    """Its outbox has been compared up to this number; 0: no comparison is going on."""
    comparing: str = ""
    """The epoch of that number."""
    not_given: int = 0
    """What it listed in the last comparison and did not give when it was asked."""
    contradicted: int = 0
    """How often it has named, for a place of a chain, another statement than the author signed."""
    dropped: bool = False
    """Something that it brought, of others, had no room in quarantine: it is asked for again."""


def state_of(node: Node, party: str) -> State:
    """How this node stands with one other."""
    row = node.store.local(STATE, party)
    return msgspec.json.decode(row.value, type=State) if row else State(party=party)


def note(node: Node, party: str, **changed: Any) -> None:
    """Change some of it; what another thread writes meanwhile stays.

    Raises:
        ConflictError: see `rows.change`.
    """
    rows.change(node, STATE, party, State, State(party=party), rows.to(**changed))


def add(node: Node, party: str, *, refused: int = 0, contradicted: int = 0) -> None:
    """Count so many more; what another thread counts meanwhile counts too.

    Raises:
        ConflictError: see `rows.change`.
    """

    def more(before: State) -> State:
        return replace(
            before,
            refused=before.refused + refused,
            contradicted=before.contradicted + contradicted,
        )

    rows.change(node, STATE, party, State, State(party=party), more)


class PeerRow(Struct, frozen=True, kw_only=True):
    """One peer in `tocsin peers`."""

    party: str
    url: str
    """"": it comes by itself."""
    home: tuple[str, ...]
    """Whose readers it serves."""
    reached: str
    error: str
    failing: str
    lag: int
    """Statements for it that it has not said to have."""
    more: bool
    """It has more for us than was read yet."""
    quarantined: int
    refused: int
    not_given: int
    """Listed by it as for us, and not given when it was asked."""
    contradicted: int
    """Places of chains for which it named another statement than their author signed."""


def peers(node: Node) -> list[PeerRow]:
    """Every peer of the directory, and how this node stands with it."""
    counts = node.store.held_back_counts()
    pages = Pages(node)
    found = []
    for party, peer in sorted(peers_of(node.directory, node.party).items()):
        state = state_of(node, party)
        found.append(
            PeerRow(
                party=party,
                url=peer.url,
                home=peer.home,
                reached=state.reached,
                error=state.error,
                failing=state.failing,
                lag=pages.lag(peer),
                more=state.more,
                quarantined=counts.get(party, 0),
                refused=state.refused,
                not_given=state.not_given,
                contradicted=state.contradicted,
            )
        )
    return found
