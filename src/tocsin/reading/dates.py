"""When something was said: the times a text prints, against the day it was published.

"on Wednesday" is the last Wednesday up to that day, "in April" the last April, "last year" the
year before. Without the day the printed words are kept and the value is absent; a time that
stands alone ("in 2020", "on 3 March 2024") needs no day. Spec: claims.md §3.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from tocsin.reading import cues
from tocsin.reading.cues import MONTHS, WEEKDAYS
from tocsin.reading.layout import WORD, Token

_WORDS = frozenset([*MONTHS, *WEEKDAYS, "yesterday", "today", "tonight", "last", "this"])
_LEADS = cues.words("on in since during late early earlier the of")
# Also names and plain words: only with a capital.
_SHORT = cues.words("may mar sun sat mon wed")


class When(NamedTuple):
    """A time as printed, what it comes to (None without a day to count from), and where it ends."""

    printed: str
    value: str | None
    precision: str | None
    last: int  # token index after it


def when_at(tokens: Sequence[Token], at: int, published: date | None) -> When | None:
    """The time that begins at token `at`, if one does."""
    first = at
    while at < len(tokens) and at < first + 3 and tokens[at].low in _LEADS:
        at += 1
    if at >= len(tokens):
        return None
    low = tokens[at].low
    if low not in _WORDS and not low[:1].isdigit():
        return None
    found = _time(tokens, at, published)
    if found is None:
        return None
    value, precision, last = found
    if precision == "year" and at == first and tokens[at].text.isdigit():
        return None  # a bare number is not a year
    if precision == "month" and at == first and last == at + 1:
        return None  # "April" alone may be anybody's name
    printed = " ".join(token.text for token in tokens[first:last])
    return When(printed, value, precision if value else None, last)


def _time(
    tokens: Sequence[Token], at: int, published: date | None
) -> tuple[str | None, str, int] | None:
    low = tokens[at].low
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    if low in ("yesterday", "today", "tonight"):
        return _back(published, int(low == "yesterday")), "day", at + 1
    if low in ("last", "this") and following is not None:
        return _relative(low, following.low, published, at + 2)
    if low in WEEKDAYS and tokens[at].text[0].isupper() and not (low in _SHORT and at == 0):
        last = at + 1
        if following is not None and following.text == "," and at + 2 < len(tokens):
            exact = _calendar(tokens, at + 2, published)
            if exact is not None and exact[1] == "day":
                return exact
        if following is not None and following.low in ("morning", "afternoon", "evening", "night"):
            last += 1
        value = None
        if published is not None:
            value = _back(published, (published.weekday() - WEEKDAYS[low]) % 7)
        return value, "day", last
    return _calendar(tokens, at, published)


def _relative(
    which: str, unit: str, published: date | None, last: int
) -> tuple[str | None, str, int] | None:
    if unit in WEEKDAYS and unit not in _SHORT:
        if published is None:
            return None, "day", last
        back = (published.weekday() - WEEKDAYS[unit]) % 7
        return _back(published, back or 7 if which == "last" else back), "day", last
    if unit in ("week", "weekend"):
        return None, "day", last  # seven days are no precision of ours
    before = int(which == "last")
    if unit == "year":
        return None if published is None else f"{published.year - before:04d}", "year", last
    if unit == "month":
        if published is None:
            return None, "month", last
        month = published.year * 12 + published.month - 1 - before
        return f"{month // 12:04d}-{month % 12 + 1:02d}", "month", last
    if unit in MONTHS and unit not in _SHORT:
        return _month(MONTHS[unit], None, published), "month", last
    if unit in ("morning", "afternoon", "evening", "night") and which == "this":
        return _back(published, 0), "day", last
    return None


def _calendar(
    tokens: Sequence[Token], at: int, published: date | None
) -> tuple[str | None, str, int] | None:
    """2020 · April · April 2023 · 3 March 2024 · March 3, 2024 · 2024-03-03."""
    low, text = tokens[at].low, tokens[at].text
    if text[:4].isdigit() and text.isascii() and tokens[at].end - tokens[at].start == 4:
        dashed = _dashed(tokens, at)
        if dashed is not None:
            return dashed
        return (text, "year", at + 1) if 1900 <= int(text) <= 2100 else None
    day = _ordinal(tokens, at)
    if day is not None and at + 1 < len(tokens):
        month_at = at + 2 if tokens[at + 1].low == "of" and at + 2 < len(tokens) else at + 1
        month = _month_word(tokens[month_at])
        if month is None:
            return None
        year, last = _year(tokens, month_at + 1)
        return _exact(year, month, day, published), "day", last
    month = _month_word(tokens[at])
    if month is None:
        return None
    day = _ordinal(tokens, at + 1) if at + 1 < len(tokens) else None
    if day is not None:
        year, last = _year(tokens, at + 2)
        return _exact(year, month, day, published), "day", last
    year, last = _year(tokens, at + 1)
    if low in _SHORT and low != "may" and year is None:
        return None
    return _month(month, year, published), "month", last


def _dashed(tokens: Sequence[Token], at: int) -> tuple[str | None, str, int] | None:
    parts = tokens[at : at + 5]
    if (
        len(parts) == 5
        and parts[1].text == parts[3].text == "-"
        and parts[4].start - parts[0].start == 8
    ):
        text = "".join(token.text for token in parts)
        try:
            return date.fromisoformat(text).isoformat(), "day", at + 5
        except ValueError:
            return None
    return None


def _month_word(token: Token) -> int | None:
    return MONTHS.get(token.low) if token.text[:1].isupper() else None


def _ordinal(tokens: Sequence[Token], at: int) -> int | None:
    word = tokens[at].low.removesuffix("th").removesuffix("st").removesuffix("nd")
    word = word.removesuffix("rd")
    if word.isascii() and word.isdigit() and len(word) <= 2 and 1 <= int(word) <= 31:
        return int(word)
    return None


def _year(tokens: Sequence[Token], at: int) -> tuple[int | None, int]:
    last = at
    if at < len(tokens) and tokens[at].text in (",", "of"):
        at += 1
    if at < len(tokens):
        word = tokens[at].text if tokens[at].kind == WORD else ""
        if len(word) == 4 and word.isascii() and word.isdigit() and 1900 <= int(word) <= 2100:
            return int(word), at + 1
    return None, last


def _back(published: date | None, days: int) -> str | None:
    if published is None or published.toordinal() <= days:
        return None
    return (published - timedelta(days=days)).isoformat()


def _exact(year: int | None, month: int, day: int, published: date | None) -> str | None:
    if year is None:
        if published is None:
            return None
        later = (month, day) > (published.month, published.day)
        year = published.year - int(later)
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _month(month: int, year: int | None, published: date | None) -> str | None:
    if year is None:
        if published is None:
            return None
        year = published.year - int(month > published.month)
    return f"{year:04d}-{month:02d}"
