"""When something was said, in a language with a table. Spec: claims.md §3.6."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache

from tocsin.reading.tongues import Tongue, tongue

Day = tuple[str | None, str | None, str]  # value, precision, as printed


@cache
def _patterns(code: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    table = tongue(code)
    edge = "" if table.shape == "run" else r"\b"
    made = [("day", one) for one in table.dated]
    made += [("yesterday", table.yesterday), ("today", table.today), ("year", table.last_year)]
    made += [(str(number), one) for number, one in enumerate(table.weekdays)]
    return tuple((kind, re.compile(f"{edge}(?:{one}){edge}", re.IGNORECASE)) for kind, one in made)


@cache
def _time_word(code: str) -> re.Pattern[str]:
    table = tongue(code)
    listed = [*table.weekdays, table.yesterday, table.today]
    return re.compile("|".join(f"(?:{one})" for one in listed), re.IGNORECASE)


def time_word(table: Tongue) -> re.Pattern[str]:
    """A pattern of the words that are a time by themselves: a weekday, "yesterday"."""
    return _time_word(table.code)


def day_in(words: str, table: Tongue, published: date | None) -> Day | None:
    """The first time printed in some words; its value None where no day to count from is given."""
    for kind, pattern in _patterns(table.code):
        match = pattern.search(words)
        if match is None:
            continue
        shown = match.group().strip()
        if kind == "day":
            return _calendar(match, table, published), "day", shown
        if published is None:
            return None, None, shown
        if kind == "year":
            return f"{published.year - 1:04d}", "year", shown
        back = {"yesterday": 1, "today": 0}.get(kind)
        if back is None:
            back = (published.weekday() - int(kind)) % 7
        if published.toordinal() <= back:
            return None, None, shown
        return (published - timedelta(days=back)).isoformat(), "day", shown
    return None


def _calendar(match: re.Match[str], table: Tongue, published: date | None) -> str | None:
    parts = match.groupdict()
    day = int(parts["d"])
    name, year = parts.get("m"), parts.get("y")
    if name is None:
        month = published.month if published is not None else 0
    elif name.isdigit():
        month = int(name)
    else:
        month = next((n for n, m in enumerate(table.months, 1) if m == name.lower()), 0)
    if not month or (year is None and published is None):
        return None
    if year is not None:
        number = int(year)
    else:
        assert published is not None
        number = published.year - int((month, day) > (published.month, published.day))
        if name is None and day > published.day:  # "the 28th", in a text of the 3rd
            number, month = (number + 1, month - 1) if month > 1 else (published.year - 1, 12)
    try:
        return date(number, month, day).isoformat()
    except ValueError:
        return None


def whole_days(words: str, table: Tongue) -> Iterator[tuple[int, int, str]]:
    """(start, end, value) of every day that is printed with its year."""
    for kind, pattern in _patterns(table.code):
        if kind != "day":
            continue
        for match in pattern.finditer(words):
            value = _calendar(match, table, None)
            if value is not None:
                yield match.start(), match.end(), value
