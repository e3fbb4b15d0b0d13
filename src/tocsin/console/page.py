"""What a page is: the request it gets, the things it may answer with, and words all pages share."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

from tocsin.console import auth, i18n
from tocsin.console.auth import Cost
from tocsin.console.forms import Upload
from tocsin.console.live import News
from tocsin.flows import intake
from tocsin.flows.node import Node
from tocsin.policy import Actor, Reader, may_act
from tocsin.store.interface import Kept, KeptSealed

ROWS = 200
"""Rows of a list on one page."""


class Ask(Struct, frozen=True, kw_only=True):
    """One request for a page, past sign-in."""

    node: Node
    actor: Actor
    person: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    uploads: list[Upload]

    @property
    def reader(self) -> Reader:
        return self.actor.reader

    @property
    def party(self) -> str:
        """The party that signs what this person publishes."""
        return self.actor.reader.party or self.node.party

    def must(self, verb: str) -> None:
        """Refuse unless policy allows this actor the verb."""
        auth.require(may_act(self.actor, verb), verb)

    def may(self, verb: str) -> bool:
        """Whether to show a control at all."""
        return may_act(self.actor, verb)


class Drawn(Struct, frozen=True, kw_only=True):
    """A page to be drawn."""

    template: str
    view: Any
    """A Struct: what `.json` gives."""
    key: str
    title: str
    cli: str | None = None
    table: tuple[tuple[str, ...], list[tuple[object, ...]]] | None = None
    more: dict[str, Any] = {}
    """What the template needs besides: drawings, and which controls to show."""
    status: int = 200
    beside: bool = True
    again_s: int | None = None
    """Seconds after which the page is to be asked for again: what it shows is on its way."""


class Go(Struct, frozen=True):
    """See another page (303): what a form that succeeded answers with."""

    to: str


class Bytes(Struct, frozen=True, kw_only=True):
    """A file to keep, never to be shown in place."""

    raw: bytes
    name: str


class Page(Struct, frozen=True, kw_only=True):
    """One address of the console."""

    path: str
    draw: Callable[[Ask], Drawn | Go | Bytes]
    method: Literal["GET", "POST"] = "GET"
    cost: Cost = "read"
    audit: str = ""
    """The act to note in the local audit when it has succeeded; "" for none."""
    forms: tuple[str, ...] = ("html", "json", "csv")
    """Page, `.json` beside it, `.csv` of its main table."""


def command(*words: str) -> str:
    """A command line that a shell reads as these words: what "Copy as CLI" gives."""
    return shlex.join(("tocsin", *words))


def sealed_for(kept: KeptSealed, called: Mapping[str, str]) -> str:
    """Who can open it, in words."""
    others = [party for party in kept.readers if party != kept.author] or [kept.author]
    return "sealed, for " + ", ".join(called.get(party, party) for party in others)


def names(node: Node) -> dict[str, str]:
    """Every party's own display name, by id."""
    return {party.id: party.name for party in node.everyone.parties}


# --- what is new ---

_KINDS = {
    "say": "published",
    "withdraw": "took something back",
    "ack": "acknowledged",
    "cosign": "answered an advisory",
    "act": "acted in a case",
    "compare": "compared privately",
    "key": "enrolled a key",
    "revoke": "revoked a key",
    "directory": "published a directory",
}
_EVENTS = {
    "case.open": "opened the case",
    "case.stage": "moved the case to another stage",
    "case.invite": "invited an organisation",
    "case.join": "answered its invitation",
    "case.leave": "left the case",
    "case.remove": "asked to remove an organisation",
    "hold.propose": "proposed a hold",
    "hold.sign": "signed a hold",
    "hold.refuse": "refused a hold",
    "hold.free": "freed itself from a hold",
    "hold.end": "ended a hold",
    "advise.freeze": "froze an advisory",
    "advise.publish": "published an advisory",
    "advise.withdraw": "withdrew an advisory",
}


def in_words(kind: str, body: Mapping[str, Any], objects: int) -> str:
    """A statement in a few words of ours; what it says stands on its own page."""
    if kind == "act":
        return _EVENTS.get(str(body.get("event")), _KINDS["act"])
    if kind == "say" and objects:
        return f"published {i18n.plural(objects, 'object')}"
    if kind == "cosign":
        return "refused an advisory" if body.get("refuse") else "co-signed an advisory"
    return _KINDS.get(kind, kind)


def says(kept: Kept, called: Mapping[str, str]) -> News:
    """A logged statement in one line."""
    statement = intake.parse_kept(kept)
    return News(
        index=kept.index,
        id=kept.id,
        kind=kept.kind,
        author=kept.author,
        name=called.get(kept.author, kept.author),
        what=in_words(kept.kind, statement.body, len(statement.objects)),
        case=kept.case,
        time=statement.time,
    )


def news(node: Node, reader: Reader, after: int, most: int) -> list[News]:
    """What this reader may read of what entered the log behind `after`."""
    called = names(node)
    found = node.store.statements(node.allowed(reader), after_index=after, limit=most)
    return [says(kept, called) for kept in found]
