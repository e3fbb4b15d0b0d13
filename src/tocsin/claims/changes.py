"""What changed in a claim's standing between two times, step by step, and what came then.

A standing is computed at every instant at which something it may rest on became known, was taken
back or changed its status; where it differs from the one before, that is a change. Pure.

Spec: claims.md §2.2.1 (what is known when), §2.4.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from tocsin.claims.explain import Sentence, of_link, of_reason
from tocsin.claims.kept import Kept
from tocsin.claims.model import View
from tocsin.claims.standing import Standing, standing
from tocsin.claims.times import dated_end, instant, rfc3339
from tocsin.errors import ClaimError, NotFoundError, UsageError

MOST_STEPS = 1_000
"""Instants looked at for one claim, at most."""
MOST_WORK = 300_000
"""Instants times objects they are weighed from, at most: every step is a standing of its own."""
PAGE_WORK = 20_000
"""The same where somebody only looks: a fraction of a second, however much is said of a claim."""


class LinkChange(Struct, frozen=True, kw_only=True):
    """A required link whose grade became another; None: it was not asked for."""

    link: str
    before: str | None
    after: str | None
    shown: bool


class Change(Struct, frozen=True, kw_only=True):
    """One step: what came at an instant, and what became of the standing by it."""

    at: str
    """RFC 3339, UTC. What bears only a day came at the end of that day."""
    came: tuple[str, ...]
    """Ids of what became known then, was taken back, or changed its status; a link only where
    neither of its ends did."""
    before: str | None
    """The level; None: not weighed, or not said yet."""
    after: str | None
    said: bool
    """Whether the claim itself was said only then."""
    links: tuple[LinkChange, ...]
    sentences: tuple[Sentence, ...]
    """Why, in plain words: what holds from then on and did not before."""
    no_longer: tuple[Sentence, ...]
    """What held before and does no more."""


class Latest(Struct, frozen=True, kw_only=True):
    """The last changes of one claim."""

    changes: list[Change]
    since: str | None
    """What came up to this instant was left out, to be asked for; None: nothing was."""


class History(Protocol):
    """What a reader holds, as it was at any time: `View`s in the order of their times."""

    @property
    def view(self) -> View:
        """The newest version of each object."""
        ...

    @property
    def revised(self) -> Mapping[str, Sequence[tuple[datetime, object]]]:
        """Id → (when, version) of what was said again, oldest first."""
        ...

    def at(self, at: datetime | None) -> View:
        """Of each object the version that was the newest then."""
        ...


class Once(Struct, frozen=True):
    """A history of one version of each object, as in one file."""

    view: View
    revised: Mapping[str, Sequence[tuple[datetime, object]]] = {}

    def at(self, at: datetime | None) -> View:
        """Always the same."""
        return self.view


def changes(
    have: History,
    claim_id: str,
    *,
    after: datetime | None = None,
    until: datetime | None = None,
    reader: str | None = None,
    coder: str | None = None,
) -> list[Change]:
    """Every change of one claim's standing later than `after`, not later than `until`, in order.

    Args:
        have: what this reader may read.
        after: aware; None: from before it was said.
        until: aware; None: now, whatever is known.
        reader, coder: see `standing`.

    Raises:
        ClaimError: the claim breaks the carrier.
        NotFoundError: no such claim here.
        UsageError: `until` is not later than `after`, or more instants between than `MOST_STEPS`
            and `MOST_WORK` allow.
    """
    if after is not None and until is not None and until <= after:
        raise UsageError(
            f"{rfc3339(until)} is not later than {rfc3339(after)}",
            remedy="give the earlier time first",
        )
    came, size = _came(have, claim_id, after, until, reader, coder)
    most = min(MOST_STEPS, max(1, MOST_WORK // size))
    if len(came) > most:
        raise UsageError(
            f"{len(came)} times at which something came, and {most} are looked at",
            remedy="ask for a shorter time",
        )
    before = None if after is None else _at(have, claim_id, reader, after, coder)
    return _told(have, claim_id, reader, coder, came, before)


def latest(
    have: History, claim_id: str, *, until: datetime | None = None, reader: str | None = None
) -> Latest:
    """The last changes of a claim's standing up to `until`, as many as one look may cost.

    Whoever floods a claim with bare answers makes the first steps leave a page, and never the page.

    Raises:
        ClaimError: the claim breaks the carrier.
        NotFoundError: no such claim here.
    """
    came, size = _came(have, claim_id, None, until, reader, None)
    most = min(MOST_STEPS, max(1, PAGE_WORK // size))
    times = sorted(came)
    if len(times) <= most:
        return Latest(changes=_told(have, claim_id, reader, None, came, None), since=None)
    cut = times[-most - 1]
    before = _at(have, claim_id, reader, cut, None)
    kept = {when: came[when] for when in times[-most:]}
    return Latest(
        changes=_told(have, claim_id, reader, None, kept, before),
        since=rfc3339(cut),
    )


def _came(
    have: History,
    claim_id: str,
    after: datetime | None,
    until: datetime | None,
    reader: str | None,
    coder: str | None,
) -> tuple[dict[datetime, set[str]], int]:
    """What came at each instant between the two times; how many objects a step is weighed from."""
    if claim_id not in have.view.claims:
        standing(have.view, claim_id, reader, None, coder)  # says what is wrong with it
    came: dict[datetime, set[str]] = {}
    scope = Kept(have.view, reader, None, None).scope(claim_id)
    for when, ref in _happened(have, scope, reader):
        if (after is None or when > after) and (until is None or when <= until):
            came.setdefault(when, set()).add(ref)
    return came, len(scope)


def _told(
    have: History,
    claim_id: str,
    reader: str | None,
    coder: str | None,
    came: Mapping[datetime, set[str]],
    before: Standing | None,
) -> list[Change]:
    found = []
    for when in sorted(came):
        now = _at(have, claim_id, reader, when, coder)
        if now is not None and _differs(before, now):
            found.append(_change(have, when, came[when], before, now))
        before = now
    return found


def _happened(
    have: History, scope: Iterable[str], reader: str | None
) -> Iterator[tuple[datetime, str]]:
    """(instant, id) of all that can have changed a standing that rests on `scope`."""
    view = have.view
    kept = Kept(view, reader, None, None)
    for ref in scope:
        for number, (when, _) in enumerate(have.revised.get(ref, ())):
            if number:
                yield when, ref
            # An earlier version may have given another date for itself.
            yield from _times(have.at(when), ref)
    makers: set[str] = set()
    for ref in scope:
        yield from _times(view, ref)
        evidence = view.evidence.get(ref)
        if evidence is not None:
            makers.update(evidence.x.producer_refs)
            for material in evidence.object_refs:
                yield from _times(view, material)
    rest = list(makers)
    while rest:
        for link in kept.controls(rest.pop()):
            yield from _times(view, link.id)
            new = {link.source, link.target} - makers
            makers |= new
            rest += new


def _times(view: View, ref: str) -> Iterator[tuple[datetime, str]]:
    carried = (
        view.claims.get(ref)
        or view.evidence.get(ref)
        or view.challenges.get(ref)
        or view.links.get(ref)
    )
    held = view.objects.get(ref)
    if carried is not None:
        yield carried.known, ref
    elif held is not None:
        with contextlib.suppress(ValueError):  # then it says nothing of when
            yield instant(str(held.data.get("created"))), ref
    one = view.claims.get(ref) or view.challenges.get(ref)
    for event in one.x.status_events if one is not None else ():
        yield dated_end(event.at), ref
    back = view.withdrawn.get(ref)
    if back is not None:
        yield back, ref


def _at(
    have: History, claim_id: str, reader: str | None, at: datetime, coder: str | None
) -> Standing | None:
    try:
        return standing(have.at(at), claim_id, reader, at, coder)
    except (ClaimError, NotFoundError):  # not said by then, or not in a form that can be weighed
        return None


def _differs(before: Standing | None, now: Standing) -> bool:
    return before is None or (before.level, before.links, before.reasons, before.dropped) != (
        now.level,
        now.links,
        now.reasons,
        now.dropped,
    )


def _change(
    have: History, when: datetime, came: set[str], before: Standing | None, now: Standing
) -> Change:
    view = have.view
    was = before.links if before is not None else {}
    links = []
    for name in dict.fromkeys((*was, *now.links)):
        old, new = was.get(name), now.links.get(name)
        if (old and (old.grade, old.shown)) != (new and (new.grade, new.shown)):
            links.append(
                LinkChange(
                    link=name,
                    before=old.grade if old else None,
                    after=new.grade if new else None,
                    shown=new.shown if new else False,
                )
            )
    then, here = _said(before, view), _said(now, view)
    return Change(
        at=rfc3339(when),
        came=tuple(sorted(ref for ref in came if not _tells_nothing(view, ref, came))),
        before=before.level if before is not None else None,
        after=now.level,
        said=before is None,
        links=tuple(links),
        sentences=_without(here, then),
        no_longer=_without(then, here),
    )


def _without(some: Iterable[Sentence], others: Iterable[Sentence]) -> tuple[Sentence, ...]:
    known = set(others)
    return tuple(one for one in some if one not in known)


def _tells_nothing(view: View, ref: str, came: set[str]) -> bool:
    link = view.links.get(ref)
    return link is not None and (link.source in came or link.target in came)


def _said(one: Standing | None, view: View) -> list[Sentence]:
    if one is None:
        return []
    links = [
        of_link(name, link.grade, link.shown, link.pieces or (one.claim,))
        for name, link in one.links.items()
    ]
    return [*links, *(said for reason in one.reasons if (said := of_reason(reason, one, view)))]
