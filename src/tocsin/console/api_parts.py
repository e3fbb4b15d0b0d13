"""What every part of the API is made of: the request, the answer, and a line of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tocsin import errors
from tocsin.errors import ForbiddenError, UsageError
from tocsin.flows import respond
from tocsin.flows.node import Node
from tocsin.policy import TLP_ORDER, Actor, Tlp

BASE = "/api/v1"
JSON = "application/json"


class Request(Struct, frozen=True, kw_only=True):
    """One request, past sign-in: who asks, and what for."""

    node: Node
    actor: Actor
    params: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: bytes = b""
    headers: Mapping[str, str] = {}
    """Lower-case names."""

    @property
    def party(self) -> str:
        """The party in whose name the actor acts. Raises ForbiddenError for nobody."""
        if self.actor.reader.party is None:
            raise ForbiddenError("nobody is signed in", remedy="use a token: tocsin token link")
        return self.actor.reader.party

    def whole(self, name: str, default: int) -> int:
        """A whole number of the query, 0 or more. Raises UsageError."""
        text = self.query.get(name)
        if not text:
            return default
        if not text.isdecimal() or len(text) > 15:
            raise UsageError(f"{name}={text!r} is no whole number", remedy=f"{name}=10")
        return int(text)


class Answer(Struct, frozen=True, kw_only=True):
    """What goes back."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Route(Struct, frozen=True, kw_only=True):
    """One line of the table."""

    method: str
    path: str
    """`{name}` stands for one segment."""
    verb: str
    """What `policy.may_act` is asked; "" for routes whose body carries its own authority."""
    handler: Callable[..., Any]
    takes: type[Struct] | None = None
    """The JSON body, decoded strictly; None: raw bytes or nothing."""
    cost: str = "read"
    says: str = ""
    """One line for the reference."""


def level(word: str | None) -> Tlp | None:
    """A TLP level as a query names it; None where it names none. Raises UsageError."""
    if not word:
        return None
    found = next((level for level in TLP_ORDER if level == word.upper()), None)
    if found is None:
        raise UsageError(f"tlp={word!r}", remedy="one of: " + ", ".join(TLP_ORDER))
    return found


def marking(r: Request, tlp: Tlp | None, to: list[str], case: str | None) -> tuple[Tlp, list[str]]:
    """In a case: its ceiling and its members, unless said otherwise; outside: one's own eyes."""
    strange = [p for p in to if r.node.directory.party(p) is None]
    if strange:
        # A mistyped reader would be nobody, and whoever was meant would never know.
        raise UsageError(
            f"{', '.join(strange)}: no party of the directory", remedy="see: tocsin party list"
        )
    if case is None:
        return tlp or "AMBER+STRICT", to
    s = respond.state(r.node, case, r.actor.reader)
    return tlp or s.tlp, to or [p for p in respond.members(s) if p != r.party]


class Created(Struct, frozen=True):
    """Answered with 201."""

    value: Any


def route(
    method: str,
    path: str,
    verb: str,
    handler: Callable[..., Any],
    says: str,
    takes: type[Struct] | None = None,
    cost: str = "read",
) -> Route:
    """A line of the table."""
    return Route(
        method=method, path=path, verb=verb, handler=handler, takes=takes, cost=cost, says=says
    )


MAX_DEPTH = 64
"""Brackets within brackets in a request's JSON."""


def _too_deep(body: bytes) -> bool:
    """Whether JSON nests deeper than we go; brackets inside its text do not count."""
    depth = 0
    for bracket in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', body, re.DOTALL):
        if bracket[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif bracket[0] in b"]}":
            depth -= 1
    return False


def decode(body: bytes, kind: Any) -> Any:
    """A JSON body as `kind`. Raises InputError."""
    if _too_deep(body):
        raise errors.InputError(
            f"the request's body nests deeper than {MAX_DEPTH}", remedy="send a flatter document"
        )
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise errors.InputError(
            f"the request's body: {wrong}", remedy="send the JSON the reference describes"
        ) from wrong
