"""A list of claims, and one claim with all that stands beside it, as tables for other programs.

The same columns and the same order for every side: that of the pages. Who is named and said nothing
has a row too. Cells are plain values; whoever writes a file of them keeps spreadsheets from
computing any (`console.untrusted.csv_table`). Spec: console.md §3 (`X.csv`).
"""

from __future__ import annotations

from collections.abc import Iterable

from tocsin.flows.weighed import ClaimPage, ClaimRow, Ground, Name, Position, Quoted

Table = tuple[tuple[str, ...], list[tuple[object, ...]]]
"""Heads of the columns, and the rows."""

LIST = (
    "id", "type", "speaker", "capacity", "speaks for", "printed as", "coder", "words", "quoted",
    "language", "original", "original language", "gist", "addressed to", "said", "level then",
    "level now", "denials", "rivals", "critiques and requests", "replies", "status", "case",
)  # fmt: skip
BESIDE = (
    "position", "id", "speaker", "capacity", "speaks for", "said", "signed", "coder", "reported by",
    "words", "language", "words from", "original", "original language", "original from", "gist",
    "sources", "effect", "status", "ground", "ground id", "kind", "class", "access", "counts",
    "for links", "made by", "ground coder", "published", "ground sources", "why",
)  # fmt: skip


def listed(rows: Iterable[ClaimRow]) -> Table:
    """One row a claim."""
    return LIST, [
        (
            c.id, c.word, _name(c.speaker), c.capacity, _name(c.speaks_for), c.printed,
            _name(c.coder), c.text, _yes(c.quoted), c.lang, c.original, c.original_lang,
            c.gist, _names(c.addressees), c.said_at, c.level_then, c.level_now, c.denials, c.rivals,
            c.critiques, c.answers, c.status, c.case,
        )
        for c in rows
    ]  # fmt: skip


def beside(page: ClaimPage) -> Table:
    """One row a ground of each position, or one for a position that shows none; then the silent."""
    rows: list[tuple[object, ...]] = []
    for p in page.positions:
        rows += [(*_position(p), *_ground(g)) for g in p.grounds] or [(*_position(p), *_none(p))]
    blank = (None,) * len(BESIDE)
    rows += [("no statement", one.id, one.name, *blank[3:]) for one in page.silent]
    return BESIDE, rows


def _position(p: Position) -> tuple[object, ...]:
    return (
        p.word, p.id, _name(p.speaker) or p.printed, p.capacity, _name(p.speaks_for), p.said_at,
        _yes(p.signed), _name(p.coder), _name(p.reported_by), p.words, p.lang,
        _from(p.words_from), p.original, p.original_lang, _from(p.original_from), p.gist,
        _list(p.sources), p.effect, p.status,
    )  # fmt: skip


def _ground(g: Ground) -> tuple[object, ...]:
    return (
        g.name, g.id, g.kind, g.strength, g.access, _yes(g.counts), _list(g.links),
        _names(g.producers), _name(g.coder), g.published, _list(g.sources), "; ".join(g.reasons),
    )  # fmt: skip


def _none(p: Position) -> tuple[object, ...]:
    return ("none shown here" if p.asked else "none asked for", *(None,) * 11)


def _from(one: Quoted | None) -> str | None:
    return one.words if one else None


def _name(one: Name | None) -> str | None:
    return one.name if one else None


def _names(some: Iterable[Name]) -> str:
    return _list(one.name for one in some)


def _list(some: Iterable[str]) -> str:
    return "; ".join(some)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
