"""Who calls whom what: every alias is a claim with a speaker, and none is ever acted upon.

A record is what one source says of one actor: its name, what else it is called, and the source's
own words on it. Records are never merged and no field moves from one to another; a look-up gives
all that carry a name, and where those are several it says so and picks none. Nothing here can be
undone, since nothing is done. Spec: claims.md §4.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from msgspec import Struct

MAX_NAME = 300
"""Characters of a name; a longer one is a text, and is left out."""
MAX_ALIASES = 1_000
"""Other names of one record; sources have some forty at most."""

ACTOR_TYPES = ("campaign", "intrusion-set", "threat-actor")
"""The STIX types that carry `aliases` and stand for who acts (STIX 2.1 §4.2, §4.9, §4.17)."""


class Speaker(Struct, frozen=True, order=True):
    """Who says it: a source, as it names itself, and the version of it; "" where it has none."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}, version {self.version}" if self.version else self.name


class Alias(Struct, frozen=True):
    """The claim "the actor is also called `name`"."""

    name: str
    """As its source prints it."""
    coined_by: str = ""
    """Whose name it is by the source's word, "" where it does not say."""


class Record(Struct, frozen=True, kw_only=True):
    """What one source says of one actor."""

    id: str
    """The actor's id in the source."""
    speaker: Speaker
    name: str
    aliases: tuple[Alias, ...] = ()
    """Without `name` itself, in the source's order."""
    words: tuple[tuple[str, str], ...] = ()
    """Fields the source fills, as it prints them: `country`, `attribution-confidence`, ..."""


class Candidate(Struct, frozen=True, kw_only=True):
    """One actor that a source calls by the name asked for."""

    record: Record
    printed: str
    """The name as this source prints it."""
    coined_by: str
    is_main: bool
    """It is the name under which the source lists the actor."""


class Answer(Struct, frozen=True, kw_only=True):
    """All that is said about one name. Nothing is chosen among the candidates."""

    asked: str
    folded: str
    candidates: tuple[Candidate, ...]
    """By source, then by the record's id."""
    shared: tuple[Speaker, ...]
    """The sources that give the name to two or more of their own actors."""

    @property
    def ambiguous(self) -> bool:
        """Several actors bear the name; that two sources mean the same one is nobody's word."""
        return len(self.candidates) > 1


_DROPPED = re.compile(r"[\s_\-‐‑‒–—]+")


def fold(name: str) -> str:
    """A name as it is compared: NFKC, casefold, without white space, hyphens and underscores.

    Folded again, what comes is the same; "" for a name of nothing else. Spec: claims.md §4.
    """
    folded, before = name, None
    # What is dropped may have stood between a letter and its accent, and folding may uncover more:
    # two rounds are the rule, four the bound.
    for _ in range(4):
        if folded == before:
            break
        before = folded
        bare = _DROPPED.sub("", unicodedata.normalize("NFKC", folded))
        folded = unicodedata.normalize("NFKC", bare.casefold())
    return folded


