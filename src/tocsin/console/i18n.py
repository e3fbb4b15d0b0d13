"""Languages of the console's own words, their direction, and how dates and numbers are written.

English is complete. Other languages come in as catalogues; until one is there its pages are in
English, with that language's direction. What parties said is never translated.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct


class Language(Struct, frozen=True):
    """A language the console can be read in."""

    code: str
    dir: str


LANGUAGES: dict[str, Language] = {
    "en": Language("en", "ltr"),
    "ar": Language("ar", "rtl"),
}
ENGLISH = LANGUAGES["en"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def pick(asked: str | None) -> Language:
    """The language asked for by `?lang=` or a cookie, if there is one; else English."""
    return LANGUAGES.get((asked or "").lower(), ENGLISH)


def parse(at: str) -> datetime | None:
    """An RFC 3339 instant; None for a bare date or anything else."""
    if "T" not in at:
        return None
    try:
        found = datetime.fromisoformat(at.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def moment(at: str | datetime | None) -> str:
    """An instant as "22 Nov 2026, 10:49 UTC"; a year, month or day as written; also two of them."""
    if not at:
        return "no date"
    if isinstance(at, str) and " to " in at:
        return " to ".join(moment(part) for part in at.split(" to "))
    found = at if isinstance(at, datetime) else parse(at)
    if found is None:
        return _day(str(at))
    return f"{found.day} {_MONTHS[found.month - 1]} {found.year}, {found:%H:%M} UTC"


def known(at: str) -> str:
    """Up to when something was known: the end of a day as that day, else the instant."""
    found = parse(at)
    if found is None or (found.hour, found.minute, found.second, found.microsecond) != (0, 0, 0, 0):
        return moment(at)
    before = found - timedelta(days=1)
    return f"the end of {before.day} {_MONTHS[before.month - 1]} {before.year}, UTC"


def _day(at: str) -> str:
    parts = at.split("-")
    if not all(part.isdigit() for part in parts) or len(parts) > 3:
        return at
    months = [_MONTHS[int(parts[1]) - 1]] if len(parts) > 1 and 1 <= int(parts[1]) <= 12 else []
    days = [str(int(parts[2]))] if len(parts) > 2 else []
    return " ".join(days + months + parts[:1])


def ago(at: str, now: datetime) -> str:
    """How long before `now`, in one unit: "3 h ago", "in 2 d"."""
    found = parse(at)
    if found is None:
        return ""
    seconds = int((now - found).total_seconds())
    size = abs(seconds)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if size >= length:
            words = f"{size // length} {unit}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now"


def number(value: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 claim", "2 claims"."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def clip(text: str, limit: int = 60) -> str:
    """A text for a title: one line, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
