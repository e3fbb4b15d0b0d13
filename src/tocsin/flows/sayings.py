"""How far the objects of a report have come: they wait, are being said, were said or set aside.

A local row for each report that holds objects, small beside the report itself, so that a page can
list what waits. Saying a large report takes long: the row says how it is to be said and how far
that got, so that it goes on after a restart and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tocsin.errors import ConflictError
from tocsin.flows.intake import not_found
from tocsin.flows.node import Node
from tocsin.policy import Tlp

KIND = "report-objects"
MAX_LEFT_OUT = 1_000
"""Objects left out that are listed one by one."""

State = Literal["waiting", "saying", "said", "stopped", "set-aside"]


class LeftOut(Struct, frozen=True, kw_only=True):
    """An object that was not said, and why."""

    id: str
    why: str


class Saying(Struct, frozen=True, kw_only=True):
    """The objects of one report: what became of them, and how far it got."""

    report: str
    name: str
    received_at: str
    objects: int
    """All of the file, those with a problem included."""
    state: State = "waiting"
    since: str = ""
    """Of the state."""
    done: int = 0
    """How many of `objects` have been dealt with."""
    said: int = 0
    again: int = 0
    """Said by this party already, to the byte: not said again."""
    withdrawn: int = 0
    """Objects taken back, because the file has them no more."""
    originals: int = 0
    """Documents kept whole, for this party alone."""
    statements: int = 0
    """In which all that was said."""
    left_out: tuple[LeftOut, ...] = ()
    more_left_out: int = 0
    """Left out and not listed."""
    why: str = ""
    """Why it stopped, or was set aside."""
    by: str = ""
    tlp: Tlp = "AMBER+STRICT"
    to: tuple[str, ...] = ()
    case: str | None = None
    person: str | None = None

    @property
    def open(self) -> bool:
        """Whether a person has something to do about it, or will soon see it done."""
        return self.state in ("waiting", "saying", "stopped")


def sayings(node: Node) -> list[Saying]:
    """Of every report that holds objects, newest first."""
    found = [msgspec.json.decode(row.value, type=Saying) for row in node.store.list_local(KIND)]
    return sorted(found, key=lambda one: (one.received_at, one.report), reverse=True)


def saying(node: Node, report: str) -> Saying | None:
    """Of one report; None: it holds no objects.

    Raises:
        NotFoundError: no such report here.
    """
    row = node.store.local(KIND, report)
    if row is not None:
        return msgspec.json.decode(row.value, type=Saying)
    if node.store.local("report", report) is None:
        raise not_found(f"report {report}")
    return None


def change(node: Node, report: str, /, **changed: Any) -> Saying:
    """Set fields of a row, whoever else writes it. Raises NotFoundError."""
    while True:
        row = node.store.local(KIND, report)
        if row is None:
            raise not_found(f"the objects of report {report}")
        after = replace(msgspec.json.decode(row.value, type=Saying), **changed)
        with suppress(ConflictError):
            node.store.keep_local(KIND, report, msgspec.json.encode(after), row.version)
            return after


def add(node: Node, one: Saying) -> None:
    """Keep the row of a report that is not listed yet; a reading cut off may have left it."""
    row = node.store.local(KIND, one.report)
    node.store.keep_local(KIND, one.report, msgspec.json.encode(one), row.version if row else None)


def listed(left_out: Iterable[LeftOut], before: Saying) -> dict[str, Any]:
    """The fields of `before` with more objects left out: the first are listed, all are counted."""
    every = [*before.left_out, *left_out]
    kept = tuple(every[:MAX_LEFT_OUT])
    return {"left_out": kept, "more_left_out": before.more_left_out + len(every) - len(kept)}
