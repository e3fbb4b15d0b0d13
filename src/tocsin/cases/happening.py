"""One statement of a case while it is applied, and the one way in which it can have no effect.

Spec: respond.md §1, rule 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from tocsin.cases.model import PartyState, VoidReason
from tocsin.claims.times import instant


class NoEffect(Exception):
    """The event is void for this reason; its neighbours are not touched (rule 6)."""

    def __init__(self, reason: VoidReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Happening(Struct, kw_only=True):
    """A statement being applied, and what is learnt about it on the way."""

    id: str
    author: str
    name: str
    item: str
    body: Mapping[str, Any]
    at: datetime
    jumped: list[str] = []
    late: bool = False
    changed: bool = False
    claimed: bool = False
    before: PartyState | None = None
    """Its author as it was before this event implied its joining."""

    @property
    def time(self) -> str:
        """`at` as it is shown."""
        return utc_text(self.at)

    @property
    def re(self) -> str:
        """The statement it answers."""
        found: str = self.body["re"]
        return found

    @property
    def reason(self) -> str | None:
        """Its author's own words for it, where it gives some."""
        found: str | None = self.body.get("reason")
        return found

    def must_be_by(self, owner: str | None) -> None:
        """See that its author is the party whose transition it is.

        Raises:
            NoEffect: it is another's.
        """
        if self.author != owner:
            raise NoEffect("not-owner")


Handler = Callable[[Happening], None]
"""Applies one event to the state of its family, or raises `NoEffect`."""


def utc_text(at: datetime) -> str:
    """RFC 3339 text, with the fraction of a second that it has."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def not_before(asked: str, floor: datetime) -> datetime:
    """A deadline, never below its floor: clamped up, never refused (rule 8)."""
    return max(instant(asked), floor)
