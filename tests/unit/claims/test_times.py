"""When a date of some precision is over, and what is an instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tocsin.claims.times import ended, instant, rfc3339

WHEN = "2026-02-03T09:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "precision", "end"),
    [
        ("2026", "year", "2027-01-01T00:00:00.000Z"),
        ("2026-02", "month", "2026-03-01T00:00:00.000Z"),
        ("2026-12", "month", "2027-01-01T00:00:00.000Z"),
        ("2026-02-28", "day", "2026-03-01T00:00:00.000Z"),
        ("2026-02-03T09:00Z", "minute", "2026-02-03T09:01:00.000Z"),
        ("2026-02-03T09:00:00+02:00", "instant", "2026-02-03T07:00:00.000Z"),
        ("2026-02-03", "month", "2026-03-01T00:00:00.000Z"),
        ("2026-02", "day", "2026-03-01T00:00:00.000Z"),
        ("2026-02-03", "about", "2026-02-04T00:00:00.000Z"),
        ("9999-12", "month", "9999-12-31T23:59:59.999999Z"),
        ("0986", "year", "0987-01-01T00:00:00.000Z"),
    ],
)
def test_a_date_is_over_when_its_coarsest_reading_is(text: str, precision: str, end: str) -> None:
    assert rfc3339(ended(text, precision)) == end


@pytest.mark.parametrize(
    "text",
    [
        *("", "spring", "2026-13", "2026-02-30", "2026-02-03T09:00", "0001-01-01T00:00:00+14:00"),
        *("20", "\u0662\u0660\u0662\u0664", "2026-02-0\u0663"),
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are Python's own for some of them
        ended(text)


def test_an_instant_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        instant("2026-02-03T09:00:00")
    east = datetime(2026, 2, 3, 11, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(east) == WHEN
    assert instant(WHEN) == datetime(2026, 2, 3, 9, tzinfo=UTC)
