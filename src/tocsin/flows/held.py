"""What one reader holds of the claim carrier, now or as it was at a time, ready to be weighed.

Of an object that was said again in a newer version, the version of that time counts: who commits
to grounds and shows them later had not shown them before.

Spec: claims.md §2.2.1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from tocsin.claims.carrier import read, replaced
from tocsin.claims.model import View
from tocsin.claims.times import instant
from tocsin.flows.beside import Differing, inconsistent
from tocsin.flows.intake import parse_kept
from tocsin.policy import Reader
from tocsin.record.directory import Party
from tocsin.store.interface import Head, Kept, KeptObject

_MOST_VIEWS = 16
"""Views of earlier times that are kept for one reader; lists ask for them in order of time."""


class Shelf(Protocol):
    """What is asked of a store here: a part of `store.interface.Reads` and `Log`."""

    def head(self) -> Head | None: ...

    def select(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
    ) -> list[KeptObject]: ...

    def count(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
    ) -> int: ...

    def versions(self, stix_id: str, allowed: frozenset[int]) -> list[KeptObject]: ...

    def statement(self, id: str, allowed: frozenset[int]) -> Kept | None: ...

    def statements(self, allowed: frozenset[int], *, kind: str | None = None) -> list[Kept]: ...


class Roster(Protocol):
    """Who is a party: a `Directory`, or nobody."""

    @property
    def parties(self) -> Sequence[Party]: ...

    def party(self, party: str) -> Party | None: ...

    def by_identity(self, identity: str) -> Party | None: ...


class Library(Protocol):
    """Where claims are read: a `Node`, or a space that has neither log nor parties."""

    @property
    def store(self) -> Shelf: ...

    @property
    def everyone(self) -> Roster: ...

    @property
    def views(self) -> dict[Any, Any]: ...

    def allowed(self, reader: Reader) -> frozenset[int]: ...

    def identity(self, party: str) -> str: ...

    def reader(self, party: str | None) -> Reader: ...


class Seen(Struct, frozen=True, kw_only=True):
    """What one reader holds, ready to be weighed."""

    view: View
    kept: Mapping[str, KeptObject]
    """The newest readable version by STIX id."""
    reader: Reader
    allowed: frozenset[int]
    rivals: Mapping[str, tuple[str, ...]]
    """Claims that stand as another account of the same matter, either way round."""
    answers: Mapping[str, tuple[tuple[str, str | None], ...]]
    """(claim that answers this one, how), for calls and demands above all."""
    differing: Mapping[str, tuple[Differing, ...]]
    """Other claims of the same speaker that give other figures for the same matter."""
    cases: Mapping[str, str | None]
    """The case in which a claim was first said."""
    revised: Mapping[str, tuple[tuple[datetime, KeptObject], ...]]
    """Every readable version, oldest first, of what its publisher said again; with its time."""
    turns: Sequence[tuple[datetime, str]]
    """(when, id) of each version that took the place of an earlier one, in order: between two of
    these instants every view of then is the same."""
    views: dict[int, View]
    """Views of earlier times, by how many of `turns` had been by then."""

    def withdrawn(self, id: str, at: datetime | None = None) -> bool:
        """Whether an object had been taken back by then."""
        if at is None:
            return id in self.kept and self.kept[id].withdrawn
        when = self.view.withdrawn.get(id)
        return when is not None and when <= at

    def at(self, at: datetime | None) -> View:
        """The view as of a time: of every object the version that was the newest then."""
        turn = len(self.turns) if at is None else bisect_right(self.turns, at, key=_when)
        if at is None or turn == len(self.turns):
            return self.view
        made = dict(self.views)  # another request may let one go meanwhile
        if turn not in made:
            made[len(self.turns)] = self.view
            near = min(made, key=lambda other: (abs(other - turn), other))
            between = self.turns[min(near, turn) : max(near, turn)]
            then = [self._version(id, at) for id in dict.fromkeys(id for _, id in between)]
            made[turn] = replaced(made[near], [(one.data, one.sha256) for one in then])
            if len(self.views) >= _MOST_VIEWS:
                self.views.pop(next(iter(self.views), turn), None)
            self.views[turn] = made[turn]
        return made[turn]

    def _version(self, id: str, at: datetime) -> KeptObject:
        """The newest version of then, of what was said again; before the first one, the first."""
        versions = self.revised[id]
        return versions[max(0, bisect_right(versions, at, key=_when) - 1)][1]


def _when(dated: tuple[datetime, object]) -> datetime:
    return dated[0]


def by_then(known: datetime, at: datetime | None) -> bool:
    """Whether something known from `known` on is among what was known at `at`; None: now."""
    return at is None or known <= at


def seen(node: Library, reader: Reader, case: str | None = None) -> Seen:
    """Everything of the claim carrier that `reader` may see, in one case or in all.

    Raises nothing: what breaks the carrier is named in `view.broken`.
    """
    allowed = node.allowed(reader)
    head = node.store.head()
    key = (allowed, case, head.size if head else 0)
    found = node.views.get(key)
    if isinstance(found, Seen):
        return replace(found, reader=reader)
    kept = {o.id: o for o in node.store.select(allowed, case=case)}
    view = _read(kept.values(), _withdrawn(node, allowed, kept))
    view = replace(view, called=_called(node, view))
    rivals, answers = _tied(view)
    first = {ref: kept[ref].said_by[0] for ref in view.claims if ref in kept and kept[ref].said_by}
    said = {i: node.store.statement(i, allowed) for i in set(first.values())}
    cases = {ref: s.case for ref, i in first.items() if (s := said[i])}
    revised = _revised(node, allowed, view, kept)
    result = Seen(
        view=view,
        kept=kept,
        reader=reader,
        allowed=allowed,
        rivals=rivals,
        answers=answers,
        differing=inconsistent(view, cases),
        cases=cases,
        revised=revised,
        turns=sorted((when, id) for id, them in revised.items() for when, _ in them[1:]),
        views={},
    )
    if len(node.views) > 32:
        node.views.clear()
    node.views[key] = result
    return result


def _read(kept: Iterable[KeptObject], withdrawn: Mapping[str, datetime]) -> View:
    return read([(o.data, o.sha256) for o in kept], withdrawn=withdrawn)


def _called(node: Library, view: View) -> dict[str, str]:
    """What those who speak, or are spoken for, call themselves in the directory.

    A party may never have said its identity object, and is no number for that.
    """
    refs: set[str | None] = set()
    for claim in view.claims.values():
        refs |= {claim.x.speaker_ref, claim.x.speaks_for_ref}
    for answer in view.challenges.values():
        refs |= {answer.x.speaker_ref, answer.x.speaks_for_ref}
    refs |= {ref for one in view.evidence.values() for ref in one.x.producer_refs}
    found = ((ref, node.everyone.by_identity(ref)) for ref in refs if ref)
    return {ref: party.name for ref, party in found if party is not None}


def _revised(
    node: Library, allowed: frozenset[int], view: View, kept: Mapping[str, KeptObject]
) -> dict[str, tuple[tuple[datetime, KeptObject], ...]]:
    """See `Seen.revised`. What was said once has `modified` as it has `created`.

    What breaks the carrier in its newest version may have kept it before.
    """
    found = {}
    carried = (view.claims, view.evidence, view.challenges, view.links)
    for id in (*(id for some in carried for id in some), *(one.id for one in view.broken)):
        if kept[id].modified == kept[id].created:
            continue
        publisher = view.objects[id].data.get("created_by_ref")
        versions = [
            (when, one)
            for one in node.store.versions(id, allowed)
            if one.data.get("created_by_ref") == publisher and (when := _modified(one)) is not None
        ]
        if len(versions) > 1:
            found[id] = tuple(sorted(versions, key=lambda one: (one[0], one[1].sha256)))
    return found


def _modified(one: KeptObject) -> datetime | None:
    try:
        return instant(one.modified or "")
    except ValueError:
        return None


def _tied(
    view: View,
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[tuple[str, str | None], ...]]]:
    """Rivals and answers of every claim that has some: see `Seen`."""
    rivals: dict[str, set[str]] = {}
    answers: dict[str, list[tuple[str, str | None]]] = {}
    held_against: dict[str, set[str]] = {}
    for link in view.links.values():
        if link.source not in view.claims or link.target not in view.claims:
            continue
        if link.source == link.target:
            continue  # nothing stands beside itself
        if link.kind == "alternative-to":
            rivals.setdefault(link.source, set()).add(link.target)
            rivals.setdefault(link.target, set()).add(link.source)
        elif link.kind == "answers":
            answers.setdefault(link.target, []).append((link.source, link.x.answer))
    # A challenge that rests on a claim holds it against another: each is the other's rival, and
    # each page shows both.
    for challenge in view.challenges.values():
        rival = challenge.x.counter_claim_ref
        if rival is None or rival not in view.claims or rival == challenge.target:
            continue
        if challenge.target in view.claims:
            held_against.setdefault(rival, set()).add(challenge.target)
    for rival, targets in held_against.items():
        rivals.setdefault(rival, set()).update(targets)
    return (
        {ref: tuple(sorted(found)) for ref, found in rivals.items()},
        # Of two links that say how one claim answers, the same one counts whatever came first.
        {
            ref: tuple(dict(sorted(found, key=lambda one: (one[0], one[1] or ""))).items())
            for ref, found in answers.items()
        },
    )


def _withdrawn(
    node: Library, allowed: frozenset[int], kept: Mapping[str, KeptObject]
) -> dict[str, datetime]:
    """Object id → when the last statement that said it was taken back, of those that are.

    By whoever said it: another's withdrawal of it is none, and dates nothing.
    """
    gone = {id: one for id, one in kept.items() if one.withdrawn}
    if not gone:
        return {}
    said = {by: node.store.statement(by, allowed) for one in gone.values() for by in one.said_by}
    back: dict[tuple[str, str | None], datetime] = {}  # (statement, object; None: all of it)
    for taking in node.store.statements(allowed, kind="withdraw"):
        statement = parse_kept(taking)
        for ref in statement.refs:
            first = said.get(ref)
            if first is None or first.author != taking.author:
                continue
            for id in (o.id for o in statement.objects):
                back.setdefault((ref, id), statement.at)
            if not statement.objects:
                back.setdefault((ref, None), statement.at)
    found: dict[str, datetime] = {}
    for id, one in gone.items():
        when = [at for by in one.said_by for key in ((by, id), (by, None)) if (at := back.get(key))]
        if when:
            found[id] = max(when)
    return found
