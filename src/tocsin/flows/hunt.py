"""Sweep an operator's own files for what was shared. Nothing leaves the machine.

Reading and cutting are one thread's work, searching that of one thread per core; hits come in
order of path, offset and indicator, however the blocks were cut and whoever was first.

Spec: design/find.md §1.4.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from tocsin.flows import hunt_files
from tocsin.flows.hunt_files import (
    BLOCK,
    LONG_LINE,
    MAX_EXPANSION,
    OVERLAP,
    NotCovered,
    Piece,
    Tally,
)
from tocsin.flows.hunt_indicators import Indicators, LeftOut, from_objects, load_indicators
from tocsin.sweep.tokens import Hit, Match, Needle, Needles

LIMIT = 1_000
NOT_CLEAN = "No hit is not clean: read what was not covered."

__all__ = [
    "LIMIT",
    "NOT_CLEAN",
    "Found",
    "Hit",
    "Indicators",
    "LeftOut",
    "NotCovered",
    "Summary",
    "Sweep",
    "from_objects",
    "load_indicators",
    "sweep",
    "sweep_each",
]


class Found(Hit, frozen=True, kw_only=True, omit_defaults=True):
    """A hit, marked if the indicator was not in force in the time the sweep is about."""

    outside_validity: bool = False


class Over(Struct, frozen=True, kw_only=True):
    """An indicator with more hits than are kept."""

    indicator: str
    hits: int
    kept: int


class SetAside(Struct, frozen=True, kw_only=True):
    """A needle that was set aside, or armed against a warninglist, and the reason."""

    indicator: str
    value: str
    why: str


class Summary(Struct, frozen=True, kw_only=True):
    """What a sweep looked for, where, and what it did not see. Bytes are decompressed ones."""

    files: int
    bytes: int
    hits: int
    kept: int
    indicators: int
    """Indicators looked for."""
    indicators_hit: int
    values: int
    """Different values looked for."""
    suppressed: tuple[SetAside, ...] = ()
    overridden: tuple[SetAside, ...] = ()
    refused: tuple[SetAside, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    over_limit: tuple[Over, ...] = ()
    not_covered: tuple[NotCovered, ...] = ()
    decompressed: int = 0
    """Files that were decompressed."""
    long_lines: int = 0
    """Lines so long that they were cut, with overlap."""
    complete: bool = True
    """False where a file that should have been read could not be, in part or whole."""
    note: str = NOT_CLEAN


class Sweep(Struct, frozen=True, kw_only=True):
    """A whole sweep: the hits that are kept, and the summary."""

    hits: tuple[Found, ...]
    summary: Summary


class _Kept(NamedTuple):
    match: Match
    line: int
    matched: str


class _Result(NamedTuple):
    """What one thread found in one piece; lines count from the start of what the piece owns."""

    counts: Counter[int]
    kept: list[_Kept]
    newlines: int


Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all, and the path."""


def sweep(
    paths: Sequence[str],
    needles: Needles,
    *,
    defang: bool = False,
    limit: int = LIMIT,
    progress: Progress | None = None,
    threads: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    left_out: Sequence[LeftOut] = (),
    block: int = BLOCK,
    long_line: int = LONG_LINE,
    overlap: int = OVERLAP,
    max_expansion: int = MAX_EXPANSION,
) -> Sweep:
    """Search all files below the paths.

    Args:
        paths: files and folders; `-` is stdin.
        needles: what to look for.
        defang: also find values written in a broken way.
        limit: hits kept for each indicator; all are counted.
        progress: told how far the sweep is.
        threads: how many search at once; one per core if not given.
        since, until: the time the logs are about. Hits of indicators that were not in force in
            it are marked; none is dropped.
        left_out: what the source of the needles held beside them, for the summary.
        block, long_line, overlap, max_expansion: see `hunt_files`.

    Raises:
        UnreadableError: one of the paths does not exist; nothing was swept.
    """
    run = sweep_each(
        paths,
        needles,
        defang=defang,
        limit=limit,
        progress=progress,
        threads=threads,
        since=since,
        until=until,
        left_out=left_out,
        block=block,
        long_line=long_line,
        overlap=overlap,
        max_expansion=max_expansion,
    )
    hits: list[Found] = []
    while True:
        try:
            hits.append(next(run))
        except StopIteration as end:
            return Sweep(hits=tuple(hits), summary=end.value)


