"""The Names and Overlap pages: who calls whom what, and what an incident shares with groups.

Every candidate is shown in the same form, by source and id; nothing is merged, chosen or ranked.

Spec: claims.md §4.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tocsin.console.page import ROWS, Ask, Drawn, command
from tocsin.errors import UsageError
from tocsin.flows import relate
from tocsin.flows.held import Library
from tocsin.policy import Reader
from tocsin.relate import names as calling
from tocsin.relate.names import MAX_NAME
from tocsin.relate.overlap import Group
from tocsin.relate.overlap import as_data as overlap_data


class OtherName(Struct, frozen=True, kw_only=True):
    """What an actor is also called by the same source."""

    name: str
    coined_by: str


class Called(Struct, frozen=True, kw_only=True):
    """One actor whom a source calls by the name asked for."""

    source: str
    version: str
    id: str
    name: str
    printed: str
    coined_by: str
    main: bool
    also: tuple[OtherName, ...]
    words: dict[str, str]
    """Fields of the source, as it prints them."""
    sha256: str = ""
    """Of its object here."""


class NameFound(Struct, frozen=True, kw_only=True):
    """All that is said about one name."""

    asked: str
    folded: str
    ambiguous: bool
    shared_in: tuple[str, ...]
    """Sources that give it to several of their own actors."""
    candidates: tuple[Called, ...]


class SeveralRow(Struct, frozen=True, kw_only=True):
    """A name that several actors bear."""

    name: str
    actors: int
    said_by: tuple[str, ...]


class NamesView(Struct, frozen=True, kw_only=True):
    """One name and its candidates; without one, the names that several actors bear."""

    asked: str
    names: int
    """How many names there are that this reader may see."""
    found: NameFound | None
    several: tuple[SeveralRow, ...]
    """The first 200."""
    several_count: int


def names(ask: Ask) -> Drawn:
    """Names: every candidate and who says it; none is chosen."""
    return names_of(ask.node, ask.reader, ask.query.get("name", ""))


def names_of(node: Library, reader: Reader, name: str) -> Drawn:
    """The Names page of a node, or of a space that has none."""
    asked = name.strip()
    if len(asked) > MAX_NAME:
        raise UsageError(
            f"a name of {len(asked)} characters", remedy=f"ask for one of 1 to {MAX_NAME}"
        )
    have = relate.held(node, reader)
    found = None
    if asked:
        data = calling.as_data(have.names.look_up(asked))
        for one in data["candidates"]:
            one["sha256"] = have.shown.get(one["id"], "")
        found = msgspec.convert(data, NameFound)
    several = () if asked else have.names.several()
    view = NamesView(
        asked=asked,
        names=len(have.names),
        found=found,
        several=tuple(
            SeveralRow(
                name=one.asked,
                actors=len(one.candidates),
                said_by=tuple(dict.fromkeys(c.record.speaker.name for c in one.candidates)),
            )
            for one in several[:ROWS]
        ),
        several_count=len(several),
    )
    return Drawn(
        template="names.html",
        view=view,
        key="names",
        title=f"Names: {asked}" if asked else "Names",
        cli=command("names", "--", asked) if asked else None,
        table=(
            ("name", "printed", "source", "version", "coined by", "id"),
            [
                (c.name, c.printed, c.source, c.version, c.coined_by, c.id)
                for c in (found.candidates if found else ())
            ],
        )
        if asked
        else (
            ("name", "actors", "said by"),
            [(row.name, row.actors, "; ".join(row.said_by)) for row in view.several],
        ),
    )


class OverlapView(Struct, frozen=True, kw_only=True):
    """What one incident, campaign or group shares with groups: a sentence, then the groups."""

    id: str
    name: str
    says: str
    outcome: str
    items: int
    """Tools and techniques it has."""
    compared_with: int
    compatible: int
    compatible_apart: int
    groups: tuple[Group, ...]
    """By id, which is no order of merit."""


def overlap(ask: Ask) -> Drawn:
    """Overlap: what is shared with each group that fits, and how common each item is."""
    return overlap_of(ask.node, ask.reader, ask.path["id"])


def overlap_of(node: Library, reader: Reader, id: str) -> Drawn:
    """The Overlap page of a node, or of a space that has none."""
    found, name = relate.compared(node, reader, id)
    view = msgspec.convert(overlap_data(found, id, name), OverlapView)
    return Drawn(
        template="overlap.html",
        view=view,
        key="names",
        title="What is shared with groups",
        cli=command("overlap", id),
        table=(
            ("group", "group id", "item", "other groups that use it", "own sources only"),
            [
                (g.name, g.id, s.name, s.other_groups, s.own_sources_only)
                for g in view.groups
                for s in g.shared
            ],
        ),
    )
