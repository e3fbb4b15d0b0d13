"""What people send: a form's fields and files; a day and a marking as they write them.

Bytes in, values out. Own, because it is small: the body has passed its size limit, and a file's
bytes must arrive exactly as they were picked.
"""

from __future__ import annotations

import re
from datetime import date
from urllib.parse import parse_qsl

from msgspec import Struct

from tocsin.errors import UsageError
from tocsin.policy import TLP_ORDER, Tlp

MOST_PARTS = 200
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Upload(Struct, frozen=True):
    """One file: its name as the sender says it, and its bytes."""

    name: str
    raw: bytes


def read(content_type: str, body: bytes) -> tuple[dict[str, str], list[Upload]]:
    """The fields and files of a form's body. A name that comes twice keeps its last value.

    Raises:
        UsageError: a body that is not what its type says.
    """
    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if not body:
        return {}, []
    if kind == "application/x-www-form-urlencoded":
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)), []
        except ValueError as wrong:
            raise _bad(str(wrong)) from None
    if kind == "multipart/form-data":
        boundary = re.search(r'boundary="?([^";]{1,70})"?', rest)
        if boundary is None:
            raise _bad("no boundary")
        return _multipart(body, boundary[1].encode("latin-1"))
    return {}, []


def day(text: str) -> date:
    """A day as a person writes one, 2026-11-22. Raises UsageError."""
    try:
        # fromisoformat alone takes 20261122 and 2026-W47-7 as well.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise UsageError(f"{text!r} is not a day", remedy="write it as 2026-11-22") from None


def marking(text: str) -> Tlp:
    """A marking by its name. Raises UsageError."""
    found = next((level for level in TLP_ORDER if level == text), None)
    if found is None:
        raise UsageError(f"there is no marking TLP:{text}", remedy="one of " + " ".join(TLP_ORDER))
    return found


def _bad(why: str) -> UsageError:
    return UsageError(f"the form cannot be read: {why}", remedy="send it from the page itself")


def _multipart(body: bytes, boundary: bytes) -> tuple[dict[str, str], list[Upload]]:
    """RFC 7578. Parts stand between `CRLF--boundary`; the first may lack the CRLF."""
    fields: dict[str, str] = {}
    uploads: list[Upload] = []
    mark = b"\r\n--" + boundary
    whole = b"\r\n" + body
    at = whole.find(mark)
    parts = 0
    while at >= 0:
        start = at + len(mark)
        if whole[start : start + 2] == b"--":
            return fields, uploads
        end = whole.find(mark, start)
        if end < 0 or whole[start : start + 2] != b"\r\n":
            break
        parts += 1
        if parts > MOST_PARTS:
            raise _bad(f"more than {MOST_PARTS} parts")
        split = whole.find(b"\r\n\r\n", start, end)
        if split < 0:
            raise _bad("a part without a header")
        name, filename = _names(whole[start + 2 : split + 2])
        content = whole[split + 4 : end]
        if filename is None:
            try:
                fields[name] = content.decode()
            except UnicodeDecodeError:
                raise _bad(f"the field {name} is not UTF-8") from None
        elif filename or content:
            uploads.append(Upload(filename, content))
        at = end
    raise _bad("it ends in the middle")


def _names(head: bytes) -> tuple[str, str | None]:
    text = head.decode("utf-8", "replace")
    line = re.search(r"(?im)^content-disposition:\s*form-data\s*;(.*)\r$", text)
    if line is None:
        raise _bad("a part that is no form field")
    found = {
        key.lower(): value.replace("%22", '"').replace("%0D", "").replace("%0A", "")
        for key, value in re.findall(r';?\s*(\w+)="([^"]*)"', line[1])
    }
    if "name" not in found:
        raise _bad("a field without a name")
    filename = found.get("filename")
    # Some browsers send a path; the last part is the name.
    return found["name"], None if filename is None else re.split(r"[\\/]", filename)[-1][:255]
