"""Single fields of a MISP document, whatever stands in them.

MISP writes numbers as text and text as numbers, null for absent, and one row of a list as a dict.
Each function here gives a value of one type, or None, for anything that JSON can hold.

Spec: MISP core format (draft-dulaunoy-misp-core-format) §2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_SECONDS = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?")


def text(value: Any) -> str | None:
    """The text of a field without blanks around it; of a number its digits; None for the rest."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)


def flag(value: Any) -> bool:
    """Whether a switch is on: true, 1, "1", "true"."""
    return value is True or str(value).strip().lower() in ("1", "true")


def whole(value: Any) -> int | None:
    """A whole number, also where it is written as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,15}", value.strip()):
        return int(value)
    return None


def rows(value: Any) -> list[Any]:
    """The rows of a list; a dict with numbers for keys is one too, and any other dict one row."""
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        if value and all(isinstance(k, str) and k.isdecimal() for k in value):
            return list(value.values())
        return [value] if value else []
    return []


def record(value: Any) -> Mapping[str, Any]:
    """The dict a field holds, or its first one where it is a list; else an empty one."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list):
        return next((one for one in value if isinstance(one, Mapping)), {})
    return {}


def uuid(value: Any) -> str | None:
    """A UUID of the RFC 4122 variant in lower case, which is all that a STIX id may hold."""
    found = value.strip().lower() if isinstance(value, str) else ""
    return found if _UUID.fullmatch(found) else None


def instant(value: Any) -> datetime | None:
    """A time: seconds since 1970, as number or text, or RFC 3339 with a zone, or a bare day.

    Times before 1970 and after 9999 are none: what is written so is an empty field or a mistake.
    """
    found = text(value)
    return None if found is None else _instant(found)


@lru_cache(maxsize=1_024)
def _instant(found: str) -> datetime | None:
    try:
        if _SECONDS.fullmatch(found):
            seconds = float(found)
            return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
        if len(found) > 40:
            return None
        time = datetime.fromisoformat(found)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return time if time.year >= 1970 else None
