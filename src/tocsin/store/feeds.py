"""What makes a page of a collection, for every store: slices of rows in, the page out.

A store gives slices of rows by its indexes; what is asked for beyond them (versions, what was given
before, bytes) is chosen here, and it stops when the page is full. And what `date_added` a row gets:
`dated`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import SystemRandom
from typing import Any, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from tocsin.store.interface import (
    Entry,
    Page,
    instant_text,
    maker_of,
    spec_version_of,
    time_key,
)
from tocsin.store.rules import altered

Row: TypeAlias = Sequence[Any]

PAGE_BYTES = 16 * 1024 * 1024
GLANCE_BYTES = 32 * 1024
GLANCE_ROWS = 16
"""What `Exchange.glance` looks at, at most."""
MAX_SCAN = 20_000
"""Rows looked at for one page, however few of them are what was asked for."""
SPAN = 2_048
"""Microseconds, at least, among which the dates of what one audience is given at once are drawn."""
SPARSE = 32
"""Of so many microseconds one is taken, at most, by what one audience is given at once."""

BITS: Callable[[int], int] = SystemRandom().getrandbits


class New(NamedTuple):
    """An object that comes into a collection, for one audience."""

    feed: int
    last: int
    """The last date the collection has given, of whatever it gave it to."""
    audience: int
    object: int
    type: str


def dated(
    new: Sequence[New], now: int, bits: Callable[[int], int] | None = None
) -> list[tuple[int, int, int, int, str]]:
    """Rows of `entry` for what comes in at once: feed, added, object, audience, type.

    `added` in microseconds, none twice in a feed, all later than its `last` and not before `now`
    (TAXII 2.1 §3.4); what one audience is given keeps the order of `new`. Dates are drawn, not
    counted: a gap would tell a reader how many objects that he may not see came in with his. The
    span that an audience's dates are drawn from depends on how many *it* is given and on nothing
    else, and wider spans are drawn before narrower ones, so that every choice of free dates is
    equally likely whatever else there is (decisions/0058). `bits`: n → n random bits, default the
    operating system's.
    """
    given = Counter((one.feed, one.audience) for one in new)
    drawn = _drawn(given, bits or BITS)
    rows = []
    for feed, last, audience, object, type in new:
        added = max(now, last + 1) + next(drawn[feed, audience])
        rows.append((feed, added, object, audience, type))
    return rows


def _drawn(
    given: Mapping[tuple[int, int], int], bits: Callable[[int], int]
) -> dict[tuple[int, int], Iterator[int]]:
    """(feed, audience) → as many offsets as it is given, ascending; none twice in a feed."""
    widths = {place: (max(SPAN, SPARSE * n) - 1).bit_length() for place, n in given.items()}
    dense: Counter[int] = Counter()  # how much of where all spans begin is taken: 1 << 20 is all
    for (feed, audience), count in given.items():
        dense[feed] += (count << 20) >> widths[feed, audience]
    taken: defaultdict[int, set[int]] = defaultdict(set)
    drawn = {}
    for place in sorted(given, key=lambda one: -widths[one]):
        # Only where more than half of it is taken do others widen a span.
        width = widths[place] + (dense[place[0]] >> 19).bit_length()
        used = taken[place[0]]
        own: list[int] = []
        while len(own) < given[place]:
            offset = bits(width)
            if offset not in used:
                used.add(offset)
                own.append(offset)
        drawn[place] = iter(sorted(own))
    return drawn


class Wanted(Struct, frozen=True, kw_only=True):
    """What a page is asked for: the arguments of `Exchange.page`."""

    after: int
    limit: int
    ids: Sequence[str] | None
    types: Sequence[str] | None
    spec_versions: Sequence[str] | None
    versions: Sequence[str]
    most_bytes: int


class Rows(Protocol):
    """What a store gives of one collection, for one reader."""

    def slice(self, after: int, limit: int) -> Iterable[Row]:
        """The next rows behind `after` of the wanted ids or types, at most `limit`, by `added`.

        Each: added, object number, sha256, id, type, spec_version, created, modified, version_key,
        size in bytes, whether an earlier readable row holds the same object, and whether there is
        another object of this id; then, where the store likes, the bytes or None. Fewer than
        `limit`: there are no more.
        """
        ...

    def versions(self, ids: Sequence[str]) -> Iterable[Row]:
        """The readable objects of these ids in the collection.

        Each: object number, id, version_key, the first of its `added`, bytes.
        """
        ...

    def raws(self, numbers: Sequence[int]) -> Mapping[int, bytes]:
        """The bytes of these objects."""
        ...


def page(rows: Rows, wanted: Wanted) -> Page:
    """See `Exchange.page`."""
    limit = max(wanted.limit, 1)
    position, size, scanned = wanted.after, 0, 0
    kept: list[_Found] = []
    while True:
        found = [_Found(row) for row in rows.slice(position, limit + 1)]
        scanned += len(found)
        for one in _fitting(rows, wanted, found):
            if len(kept) == limit or (kept and size + one.size > wanted.most_bytes):
                return Page(entries=_opened(rows, kept), position=position, more=True)
            kept.append(one)
            size += one.size
            position = one.added
        if len(found) <= limit:
            return Page(entries=_opened(rows, kept), position=position, more=False)
        position = found[-1].added
        if scanned >= MAX_SCAN:
            return Page(entries=_opened(rows, kept), position=position, more=True)


def alone(row: Row, wanted: Wanted) -> Page | None:
    """The page of one row that has no other beside it, with its bytes.

    None: it is not what was asked for, or comes without them.
    """
    one = _Found(row)
    if one.raw is None or one.added <= wanted.after or not _fits(one, wanted):
        return None
    if "all" not in wanted.versions and not _is_version(one, wanted.versions, None):
        return None
    return Page(entries=(_entry(one, one.raw),), position=one.added, more=False)


class _Found:
    """A row that may be of the page."""

    __slots__ = (
        "added", "again", "created", "id", "modified", "n", "raw", "several", "sha256", "size",
        "spec_version", "type", "version",
    )  # fmt: skip

    def __init__(self, row: Row) -> None:
        self.added: int = row[0]
        self.n: int = row[1]
        self.sha256: bytes = row[2]
        self.id: str = row[3]
        self.type: str = row[4]
        self.created: str | None = row[6]
        self.modified: str | None = row[7]
        self.spec_version: str = spec_version_of(row[5], self.created)
        self.version: str = row[8]
        self.size: int = row[9]
        self.again: bool = bool(row[10])
        self.several: bool = bool(row[11])
        self.raw: bytes | None = row[12] if len(row) > 12 else None


def _fitting(rows: Rows, wanted: Wanted, slice_: Sequence[_Found]) -> list[_Found]:
    """Those rows that are what was asked for, and not what an earlier one has given already."""
    found = [row for row in slice_ if not row.again and _fits(row, wanted)]
    if "all" in wanted.versions or not found:
        return found
    ends = _ends(rows, sorted({row.id for row in found if row.several}))
    return [row for row in found if _is_version(row, wanted.versions, ends.get(row.id))]


def _fits(row: _Found, wanted: Wanted) -> bool:
    return (wanted.types is None or row.type in wanted.types) and (
        wanted.spec_versions is None or row.spec_version in wanted.spec_versions
    )


def _is_version(row: _Found, versions: Sequence[str], ends: tuple[int, int] | None) -> bool:
    first, last = ends or (row.n, row.n)
    if "last" in versions and row.n == last:
        return True
    if "first" in versions and row.n == first:
        return True
    return (row.version or arrival_key(row.added)) in versions


def _ends(rows: Rows, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """STIX id → numbers of its first and last version, of those under whose id there are more."""
    groups: defaultdict[str, list[tuple[str, int, int, str]]] = defaultdict(list)
    for n, id, version, added, raw in rows.versions(ids) if ids else ():
        groups[id].append((version or arrival_key(added), added, n, maker_of(raw)))
    ends: dict[str, tuple[int, int]] = {}
    for id, group in groups.items():
        maker = min(group, key=lambda one: one[1])[3]
        own = [one for one in group if one[3] == maker]
        first = min(own, key=lambda one: (one[0], one[1]))
        last = max(own, key=lambda one: (one[0], -one[1]))
        ends[id] = first[2], last[2]
    return ends


def arrival_key(added: int) -> str:
    """The `version_key` of what bears no time: when it came in."""
    return time_key(instant_text(added))


def _opened(rows: Rows, found: Sequence[_Found]) -> tuple[Entry, ...]:
    """The rows with their bytes."""
    absent = [one.n for one in found if one.raw is None]
    raws = rows.raws(absent) if absent else {}
    return tuple([_entry(one, raws[one.n] if one.raw is None else one.raw) for one in found])


def _entry(one: _Found, raw: bytes) -> Entry:
    """A row with its bytes, which are what it is named by. Raises StoreError."""
    if hashlib.sha256(raw).digest() != one.sha256:
        raise altered(f"object {one.id}, row {one.n} of `object`", one.sha256)
    return Entry(
        added=one.added,
        raw=raw,
        sha256=one.sha256.hex(),
        id=one.id,
        type=one.type,
        spec_version=one.spec_version,
        created=one.created,
        modified=one.modified,
    )
