"""The PostgreSQL store's reads: pages merged from the first rows of each audience."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from tocsin.policy import Audience
from tocsin.store import postgres_schema as schema
from tocsin.store import rules
from tocsin.store.interface import KeptObject, maker_of
from tocsin.store.postgres_open import Db, ask
from tocsin.store.rules import Row, Version, versions_of

K = TypeVar("K", tuple[int], tuple[str, str])

ROWS_AT_ONCE = 20_000
"""Of all audiences together, where no more are wanted."""
FEWEST = 16
MORE = 8
"""An audience that ended too soon is asked for so many times as many rows."""


def first(
    ask_rows: Callable[[list[tuple[int, K]], int | None], Iterable[Row]],
    streams: list[tuple[int, K]],
    limit: int | None,
) -> list[K]:
    """The first `limit` keys of all streams together, in order, each once.

    Hidden rows are never touched, and of thousands of audiences only those are asked again whose
    rows were used up before the page was full.

    Args:
        ask_rows: (streams, at most so many of each) → rows (place in the list from 1, *key), of
            each stream in order.
        streams: (audience, the key behind which it goes on).
    """
    found: set[K] = set()
    if limit == 0:
        return []
    each = limit
    if limit is not None and limit * len(streams) > ROWS_AT_ONCE:
        each = min(limit, max(FEWEST, ROWS_AT_ONCE // len(streams)))
    while streams:
        counts = [0] * len(streams)
        last: list[K | None] = [None] * len(streams)
        for place, *key_ in ask_rows(streams, each):
            key: Any = tuple(key_)
            counts[place - 1] += 1
            last[place - 1] = key
            found.add(key)
        if limit is None or each is None or each >= limit:
            break
        ordered = sorted(found)
        wall = ordered[limit - 1] if len(ordered) >= limit else None
        streams = [
            (audience, end)
            for (audience, _), count, end in zip(streams, counts, last, strict=True)
            if end is not None and count == each and (wall is None or end < wall)
        ]
        each = min(limit, each * MORE)
    return sorted(found)[:limit]


def places(
    db: Db,
    allowed: frozenset[int],
    types: Sequence[str] | None,
    case: str | None,
    after: tuple[str, str] | None,
    limit: int | None,
) -> list[tuple[str, str]]:
    """The (type, id) of what is readable behind `after`, in order."""
    given: dict[str, Any] = {"case": case}
    if types is None:
        given["stix"] = True
        sql = schema.PLACES
        streams = [(n, after or ("", "")) for n in sorted(allowed)]
    else:
        # Type by type: each keeps the order of an index, which a list of types would not.
        sql = schema.PLACES_OF_TYPE
        streams = [
            (n, (of, after[1] if after is not None and of == after[0] else ""))
            for of in sorted(set(types))
            if after is None or of >= after[0]
            for n in sorted(allowed)
        ]
    sql = sql.format(filters=filters(given))

    def rows(streams: list[tuple[int, tuple[str, str]]], each: int | None) -> Any:
        return ask(
            db,
            sql,
            {
                **given,
                "audiences": [n for n, _ in streams],
                "types": [key[0] for _, key in streams],
                "behind": [key[1] for _, key in streams],
                "limit": each,
            },
        ).fetchall()

    return first(rows, streams, limit) if streams else []


def places_in_log(
    db: Db, allowed: frozenset[int], given: Mapping[str, Any], after: int, limit: int | None
) -> list[int]:
    """The log indexes of readable statements behind `after`, in order."""
    sql = schema.PLACES_IN_LOG.format(filters=filters(given))

    def rows(streams: list[tuple[int, tuple[int]]], each: int | None) -> Any:
        return ask(
            db,
            sql,
            {
                **given,
                "audiences": [n for n, _ in streams],
                "behind": [key[0] for _, key in streams],
                "limit": each,
            },
        ).fetchall()

    streams: list[tuple[int, tuple[int]]] = [(n, (max(after, -1),)) for n in sorted(allowed)]
    return [index for [index] in first(rows, streams, limit)] if streams else []


def said(db: Db, ids: Sequence[str], allowed: frozenset[int]) -> list[Version]:
    """What is readable under these ids."""
    if not ids:
        return []
    found = rules.looked_up(ids, len(allowed))
    if found is not None:
        ranges, digests = found
        rows = sayings(db, ranges, allowed, None)
        if digests:
            given = {"digests": digests, "allowed": sorted(allowed)}
            rows += ask(db, schema.SAYINGS_BY_SHA256, given).fetchall()
        named = frozenset(ids)  # the bytes of an attachment can be said as an object too
        return [version for version in versions_of(rows) if version.id in named]
    given = {"keys": list(dict.fromkeys(ids)), "allowed": sorted(allowed)}
    return versions_of(ask(db, schema.SAYINGS_BY_ID, given).fetchall())


def sayings(
    db: Db, ranges: Sequence[tuple[str, str, str]], allowed: frozenset[int], case: str | None
) -> list[Row]:
    """The rows of what is readable of each type from one id to another, both included."""
    if not ranges:
        return []
    types, lows, highs = (list(column) for column in zip(*ranges, strict=True))
    given: dict[str, Any] = {"case": case}
    sql = schema.SAYINGS.format(filters=filters(given))
    given |= {"types": types, "lows": lows, "highs": highs, "allowed": sorted(allowed)}
    return ask(db, sql, given).fetchall()


def newest(db: Db, versions: Iterable[Version]) -> dict[tuple[str, str], Version]:
    """By (type, id) the version that counts."""
    return rules.newest(versions, lambda several: _makers(db, several))


def _makers(db: Db, versions: Sequence[Version]) -> dict[int, str]:
    rows = ask(db, schema.BYTES, {"keys": [v.n for v in versions]}).fetchall()
    return {row[0]: maker for row in rows if (maker := maker_of(row[1]))}


def opened(
    db: Db, versions: Sequence[Version], audience_of: Callable[[int], Audience]
) -> list[KeptObject]:
    """These versions with their bytes, which are what they are named by."""
    if not versions:
        return []
    rows = ask(db, schema.BYTES, {"keys": [v.n for v in versions]}).fetchall()
    return rules.opened(versions, {row[0]: row[1:] for row in rows}, audience_of)


def filters(given: Mapping[str, Any]) -> str:
    """The lines of `schema.FILTERS` for what is given."""
    return "".join(sql for name, sql in schema.FILTERS.items() if given.get(name) is not None)