def sweep_each(
    paths: Sequence[str],
    needles: Needles,
    *,
    defang: bool = False,
    limit: int = LIMIT,
    progress: Progress | None = None,
    threads: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    left_out: Sequence[LeftOut] = (),
    block: int = BLOCK,
    long_line: int = LONG_LINE,
    overlap: int = OVERLAP,
    max_expansion: int = MAX_EXPANSION,
) -> Generator[Found, None, Summary]:
    """As `sweep`, but gives each hit as soon as its turn comes, and returns the summary."""
    tally = Tally()
    files = hunt_files.find_files(paths, tally)
    total = sum(size for _, size in files)
    outside = [
        tuple(_outside(needle, since, until) for needle in one.needles) for one in needles.armed
    ]
    counts: Counter[int] = Counter()
    given: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    line, path = 1, ""
    cut = hunt_files.pieces(
        files,
        tally,
        block=block,
        long_line=long_line,
        overlap=overlap,
        max_expansion=max_expansion,
    )
    for piece, result in _searched(cut, needles, defang, limit, threads):
        if piece.path != path:
            line, path = 1, piece.path
        for armed, count in result.counts.items():
            counts[armed] += count
        rows = []
        for kept in result.kept:
            one = needles.armed[kept.match.armed]
            for needle, late in zip(one.needles, outside[kept.match.armed], strict=True):
                rows.append((kept.match.start, needle.indicator, one.value, kept, line, late))
        rows.sort(key=lambda row: row[:3])
        for start, indicator, value, kept, first, late in rows:
            if given[indicator] >= limit:
                continue
            given[indicator] += 1
            yield Found(
                path=path,
                line=first + kept.line,
                offset=piece.base + start,
                indicator=indicator,
                value=value,
                matched=kept.matched,
                rule=kept.match.rule,
                outside_validity=late,
            )
        line += result.newlines
        if progress is not None:
            progress(min(tally.read, total), total, path)
    for armed, count in counts.items():
        for needle in needles.armed[armed].needles:
            hits[needle.indicator] += count
    return _summary(needles, tally, hits, given, left_out)


def _searched(
    cut: Iterator[Piece], needles: Needles, defang: bool, limit: int, threads: int | None
) -> Iterator[tuple[Piece, _Result]]:
    """Each piece with what was found in it, in the order of the pieces."""
    count = threads or _cores()
    if count == 1:
        for piece in cut:
            yield piece, _search(piece, needles, defang, limit)
        return
    waiting: deque[tuple[Piece, Future[_Result]]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="sweep")
    try:
        for piece in cut:
            waiting.append((piece, pool.submit(_search, piece, needles, defang, limit)))
            # One piece more than there are threads, so that none waits for the reader.
            while len(waiting) > count or (waiting and waiting[0][1].done()):
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _search(piece: Piece, needles: Needles, defang: bool, limit: int) -> _Result:
    text, low, high = piece.text, piece.own_low - piece.base, piece.own_high - piece.base
    counts: Counter[int] = Counter()
    kept: list[_Kept] = []
    line, counted = 0, low
    for match in needles.find(text, defang=defang, in_json=piece.in_json):
        if not low <= match.start < high or (piece.cut_after and match.end == len(text)):
            continue  # another piece sees it whole
        counts[match.armed] += 1
        if counts[match.armed] <= limit:
            line += text.count(b"\n", counted, match.start)
            counted = match.start
            matched = text[match.start : match.end].decode("utf-8", "backslashreplace")
            kept.append(_Kept(match, line, matched))
    newlines = line + text.count(b"\n", counted, high)
    piece.text = b""  # done with: a thousand pieces may wait for their turn
    return _Result(counts, kept, newlines)


def _outside(needle: Needle, since: datetime | None, until: datetime | None) -> bool:
    start, stop = _time(needle.valid_from), _time(needle.valid_until)
    return bool(
        (since is not None and stop is not None and stop <= since)
        or (until is not None and start is not None and start >= until)
    )


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _summary(
    needles: Needles,
    tally: Tally,
    hits: Counter[str],
    given: Counter[str],
    left_out: Sequence[LeftOut],
) -> Summary:
    looked_for = {needle.indicator for one in needles.looked_for for needle in one.needles}
    listed = [
        (
            one.overridden,
            SetAside(indicator=one.needle.indicator, value=one.needle.value, why=one.list),
        )
        for one in needles.suppressed
    ]
    return Summary(
        files=tally.files,
        bytes=tally.bytes,
        hits=sum(hits.values()),
        kept=sum(given.values()),
        indicators=len(looked_for),
        indicators_hit=len(hits),
        values=len(needles.looked_for),
        suppressed=tuple(row for overridden, row in listed if not overridden),
        overridden=tuple(row for overridden, row in listed if overridden),
        refused=tuple(
            SetAside(indicator=one.needle.indicator, value=one.needle.value, why=one.reason)
            for one in needles.refused
        ),
        left_out=tuple(left_out),
        over_limit=tuple(
            Over(indicator=name, hits=count, kept=given[name])
            for name, count in sorted(hits.items())
            if count > given[name]
        ),
        not_covered=tuple(sorted(tally.not_covered, key=lambda one: one.path)),
        decompressed=tally.decompressed,
        long_lines=tally.long_lines,
        complete=not any(one.kind == "failed" for one in tally.not_covered),
    )
