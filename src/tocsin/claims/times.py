"""Instants and dates as claims write them: when each is over, and how one is written. UTC.

Spec: claims.md §1.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from tocsin.claims.model import Dated

_FORM = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?P<time>[Tt]\d\d:\d\d(?P<second>:\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d))?)?)?",
    re.ASCII,  # dates are compared as text too, and digits of other scripts sort elsewhere
)
_COARSENESS = {"instant": 0, "minute": 1, "day": 2, "month": 3, "year": 4}
_LATEST = datetime.max.replace(tzinfo=UTC)


def instant(text: str) -> datetime:
    """An RFC 3339 instant as an aware datetime, UTC.

    Raises:
        ValueError: not an instant, or without a zone.
    """
    found = _FORM.fullmatch(text)
    if not found or not found["time"]:
        raise ValueError(f"{text!r} is not an RFC 3339 instant with a zone")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as wrong:
        raise ValueError(f"{text!r} is outside the years we can count") from wrong


def ended(text: str, precision: str | None = None) -> datetime:
    """The instant at which a date of this precision is over, UTC.

    The coarser of the written form and `precision` decides: "2024-02" with precision "day" is
    over when February is. A precision we do not know is that of the written form.

    Raises:
        ValueError: not a year, month, day, minute or instant.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a year, month, day or RFC 3339 instant")
    form = (
        ("instant" if found["second"] else "minute")
        if found["time"]
        else ("day" if found["day"] else "month" if found["month"] else "year")
    )
    grain = max(form, precision or form, key=lambda name: _COARSENESS.get(name, -1))
    if grain == "instant":
        return instant(text)
    try:
        if grain == "minute":
            return instant(text).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = (
            instant(text).date()
            if found["time"]
            else date(int(found["year"]), int(found["month"] or 1), int(found["day"] or 1))
        )
        if grain == "day":
            after = day + timedelta(days=1)
        elif grain == "month" and day.month < 12:
            after = date(day.year, day.month + 1, 1)
        else:
            after = date(day.year + 1, 1, 1)
    except OverflowError:
        return _LATEST
    except ValueError:
        if found["year"] == "9999" and found["month"] in (None, "12"):
            return _LATEST
        raise
    return datetime(after.year, after.month, after.day, tzinfo=UTC)


def dated_end(dated: Dated | str) -> datetime:
    """The instant at which a dated interval has ended.

    Raises:
        ValueError: value or until is not a date we can read.
    """
    if isinstance(dated, str):
        return ended(dated)
    end = ended(dated.value, dated.precision)
    return max(end, ended(dated.until)) if dated.until else end


def rfc3339(at: datetime) -> str:
    """UTC text with at least milliseconds, as STIX writes it."""
    at = at.astimezone(UTC)
    fine = at.microsecond if at.microsecond % 1000 else at.microsecond // 1000
    digits = 6 if at.microsecond % 1000 else 3
    # Not by %Y, which writes the year 987 in three digits.
    return f"{at.year:04d}-{at:%m-%dT%H:%M:%S}.{fine:0{digits}d}Z"
