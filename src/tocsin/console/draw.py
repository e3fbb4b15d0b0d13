"""Geometry and cutting for pages: which marks go where. Pure; templates write the elements.

Spec: console.md §3, "Drafts" and "Timeline".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec import Struct

from tocsin.console import i18n, untrusted

# --- marked text ------------------------------------------------------------------------------


class Run(Struct, frozen=True):
    """A stretch of a text under the same set of drafts."""

    text: str
    ids: tuple[str, ...]
    """Ids of the drafts (and losses) that cover it; overlaps share a run."""
    opens: tuple[str, ...] = ()
    """Ids that begin with this run."""

    @property
    def loss(self) -> bool:
        """Nothing but what was left out stands here."""
        return all(i.startswith("x") for i in self.ids)


class Span(Struct, frozen=True):
    """Code points [start, end) of a text, under one id."""

    start: int
    end: int
    id: str


def runs(text: str, spans: Iterable[Span]) -> list[Run]:
    """A text cut at every edge of every span; overlaps become runs with all their ids.

    `"".join(run.text for run in runs(text, spans)) == text`. A span outside the text, or empty,
    marks nothing.
    """
    kept = [s for s in spans if 0 <= s.start < s.end <= len(text)]
    cuts = sorted({0, len(text), *(s.start for s in kept), *(s.end for s in kept)})
    starts: dict[int, list[Span]] = {}
    for span in kept:
        starts.setdefault(span.start, []).append(span)
    open_now: list[Span] = []
    out: list[Run] = []
    for left, right in pairwise(cuts):
        open_now = [s for s in open_now if s.end > left]
        fresh = starts.get(left, [])
        open_now += fresh
        ids = tuple(s.id for s in open_now)
        out.append(Run(text[left:right], ids, tuple(s.id for s in fresh)))
    return out


# --- timeline ---------------------------------------------------------------------------------


class Mark(Struct, frozen=True, kw_only=True):
    """One event on a timeline."""

    at: str
    """When it happened: RFC 3339, or a date."""
    lane: str
    label: str
    party: str
    who: int
    """The party's number on this page, for its dot."""
    learnt: str | None = None
    """When it was said, where that is later."""
    href: str | None = None


class Placed(Struct, frozen=True, kw_only=True):
    """A mark with its place in the drawing, in the units of the view box."""

    mark: Mark
    x: float
    y: float
    label: str
    """Empty where it does not fit: dropped, never overlapped."""
    label_x: float
    learnt_x: float | None


class Bin(Struct, frozen=True, kw_only=True):
    """Too many marks to draw: how many fall between two instants."""

    x: float
    y: float
    width: float
    height: float
    count: int


class Lane(Struct, frozen=True, kw_only=True):
    """One row of the timeline."""

    name: str
    y: float
    placed: tuple[Placed, ...]
    bins: tuple[Bin, ...]


class Tick(Struct, frozen=True, kw_only=True):
    """One vertical line with its date."""

    x: float
    label: str


class Gap(Struct, frozen=True, kw_only=True):
    """A stretch of which nothing is known here."""

    x: float
    width: float
    hours: int


class Timeline(Struct, frozen=True, kw_only=True):
    """A whole timeline, and the same as a table."""

    width: int
    height: int
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    gaps: tuple[Gap, ...]
    marks: tuple[Mark, ...]
    """In order of time: the table twin."""


WIDTH = 1100
_LEFT = 96
_RIGHT = 120
_ROW = 19
_ROWS = 4
_CHAR = 6.6
"""Width of a letter of a 12 px label, rather too wide than too narrow."""
MOST_MARKS = 400


def _instant(at: str) -> datetime | None:
    found = i18n.parse(at)
    if found is not None:
        return found
    parts = (at + "-01-01")[:10] if len(at) < 10 else at[:10]
    try:
        return datetime.fromisoformat(parts).replace(tzinfo=UTC)
    except ValueError:
        return None


