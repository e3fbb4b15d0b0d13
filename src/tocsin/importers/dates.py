"""Dates as data sets print them: read as exactly as they are given, flagged, and never mended.

Spec: claims.md §1, `asserted_at`.
"""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

_DAY_FIRST = re.compile(
    r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})(?:[ T]00:00(?::00)?)?", re.ASCII
)
_MONTH_FIRST = re.compile(r"(?P<m>\d{1,2})\.(?P<y>\d{4})", re.ASCII)
_YEAR_FIRST = re.compile(
    r"(?P<y>\d{4})(?:-(?P<m>\d{2})(?:-(?P<d>\d{2})(?:[T ]"
    # A time of the day as ISO 8601 has it; what is none makes the whole cell no date.
    r"(?:[01]\d|2[0-3]):[0-5]\d(?::(?:[0-5]\d|60)(?:[.,]\d{1,12})?)?"
    r" ?(?:Z|[+-](?:[01]\d|2[0-3]):?(?:[0-5]\d)?)?)?)?)?",
    re.ASCII,
)


class Read(Struct, frozen=True):
    """A date: RFC 3339 text or the beginning of one, and how exact it is: year, month, day."""

    value: str
    precision: str

    @property
    def first(self) -> str:
        """Its first day, to be compared."""
        return (self.value + "-01-01")[:10]

    @property
    def last(self) -> str:
        """A text that sorts behind every day in it."""
        return self.value if self.precision == "day" else self.value + "~"


def read_date(printed: str) -> Read | None:
    """22.11.2026, 11.2026, 2026, 2026-11, 2026-11-22 or a time; None for anything else.

    A month and day that the other way round would be a day as well are read as DD.MM, which is
    what a full stop between them means; with strokes between them nothing is guessed.
    """
    text = printed.strip()
    if len(text) > 48:
        return None
    for form in (_DAY_FIRST, _MONTH_FIRST, _YEAR_FIRST):
        found = form.fullmatch(text)
        if found is None:
            continue
        parts = found.groupdict()
        year, month, day = int(parts["y"]), parts.get("m"), parts.get("d")
        try:
            whole = date(year, int(month or 1), int(day or 1))
        except ValueError:
            return None
        if not 1900 <= year <= 2199:
            return None
        if day is not None:
            return Read(whole.isoformat(), "day")
        if month is not None:
            return Read(whole.isoformat()[:7], "month")
        return Read(f"{year:04}", "year")
    return None