class Names:
    """The records of some sources by folded name. Holds what it is given, in no other order."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._by_name: dict[str, dict[tuple[Speaker, str, str], Candidate]] = {}
        for record in records:
            self._enter(record, Alias(record.name), is_main=True)
            for alias in record.aliases:
                self._enter(record, alias, is_main=False)

    def _enter(self, record: Record, alias: Alias, *, is_main: bool) -> None:
        folded = fold(alias.name)
        if not folded:
            return
        # One source may write a name twice ("APT 28", "APT28"): it is said once of the actor. Two
        # records of one source with one id and other names stay two.
        key = (record.speaker, record.id, record.name)
        self._by_name.setdefault(folded, {}).setdefault(
            key,
            Candidate(
                record=record, printed=alias.name, coined_by=alias.coined_by, is_main=is_main
            ),
        )

    def __len__(self) -> int:
        """How many folded names there are."""
        return len(self._by_name)

    def look_up(self, name: str) -> Answer:
        """Every actor that some source calls `name`; no candidate where none does."""
        folded = fold(name)
        found = self._by_name.get(folded, {})
        speakers = Counter(key[0] for key in found)
        return Answer(
            asked=name,
            folded=folded,
            candidates=tuple(found[key] for key in sorted(found)),
            shared=tuple(sorted(one for one, actors in speakers.items() if actors > 1)),
        )

    def several(self) -> tuple[Answer, ...]:
        """The answers for all names that several actors bear, by folded name."""
        return tuple(
            self.look_up(min(c.printed for c in found.values()))
            for _, found in sorted(self._by_name.items())
            if len(found) > 1
        )

    def shared(self) -> tuple[str, ...]:
        """The folded names that one source gives to two or more of its own actors, sorted."""
        return tuple(
            sorted(
                folded
                for folded, found in self._by_name.items()
                if len({key[0] for key in found}) < len(found)
            )
        )


_ALSO_CALLED = re.compile(r"“([^“”]{1,300})” is also called “([^“”]{1,300})”")


def alias_in(words: str) -> tuple[str, str] | None:
    """A and B of a claim that is `“A” is also called “B”` and nothing else; None for any other."""
    found = _ALSO_CALLED.fullmatch(words)
    return (found[1], found[2]) if found and fold(found[1]) and fold(found[2]) else None


def is_name(given: object) -> TypeGuard[str]:
    """Whether something that a file gives as an actor's name is one."""
    return isinstance(given, str) and len(given) <= MAX_NAME and fold(given) != ""


def aliases_of(
    main: str, given: Any, coiners: Mapping[str, str] | None = None
) -> tuple[tuple[Alias, ...], list[tuple[str, str]]]:
    """Aliases as a foreign file lists them, and what was left out of it: (kind of loss, reason)."""
    made: dict[str, Alias] = {}
    lost: list[tuple[str, str]] = []
    if given is not None and not isinstance(given, list):
        lost.append(("bad-object", f"{main[:60]}: its other names are no list"))
    for n, one in enumerate(given if isinstance(given, list) else ()):
        if n == MAX_ALIASES:
            note = f"{main[:60]}: more than {MAX_ALIASES} other names, the rest is left out"
            lost.append(("over-limit", note))
            break
        if not isinstance(one, str) or not one.strip():
            lost.append(("bad-value", f"{main[:60]}: its other name {n + 1} is no text"))
        elif len(one) > MAX_NAME:
            note = f"{main[:60]}: its other name {n + 1} has {len(one)} characters"
            lost.append(("bad-value", note))
        elif one != main:
            made.setdefault(one, Alias(one, (coiners or {}).get(one, "")))
    return tuple(made.values()), lost


def record_of(data: Mapping[str, Any], speaker: Speaker) -> Record | None:
    """The record in one STIX object, as its speaker's word; None where it is no named actor.

    A STIX `name` is the main name; `aliases` are the others (ATT&CK repeats the name there).
    """
    name = data.get("name")
    if data.get("type") not in ACTOR_TYPES or not is_name(name):
        return None
    aliases, _ = aliases_of(name, data.get("aliases"))
    words = tuple(
        (key, value)
        for key in ("primary_motivation", "resource_level", "first_seen", "last_seen")
        if isinstance(value := data.get(key), str)
    )
    return Record(
        id=str(data.get("id", "")),
        speaker=speaker,
        name=name,
        aliases=aliases,
        words=words,
    )


def as_data(found: Answer) -> dict[str, Any]:
    """A look-up as data: candidates in equal form, none chosen."""
    return {
        "asked": found.asked,
        "folded": found.folded,
        "ambiguous": found.ambiguous,
        "shared_in": [str(one) for one in found.shared],
        "candidates": [
            {
                "source": one.record.speaker.name,
                "version": one.record.speaker.version,
                "id": one.record.id,
                "name": one.record.name,
                "printed": one.printed,
                "coined_by": one.coined_by,
                "main": one.is_main,
                "also": [
                    {"name": alias.name, "coined_by": alias.coined_by}
                    for alias in one.record.aliases
                ],
                "words": dict(one.record.words),
            }
            for one in found.candidates
        ],
    }