def timeline(
    marks: Sequence[Mark], lanes: Sequence[str], *, ticked: Collection[str] = ()
) -> Timeline | None:
    """Lay out events in lanes; None where there is nothing with a date.

    Lanes of `ticked` have many like events: one row of ticks, without labels.

    Deterministic: the same marks give the same drawing, whatever order they come in.
    """
    dated = sorted(
        ((at, m) for m in marks if (at := _instant(m.at)) is not None),
        key=lambda pair: (pair[0], pair[1].lane, pair[1].label, pair[1].party),
    )
    if not dated:
        return None
    learnt = [at for _, m in dated if m.learnt and (at := _instant(m.learnt)) is not None]
    start = dated[0][0]
    end = max([dated[-1][0], *learnt])
    length = max((end - start).total_seconds(), 3600.0)
    room = WIDTH - _LEFT - _RIGHT - 40

    def x(at: datetime) -> float:
        return round(_LEFT + 20 + (at - start).total_seconds() / length * room, 1)

    out: list[Lane] = []
    y = 24.0
    for name in lanes:
        mine = [(at, m) for at, m in dated if m.lane == name]
        if not mine:
            continue
        if len(mine) > MOST_MARKS:
            out.append(Lane(name=name, y=y, placed=(), bins=_bins([x(at) for at, _ in mine], y)))
            y += 2 * _ROW + 14
            continue
        places = [(x(at), m) for at, m in mine]
        placed, used = _ticked(places, y) if name in ticked else _place(places, y, x)
        out.append(Lane(name=name, y=y, placed=placed, bins=()))
        y += used * _ROW + 14
    return Timeline(
        width=WIDTH,
        height=int(y + 18),
        lanes=tuple(out),
        ticks=_ticks(start, length, x),
        gaps=_gaps([at for at, _ in dated], length, x),
        marks=tuple(m for _, m in dated),
    )


def _ticked(mine: Sequence[tuple[float, Mark]], y: float) -> tuple[tuple[Placed, ...], int]:
    return tuple(
        Placed(mark=mark, x=at, y=y, label="", label_x=at, learnt_x=None) for at, mark in mine
    ), 1


def _place(
    mine: Sequence[tuple[float, Mark]], y: float, x: Callable[[datetime], float]
) -> tuple[tuple[Placed, ...], int]:
    """Greedy rows: a label goes to the first row where nothing is in its way."""
    ends = [0.0] * _ROWS
    used = 1
    placed = []
    for at, mark in mine:
        label = i18n.clip(untrusted.plain(mark.label), 36)
        need = 12 + len(label) * _CHAR
        if at + need > WIDTH - 4:
            # No room to the right of the last marks: the label stands before its dot.
            row = next((n for n, end in enumerate(ends) if end <= at - need), None)
            left = at - need + 2
        else:
            row = next((n for n, end in enumerate(ends) if end <= at - 6), None)
            left = at + 10
        if row is None:
            # No room for the label: the dot goes below, where it covers nobody else's.
            row, label = _ROWS, ""
        else:
            ends[row] = max(at + 6, left + len(label) * _CHAR + 4)
        used = max(used, row + 1)
        later = _instant(mark.learnt) if mark.learnt else None
        placed.append(
            Placed(
                mark=mark,
                x=at,
                y=y + row * _ROW,
                label=label,
                label_x=round(left, 1),
                learnt_x=x(later) if later is not None and x(later) > at + 4 else None,
            )
        )
    return tuple(placed), used


def _bins(places: Sequence[float], y: float, count: int = 120) -> tuple[Bin, ...]:
    width = (WIDTH - _LEFT - _RIGHT) / count
    counts: dict[int, int] = {}
    for place in places:
        n = int((place - _LEFT) / width)
        counts[n] = counts.get(n, 0) + 1
    most = max(counts.values())
    return tuple(
        Bin(
            x=round(_LEFT + n * width, 1),
            y=round(y + 30 - 30 * c / most, 1),
            width=round(width - 1, 1),
            height=round(30 * c / most, 1),
            count=c,
        )
        for n, c in sorted(counts.items())
    )


def _gaps(
    times: Sequence[datetime], length: float, x: Callable[[datetime], float]
) -> tuple[Gap, ...]:
    """Stretches without any event, of a tenth of the whole or more, and of two hours at least."""
    least = max(length / 10, 7200.0)
    return tuple(
        Gap(
            x=x(one),
            width=round(x(two) - x(one), 1),
            hours=round((two - one).total_seconds() / 3600),
        )
        for one, two in pairwise(times)
        if (two - one).total_seconds() >= least
    )


_STEPS = (1, 3, 6, 12, 24, 48, 24 * 7, 24 * 30, 24 * 91, 24 * 365)


def _ticks(start: datetime, length: float, x: Callable[[datetime], float]) -> tuple[Tick, ...]:
    step = next((s for s in _STEPS if length / 3600 / s <= 8), 24 * 365 * 5)
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    at = day
    while at < start:
        at += timedelta(hours=step)
    out = []
    while (at - start).total_seconds() <= length:
        label = f"{at:%H:%M}" if step < 24 and at.hour else i18n.moment(at.date().isoformat())
        if step >= 24 or not at.hour:
            label = label.rsplit(" ", 1)[0] if step < 24 * 91 else label
        out.append(Tick(x=x(at), label=label))
        at += timedelta(hours=step)
    return tuple(out)
